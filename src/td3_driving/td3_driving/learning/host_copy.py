# SPDX-License-Identifier: Apache-2.0
"""Copies tensors from the learner's device into the machine's memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def host_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors in the machine's memory, by the same names.

    From a CUDA device all of them travel on a stream of their own, with one wait at the end: for the updates given to
    the device before this call, not for those that another thread gives it meanwhile.
    """
    plain = {name: tensor.detach() for name, tensor in tensors.items()}
    device = next((tensor.device for tensor in plain.values() if tensor.is_cuda), None)
    if device is None:
        return {name: tensor.cpu().contiguous() for name, tensor in plain.items()}
    taken = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in plain.items()}
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        copies = {name: _pinned(tensor) if tensor.is_cuda else tensor for name, tensor in taken.items()}
    aside.synchronize()
    return copies


def _pinned(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
