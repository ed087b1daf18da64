# SPDX-License-Identifier: Apache-2.0
"""Takes the mean of gradients over the ranks, clips them, and measures their norms, before and after.

A norm is always the L2 norm over all tensors of a network or of one of its parts, never a sum of norms.
"""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor, nn

from td3_driving.learning.networks import Network
from td3_driving.learning.ranks.sharing import ALONE, Alone


def global_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """L2 norm over the gradients of all ``parameters``, a scalar; parameters without gradient count as zero."""
    return norm_of_norms(norms_of([parameter.grad for parameter in parameters if parameter.grad is not None]))


def norms_of(tensors: list[Tensor]) -> Sequence[Tensor]:
    """L2 norm of each tensor, all at once: on a CUDA device the number of kernels counts, not their work."""
    return torch._foreach_norm(tensors) if tensors else ()


def norm_of_norms(norms: Sequence[Tensor]) -> Tensor:
    """L2 norm over tensors whose own norms are ``norms``, a scalar."""
    if not norms:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(list(norms)))
    return norm


def gradients_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Gradients of all parameters of ``optimizer`` that have one."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def clip_and_measure(network: Network, max_norm: float, name: str, ranks: Alone = ALONE) -> dict[str, Tensor]:
    """Scale the gradients of ``network``, their mean over all ``ranks``, to a global norm of at most ``max_norm``.

    Returns:
        ``gradients/`` series of ``name``: the norms of the parts cnn (where there is one) and mlp before clipping, of
        the whole before and after, and whether clipping was needed (1 or 0).
    """
    parts = {part: network.part(part) for part in ("cnn", "mlp")}
    parameters = parts["cnn"] + parts["mlp"]
    moved = {part: [value.grad for value in parts[part] if value.grad is not None] for part in parts}
    gradients = moved["cnn"] + moved["mlp"]
    ranks.average(gradients)
    each = norms_of(gradients)
    norms = {"cnn": norm_of_norms(each[: len(moved["cnn"])]), "mlp": norm_of_norms(each[len(moved["cnn"]) :])}
    before = torch.hypot(norms["cnn"], norms["mlp"])
    torch._foreach_mul_(gradients, torch.clamp(max_norm / before, max=1.0))
    # No series rather than zeros for an encoder that is not there: zeros would say that it learns nothing.
    measured = {f"gradients/{name}_{part}_norm": norm for part, norm in norms.items() if parts[part]}
    return measured | {
        f"gradients/{name}_norm_pre_clip": before,
        f"gradients/{name}_norm_post_clip": global_norm(parameters),
        f"gradients/{name}_clip_share": (before > max_norm).float(),
    }
