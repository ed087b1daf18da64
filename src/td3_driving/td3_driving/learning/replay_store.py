# SPDX-License-Identifier: Apache-2.0
"""Keeps the arrays of the replay memory: in main memory, or in files that survive a kill at any point.

Positions count the slots ever written; position ``p`` lies in slot ``p % capacity``. A writer announces the positions
it is about to write (``begun``), writes them, and then counts them (``committed``). A killed process may leave the
slots between the two numbers half written, and a reopened store does not read them. The order holds for a process that
dies; nothing is promised for a machine that loses power.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from td3_driving.driving.experience import Experience

FORMAT = 2
NO_POSITION = -1


class ReplayError(RuntimeError):
    """The replay memory cannot be made or does not belong to this run."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The newest stored step of one (actor, session).

    Attributes:
        position: of its slot.
        sequence, episode_id, step_index: of its message.
        closed: whether it closed its episode.
    """

    position: int
    sequence: int
    episode_id: int
    step_index: int
    closed: bool


@dataclass(frozen=True, slots=True)
class SlotShape:
    """What one slot holds: a frame of this shape, and vectors of these lengths."""

    frame: tuple[int, ...]
    state_dim: int
    privileged_dim: int


class ReplayStore:
    """Frames ``(capacity, *frame)`` uint8 and one record per slot."""

    def __init__(self, capacity: int, shape: SlotShape, config_hash: str, directory: Path | None) -> None:
        self.capacity = capacity
        self._directory = directory
        self._streams: dict[tuple[str, int], int] = {}
        dtype = record_type(shape)
        header = {
            "format": FORMAT,
            "capacity": capacity,
            "frame": list(shape.frame),
            "state_dim": shape.state_dim,
            "privileged_dim": shape.privileged_dim,
            "config_hash": config_hash,
        }
        if directory is None:
            self.frames: np.ndarray = np.zeros((capacity, *shape.frame), np.uint8)
            self.records: np.ndarray = np.zeros(capacity, dtype)
            self._counters: np.ndarray = np.zeros(2, np.int64)
        else:
            self._open(directory, header, shape.frame, dtype)
        self.inserted = self._read_inserted()

    @property
    def begun(self) -> int:
        """Slots whose writing has been announced."""
        return int(self._counters[0])

    @property
    def committed(self) -> int:
        """Slots written."""
        return int(self._counters[1])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.frames.nbytes + self.records.nbytes + self._counters.nbytes

    def readable(self) -> range:
        """Positions whose content is whole, oldest first."""
        return range(max(self.begun - self.capacity, 0), self.committed)

    def begin(self, count: int) -> list[int]:
        """Announce and return the next ``count`` positions."""
        first = self.committed
        self._counters[0] = first + count
        return list(range(first, first + count))

    def write_step(self, position: int, previous: int, experience: Experience) -> None:
        """Write frame and record of one step; ``previous`` is the position of the step before it, or its own."""
        record = self._record(position, previous, experience)
        record["state"], record["action"] = experience.state, experience.action
        record["privileged"] = experience.privileged
        record["teacher"] = math.nan if experience.teacher_action is None else experience.teacher_action
        record["reward"] = experience.reward
        record["terminated"], record["truncated"] = experience.terminated, experience.truncated
        self.frames[position % self.capacity] = experience.frame

    def write_final(self, position: int, previous: int, experience: Experience) -> None:
        """Write the observation behind the last step of an episode."""
        record = self._record(position, previous, experience)
        record["state"], record["final"] = experience.final_state, True
        record["privileged"] = experience.final_privileged
        self.frames[position % self.capacity] = experience.final_frame

    def commit(self) -> None:
        """Count what was begun, one transition, as written."""
        self._counters[1] = self._counters[0]
        self.inserted += 1

    def stream_ends(self) -> dict[tuple[str, int], StreamEnd]:
        """The newest readable step of each (actor, session) that has one."""
        readable = self.readable()
        positions = np.arange(readable.start, readable.stop)
        records = self.records[positions % self.capacity]
        ends = {}
        for key, number in self._streams.items():
            steps = np.flatnonzero((records["stream"] == number) & ~records["final"])
            if len(steps):
                last = records[steps[-1]]
                closed = bool(last["terminated"] or last["truncated"])
                ends[key] = StreamEnd(
                    int(positions[steps[-1]]), int(last["sequence"]), int(last["episode"]), int(last["step"]), closed
                )
        return ends

    def flush(self) -> None:
        """Hand everything written so far to the operating system's disk queue."""
        for array in (self.frames, self.records, self._counters):
            if isinstance(array, np.memmap):
                array.flush()

    def _record(self, position: int, previous: int, experience: Experience) -> Any:
        record = self.records[position % self.capacity]
        record["previous"], record["ordinal"] = previous, self.inserted + 1
        record["stream"] = self._stream(experience)
        record["sequence"], record["episode"] = experience.sequence, experience.episode_id
        record["step"] = experience.step_index
        record["final"] = record["terminated"] = record["truncated"] = False
        return record

    def _stream(self, experience: Experience) -> int:
        key = (experience.actor_id, experience.session_id)
        if key not in self._streams:
            self._streams[key] = len(self._streams)
            self._write_streams()
        return self._streams[key]

    def _write_streams(self) -> None:
        if self._directory is not None:
            write_json(self._directory / "streams.json", [list(key) for key in self._streams])

    def _read_inserted(self) -> int:
        readable = self.readable()
        return int(self.records[readable[-1] % self.capacity]["ordinal"]) if readable else 0

    def _open(self, directory: Path, header: dict[str, Any], frame: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        existing = directory / "header.json"
        if existing.exists():
            check_header(existing, header)
        else:
            _allocate(
                directory,
                {
                    "frames.u8": self.capacity * math.prod(frame),
                    "records.bin": self.capacity * dtype.itemsize,
                    "counters.i64": 16,
                },
            )
            write_json(directory / "streams.json", [])
            write_json(existing, header)
        self.frames = np.memmap(directory / "frames.u8", np.uint8, "r+", shape=(self.capacity, *frame))
        self.records = np.memmap(directory / "records.bin", dtype, "r+", shape=(self.capacity,))
        self._counters = np.memmap(directory / "counters.i64", np.int64, "r+", shape=(2,))
        names = json.loads((directory / "streams.json").read_text())
        self._streams = {(str(actor), int(session)): number for number, (actor, session) in enumerate(names)}


def record_type(shape: SlotShape) -> np.dtype[Any]:
    """One slot without its frame. ``previous`` is a position; ``ordinal`` counts transitions, this one included."""
    return np.dtype(
        [
            ("previous", np.int64),
            ("ordinal", np.int64),
            ("sequence", np.int64),
            ("reward", np.float64),
            ("state", np.float32, (shape.state_dim,)),
            ("privileged", np.float32, (shape.privileged_dim,)),
            ("action", np.float32, (2,)),
            ("teacher", np.float32, (2,)),
            ("episode", np.uint32),
            ("step", np.uint32),
            ("stream", np.uint32),
            ("terminated", np.bool_),
            ("truncated", np.bool_),
            ("final", np.bool_),
        ]
    )


def check_header(path: Path, wanted: dict[str, Any]) -> None:
    """Raise :class:`ReplayError` unless the memory at ``path`` was made for ``wanted``."""
    try:
        found = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ReplayError(f"{path} is not readable: {error}") from error
    for key, value in wanted.items():
        if found.get(key) != value:
            raise ReplayError(
                f"{path.parent} is the replay memory of another run: {key} is {found.get(key)!r}, "
                f"this run has {value!r}"
            )


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` so that ``path`` is the old file or the new one, never a part of it."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)


def _allocate(directory: Path, sizes: dict[str, int]) -> None:
    """Make the files at their full size: a disk that is too small shows here, not hours later."""
    directory.mkdir(parents=True, exist_ok=True)
    needed, free = sum(sizes.values()), shutil.disk_usage(directory).free
    if needed > free:
        raise ReplayError(
            f"the replay memory needs {needed / 1e9:.2f} GB in {directory}, {free / 1e9:.2f} GB are free;"
            " lower replay.capacity or choose another disk"
        )
    for name, size in sizes.items():
        with open(directory / name, "wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise ReplayError(f"cannot reserve {size / 1e9:.2f} GB for {directory / name}: {error}") from error
