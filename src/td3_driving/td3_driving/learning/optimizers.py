# SPDX-License-Identifier: Apache-2.0
"""Makes the optimizers of the networks and sets their learning rates in the course of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from td3_driving.learning.networks import Network
from td3_driving.settings import LearningSettings


def make_adam(network: Network, cnn_lr: float, mlp_lr: float, fused: bool = True) -> torch.optim.Adam:
    """Adam over the trained weights, with one learning rate for the encoder, if there is one, and one for the rest.

    Args:
        fused: whether torch's kernel makes the step, or one that is compiled (:func:`step_of`).
    """
    parts = (("cnn", cnn_lr), ("mlp", mlp_lr))
    device = next(network.parameters()).device
    groups = [
        {"params": network.part(part), "lr": rate_on(device, rate), "part": part}
        for part, rate in parts
        if network.part(part)
    ]
    return torch.optim.Adam(groups, fused=fused, foreach=not fused, capturable=device.type == "cuda")


def step_of(optimizer: torch.optim.Adam, compiled: bool) -> Callable[[], None]:
    """What makes a step of ``optimizer``.

    On a CUDA device torch's fused kernel takes 74 us a learning rate for weights as few as these, whatever their
    number; a compiled step has work for the whole device.
    """

    def step() -> None:
        optimizer.step()

    return torch.compile(step) if compiled else step


def rate_on(device: torch.device, rate: float) -> float | Tensor:
    """A learning rate; on a CUDA device a tensor, so that a recorded update reads the rate of its time."""
    return torch.tensor(rate, device=device) if device.type == "cuda" else rate


def set_learning_rates(optimizers: Iterable[torch.optim.Optimizer], rule: LearningSettings, updates: int) -> None:
    """Set the rates for the update that follows ``updates``: linear from 1 to ``lr_end`` over ``lr_decay`` updates."""
    if not rule.lr_decay:
        return
    share = min(updates / rule.lr_decay, 1.0)
    factor = 1.0 + share * (rule.lr_end - 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            rate = factor * group.setdefault("initial_lr", float(group["lr"]))
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
