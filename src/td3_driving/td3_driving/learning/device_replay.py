# SPDX-License-Identifier: Apache-2.0
"""Batches of the replay memory for a learner whose device is not the processor.

Which transitions a batch has is drawn on the processor, by the same generator and rule as there. Where the frames fit
on the device they lie there a second time, and only the slots of a batch travel. Where they do not, the frames of the
batch travel, packed in pinned memory while the device is at the update before.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from td3_driving.driving.observation import stack_shape
from td3_driving.learning.batch import TensorBatch
from td3_driving.learning.mailbox import Mailbox
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.replay_links import Located
from td3_driving.settings import Settings

CHUNK = 64
"""Steps that are copied to the device at a time."""
VECTORS = ("state", "privileged", "action", "teacher")
"""What a record holds for the networks beside the frame."""
RETURNS = ("rewards", "discounts", "terminated")


class BatchSource(Protocol):
    """Where an update on the device gets its batch from."""

    def fetch(self, located: Located, reward_scale: float) -> None:
        """Bring what :meth:`read` needs to the device; rewards are divided by ``reward_scale``."""
        ...

    def read(self) -> TensorBatch:
        """The batch, computed on the device from what :meth:`fetch` brought to fixed places."""
        ...

    def sentence(self) -> str:
        """Where the frames lie, in bytes."""
        ...


class DeviceReplay:
    """The memory's frames and vectors a second time, on the device."""

    def __init__(self, settings: Settings, memory: ReplayMemory, device: torch.device) -> None:
        self._memory, self._shape = memory, stack_shape(settings.observation)
        size = settings.learning.batch_size
        self._word = word_type(math.prod(memory.store.frames.shape[1:]))
        self._frames = torch.zeros_like(self._words(memory.store.frames), device=device)
        self._widths = [memory.store.records[name].shape[1] for name in VECTORS]
        self._vectors = torch.zeros((memory.capacity, sum(self._widths)), device=device)
        self._slots = Mailbox(
            {"slots": ((size, memory.links.window + 2), torch.int64), "returns": ((size, len(RETURNS)), torch.float32)},
            device,
        )
        frames, vectors = (CHUNK, self._frames.shape[1]), (CHUNK, sum(self._widths))
        self._steps = Mailbox(
            {
                "slots": ((CHUNK,), torch.int64),
                "frames": (frames, self._word),
                "vectors": (vectors, torch.float32),
            },
            device,
        )
        self._copied = 0

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        return self._frames.nbytes + self._vectors.nbytes + self._slots.nbytes + self._steps.nbytes

    def sentence(self) -> str:
        return f"{self._memory.capacity:,} frames and their vectors lie on the device: {self.nbytes:,} bytes"

    def fetch(self, located: Located, reward_scale: float) -> None:
        self._follow()
        packed = self._slots.open()
        slots = np.concatenate([located.window, located.starts[:, None], located.ends[:, None]], axis=1)
        packed["slots"].copy_(torch.from_numpy(slots))
        packed["returns"].copy_(returns_of(located, reward_scale))
        self._slots.send()

    def read(self) -> TensorBatch:
        slots, returns = self._slots.arrived["slots"], self._slots.arrived["returns"]
        window = self._frames.index_select(0, slots[:, :-2].flatten()).view(torch.uint8)
        now, beyond = self._vectors[slots[:, -2]], self._vectors[slots[:, -1]]
        return as_batch(window, self._shape, now.split(self._widths, dim=1), beyond.split(self._widths, dim=1), returns)

    def _follow(self) -> None:
        """Copy the steps that were stored since the last call."""
        store, capacity = self._memory.store, self._memory.capacity
        stored = store.committed
        for first in range(max(self._copied, stored - capacity), stored, CHUNK):
            # The last position fills up the chunk: writing it again changes nothing.
            slots = np.minimum(np.arange(first, first + CHUNK), stored - 1) % capacity
            packed = self._steps.open()
            packed["slots"].copy_(torch.from_numpy(slots))
            packed["frames"].copy_(self._words(store.frames[slots]))
            packed["vectors"].copy_(vectors_of(store.records, slots))
            self._steps.send()
            arrived = self._steps.arrived
            self._frames.index_copy_(0, arrived["slots"], arrived["frames"])
            self._vectors.index_copy_(0, arrived["slots"], arrived["vectors"])
        self._copied = stored

    def _words(self, frames: np.ndarray) -> Tensor:
        """Frames as rows of the widest word that divides them: fewer elements to gather."""
        return torch.from_numpy(frames).view(len(frames), -1).view(self._word)


