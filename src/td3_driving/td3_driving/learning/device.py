# SPDX-License-Identifier: Apache-2.0
"""Where the learner computes, and in which number format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from td3_driving.learning.algorithms.base import Networks
from td3_driving.settings import LearningSettings, Settings


def device_of(rule: LearningSettings) -> torch.device:
    """The device that ``learning.device`` means on this machine.

    Raises:
        ValueError: it is cuda and there is none.
    """
    there = torch.cuda.is_available()
    if rule.device == "cuda" and not there:
        raise ValueError("learning.device is cuda, but this machine offers no CUDA device; cpu and auto are the others")
    return torch.device("cuda" if there and rule.device != "cpu" else "cpu")


def set_arithmetic(settings: Settings, device: torch.device) -> None:
    """Set what the CUDA libraries may do: TF32 where it is asked for, and in mode strict the same bits every time.

    Does nothing for the processor.
    """
    precision, strict = settings.learning.precision, settings.pacing.mode == "strict"
    if device.type != "cuda":
        return
    # float32 means float32: by default the convolutions of cuDNN compute in TF32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    # The fastest kernels are found by timing them, which may find others in the next run.
    torch.backends.cudnn.benchmark = not strict
    torch.backends.cudnn.deterministic = strict
    # Without it cuBLAS may share one workspace among streams and add up in another order (cuBLAS, reproducibility).
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def put_on(network: nn.Module, device: torch.device) -> None:
    """Move a network; on a CUDA device convolutions lie channels-last, as the frames do."""
    if device.type == "cuda":
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    else:
        network.to(device)


def compile_networks(networks: Networks, device: torch.device) -> None:
    """Let torch compile the networks; names of weights stay.

    On the processor each group of layers is compiled by itself. A CUDA device is given whole methods, so that what lies
    between the layers needs no kernels of its own.
    """
    for pair in networks.pairs().values():
        for network in pair:
            if device.type == "cuda":
                for name in network.compiled:
                    setattr(network, name, torch.compile(getattr(network, name), dynamic=False))
                continue
            for part in network.children():
                for module in part if isinstance(part, nn.ModuleList) else (part,):
                    module.compile(dynamic=False)


class SideStream:
    """A second stream of a CUDA device, for work beside that of the first; on the processor the work is done at once.

    The kernels of an update are too small to fill a device: two streams keep more of it busy. A CUDA graph that is
    recorded keeps the two apart.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @contextmanager
    def work(self) -> Iterator[None]:
        """Do what follows after what the first stream was given so far, and beside what it is given next.

        What it reads must live until :meth:`join`.
        """
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """Let the first stream wait for the work."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)
