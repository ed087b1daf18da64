# SPDX-License-Identifier: Apache-2.0
"""Sends arrays to the device while it computes.

What is sent lies in pinned memory, travels on a stream of its own, and is put where the update reads it once the
update before has read what lay there. Two parcels take turns, so one is packed while the other is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Layout = Mapping[str, tuple[tuple[int, ...], torch.dtype]]
"""Shape and type of each array by name."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One set of arrays in pinned memory, where it lands on the device, and when both are free again."""

    packed: dict[str, Tensor]
    landed: dict[str, Tensor]
    sent: torch.cuda.Event
    taken: torch.cuda.Event


class Mailbox:
    """Arrays of fixed shapes that are sent again and again.

    Attributes:
        arrived: by name what was sent last, on the device; it stays where it is, as a CUDA graph needs it.
    """

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.arrived = {name: torch.zeros(shape, dtype=kind, device=device) for name, (shape, kind) in layout.items()}
        self._device = device
        self._turn = 0
        self._parcels: list[Parcel] = []
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)
            self._parcels = [self._parcel() for _ in range(2)]
            # What was in this memory before may still be in use by the work of the caller's stream.
            self._stream.wait_stream(torch.cuda.current_stream(device))

    @property
    def nbytes(self) -> int:
        """Bytes that it takes on the device."""
        return sum(value.nbytes for value in self.arrived.values()) * (1 + len(self._parcels))

    def open(self) -> dict[str, Tensor]:
        """Arrays in the machine's memory to be filled; it may wait for the parcel before the last one to be gone."""
        if not self._parcels:
            return self.arrived
        parcel = self._parcels[self._turn % 2]
        parcel.sent.synchronize()
        return parcel.packed

    def send(self) -> None:
        """Send what was filled; the work that the caller's stream is given after this call reads it."""
        if not self._parcels:
            return
        parcel, reading = self._parcels[self._turn % 2], torch.cuda.current_stream(self._device)
        self._turn += 1
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(parcel.taken)
            for name, packed in parcel.packed.items():
                parcel.landed[name].copy_(packed, non_blocking=True)
            parcel.sent.record(self._stream)
        reading.wait_event(parcel.sent)
        for name, landed in parcel.landed.items():
            self.arrived[name].copy_(landed)
        parcel.taken.record(reading)

    def _parcel(self) -> Parcel:
        packed = {
            name: torch.empty(value.shape, dtype=value.dtype).pin_memory() for name, value in self.arrived.items()
        }
        landed = {name: torch.empty_like(value) for name, value in self.arrived.items()}
        return Parcel(packed, landed, torch.cuda.Event(), torch.cuda.Event())