class PinnedReplay:
    """The memory where it is; the frames of each batch travel."""

    def __init__(self, settings: Settings, memory: ReplayMemory, device: torch.device) -> None:
        self._memory, self._shape = memory, stack_shape(settings.observation)
        frames = memory.store.frames
        self._frames = torch.from_numpy(frames).view(len(frames), -1)
        self._widths = [memory.store.records[name].shape[1] for name in VECTORS]
        size, width = settings.learning.batch_size, sum(self._widths)
        self._box = Mailbox(
            {
                "window": ((size * memory.links.window, self._frames.shape[1]), torch.uint8),
                "now": ((size, width), torch.float32),
                "beyond": ((size, width), torch.float32),
                "returns": ((size, len(RETURNS)), torch.float32),
            },
            device,
        )

    def sentence(self) -> str:
        sent = sum(value.nbytes for value in self._box.arrived.values())
        return (
            f"{self._memory.capacity:,} frames, {self._frames.nbytes:,} bytes, stay in the machine's memory, and"
            f" {sent:,} bytes a batch travel"
        )

    def fetch(self, located: Located, reward_scale: float) -> None:
        packed, records = self._box.open(), self._memory.store.records
        torch.index_select(self._frames, 0, torch.from_numpy(located.window).flatten(), out=packed["window"])
        packed["now"].copy_(vectors_of(records, located.starts))
        packed["beyond"].copy_(vectors_of(records, located.ends))
        packed["returns"].copy_(returns_of(located, reward_scale))
        self._box.send()

    def read(self) -> TensorBatch:
        arrived = self._box.arrived
        now, beyond = (arrived[name].split(self._widths, dim=1) for name in ("now", "beyond"))
        return as_batch(arrived["window"], self._shape, now, beyond, arrived["returns"])


def make_source(settings: Settings, memory: ReplayMemory, device: torch.device) -> DeviceReplay | PinnedReplay:
    """The memory on ``device`` if it takes at most ``replay.device_share`` of what is free there, else beside it."""
    needed = memory.store.frames.nbytes + memory.capacity * vectors_of(memory.store.records, np.zeros(1, int)).nbytes
    if needed <= settings.replay.device_share * torch.cuda.mem_get_info(device)[0]:
        return DeviceReplay(settings, memory, device)
    return PinnedReplay(settings, memory, device)


def word_type(length: int) -> torch.dtype:
    """The widest type of which ``length`` bytes are a multiple."""
    words = ((8, torch.int64), (4, torch.int32), (1, torch.uint8))
    return next(kind for size, kind in words if length % size == 0)


def vectors_of(records: np.ndarray, slots: np.ndarray) -> Tensor:
    """``(B, width)`` of what :data:`VECTORS` names, side by side."""
    rows = records[slots]
    return torch.from_numpy(np.concatenate([rows[name] for name in VECTORS], axis=1))


def returns_of(located: Located, reward_scale: float) -> Tensor:
    """``(B, 3)`` of what :data:`RETURNS` names; rewards are divided by ``reward_scale``."""
    rewards = located.rewards / np.float32(reward_scale)
    return torch.from_numpy(np.stack([rewards, located.discounts, located.terminated.astype(np.float32)], axis=1))


def as_batch(
    window: Tensor, shape: tuple[int, ...], now: tuple[Tensor, ...], beyond: tuple[Tensor, ...], returns: Tensor
) -> TensorBatch:
    """Name the parts of a batch; ``now`` and ``beyond`` are in the order of :data:`VECTORS`."""
    channels, *size = shape
    states, privileged, actions, teacher = now
    return TensorBatch(
        window=window.view(len(returns), -1, *size),
        channels=channels,
        states=states,
        privileged=privileged,
        actions=actions,
        teacher_actions=teacher,
        next_states=beyond[0],
        next_privileged=beyond[1],
        rewards=returns[:, 0],
        discounts=returns[:, 1],
        terminated=returns[:, 2] > 0.5,
    )
