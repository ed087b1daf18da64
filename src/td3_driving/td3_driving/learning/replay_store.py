# SPDX-License-Identifier: Apache-2.0
"""Keeps the arrays of the replay memory: in main memory, or in files that survive a kill at any point.

Positions count the slots ever written; position ``p`` lies in slot ``p % capacity``. A writer announces the positions
it is about to write (``begun``), writes them, and then counts them (``committed``). A killed process may leave the
slots between the two numbers half written, and a reopened store does not read them. The order holds for a process that
dies; nothing is promised for a machine that loses power.

Every slot carries its position and a checksum over its frame and its record. They are checked when the files are
opened, as are the lengths of the files; slots that are not whole are left out and said (:attr:`ReplayStore.faults`).
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.experience import Experience
from td3_driving.learning.replay_check import (
    SlotFaults,
    checksum,
    newest_position,
    sound_values,
    steps_left_out,
    whole_slots,
)
from td3_driving.learning.replay_files import (
    CHECKSUM_BYTES,
    COUNTERS,
    COUNTS,
    NO_POSITION,
    STREAMS,
    ReplayError,
    SlotShape,
    open_files,
    read_checked,
    record_type,
    write_checked,
)

FORMAT = 3


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


class ReplayStore:
    """Frames ``(capacity, *frame)`` uint8 and one record per slot.

    Attributes:
        faults: what was wrong with the files when they were opened.
        whole: (capacity,) bool, ``False`` for the slots that were left out then and were not written since.
    """

    def __init__(self, capacity: int, shape: SlotShape, config_hash: str, directory: Path | None) -> None:
        self.capacity = capacity
        self._directory = directory
        self._streams: dict[tuple[str, int], int] = {}
        self._unwritten_streams = False
        self._number = 0
        self.whole = np.ones(capacity, bool)
        self.faults = SlotFaults()
        dtype = record_type(shape)
        if directory is None:
            self.frames: np.ndarray = np.zeros((capacity, *shape.frame), np.uint8)
            self.records: np.ndarray = np.zeros(capacity, dtype)
            self._counters: np.ndarray = np.zeros((2, COUNTS), np.int64)
            self._look_at_bytes()
            self._count(0, 0, 0)
        else:
            self._open(directory, self._header(shape, config_hash), shape, dtype)

    @property
    def begun(self) -> int:
        """Slots whose writing has been announced."""
        return int(self._counters[0, 0])

    @property
    def committed(self) -> int:
        """Slots written."""
        return int(self._counters[0, 1])

    @property
    def inserted(self) -> int:
        """Number of the newest transition ever written."""
        return int(self._counters[0, 2])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.frames.nbytes + self.records.nbytes + self._counters.nbytes

    def readable(self) -> NDArray[np.int64]:
        """Positions whose content is whole, oldest first."""
        positions = self._written()
        return positions[self.whole[positions % self.capacity]]

    def left_out(self) -> NDArray[np.int64]:
        """Positions that were left out when the files were opened and not written since, oldest first."""
        positions = self._written()
        return positions[~self.whole[positions % self.capacity]]

    def begin(self, count: int, number: int | None = None) -> list[int]:
        """Announce and return the next ``count`` positions, for transition ``number``; None is the one that follows."""
        first = self.committed
        self._number = self.inserted + 1 if number is None else number
        self._counters[0, 0] = first + count
        self._counters[1, 0] = ~(first + count)
        return list(range(first, first + count))

    def write_step(self, position: int, previous: int, experience: Experience) -> None:
        """Write frame and record of one step; ``previous`` is the position of the step before it, or its own."""
        record = self._record(position, previous, experience)
        record["state"], record["action"] = experience.state, experience.action
        record["privileged"] = experience.privileged
        record["teacher"] = math.nan if experience.teacher_action is None else experience.teacher_action
        record["reward"] = experience.reward
        record["terminated"], record["truncated"] = experience.terminated, experience.truncated
        self._seal(position, experience.frame)

    def write_final(self, position: int, previous: int, experience: Experience) -> None:
        """Write the observation behind the last step of an episode."""
        record = self._record(position, previous, experience)
        record["state"], record["final"] = experience.final_state, True
        record["privileged"] = experience.final_privileged
        assert experience.final_frame is not None
        self._seal(position, experience.final_frame)

    def commit(self) -> None:
        """Count what was begun, one transition, as written."""
        self._count(self.begun, self.begun, self._number)

    def actors(self) -> dict[int, str]:
        """Name of the actor of each stream by its number."""
        return {number: actor for (actor, _), number in self._streams.items()}

    def stream_ends(self) -> dict[tuple[str, int], StreamEnd]:
        """The newest readable step of each (actor, session) that has one."""
        positions = self.readable()
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

    def write_names(self) -> None:
        """Write the names of the actors, if those on disk are not all.

        Raises:
            OSError: they cannot be written.
        """
        if self._unwritten_streams:
            self._write_streams()

    def flush(self) -> None:
        """Hand everything written so far to the operating system's disk queue.

        Raises:
            OSError: the names of the actors cannot be written.
        """
        self.write_names()
        for array in (self.frames, self.records, self._counters):
            if isinstance(array, np.memmap):
                array.flush()

    def _record(self, position: int, previous: int, experience: Experience) -> Any:
        record = self.records[position % self.capacity]
        record["position"] = position
        record["previous"], record["ordinal"] = previous, self._number
        record["stream"] = self._stream(experience)
        record["sequence"], record["episode"] = experience.sequence, experience.episode_id
        record["step"] = experience.step_index
        record["final"] = record["terminated"] = record["truncated"] = False
        return record

    def _seal(self, position: int, frame: NDArray[np.uint8]) -> None:
        """Write the frame, and the checksum of the slot last of all."""
        slot = position % self.capacity
        self.frames[slot] = frame
        self.records["crc"][slot] = checksum(self._frame_bytes[slot], self._record_bytes[slot])
        self.whole[slot] = True

    def _count(self, begun: int, committed: int, inserted: int) -> None:
        """Write the counters, then their complements: after a kill in between the slots themselves are asked."""
        self._counters[0] = begun, committed, inserted
        self._counters[1] = ~begun, ~committed, ~inserted

    def _stream(self, experience: Experience) -> int:
        key = (experience.actor_id, experience.session_id)
        if key not in self._streams:
            self._streams[key] = len(self._streams)
            self._unwritten_streams = True
            with suppress(OSError):  # A full disk; flush() tries again.
                self._write_streams()
        return self._streams[key]

    def _write_streams(self) -> None:
        if self._directory is not None:
            write_checked(self._directory / STREAMS, {"streams": [list(key) for key in self._streams]})
        self._unwritten_streams = False

    def _written(self) -> NDArray[np.int64]:
        """Positions that were counted as written and not announced anew since, oldest first."""
        return np.arange(max(self.begun - self.capacity, 0), self.committed)

    def _header(self, shape: SlotShape, config_hash: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "capacity": self.capacity,
            "frame": list(shape.frame),
            "state_dim": shape.state_dim,
            "privileged_dim": shape.privileged_dim,
            "config_hash": config_hash,
        }

    def _open(self, directory: Path, header: dict[str, Any], shape: SlotShape, dtype: np.dtype[Any]) -> None:
        frame_bytes = self.capacity * math.prod(shape.frame)
        sizes = {"frames.u8": frame_bytes, "records.bin": self.capacity * dtype.itemsize, COUNTERS: 16 * COUNTS}
        said = open_files(directory, header, sizes)
        self.frames = _mapped(directory / "frames.u8", np.dtype(np.uint8), (self.capacity, *shape.frame))
        self.records = _mapped(directory / "records.bin", dtype, (self.capacity,))
        self._counters = _mapped(directory / COUNTERS, np.dtype(np.int64), (2, COUNTS))
        self._look_at_bytes()
        said += self._check_counters(directory) + self._read_streams(directory)
        self._check_slots(said, shape.greatest_reward)
        self._name_unknown()

    def _look_at_bytes(self) -> None:
        self._frame_bytes = self.frames.reshape(self.capacity, -1)
        raw = self.records.view(np.uint8).reshape(self.capacity, -1)
        self._record_bytes = raw[:, :-CHECKSUM_BYTES]

    def _check_counters(self, directory: Path) -> list[str]:
        """Ask the slots where counters and complements differ; one sentence if a step is known to be missing."""
        begun, committed, _ = (int(value) for value in self._counters[0])
        if (self._counters[0] == ~self._counters[1]).all() and 0 <= committed <= begun:
            return []
        newest = newest_position(self._frame_bytes, self.records, self._record_bytes)
        inserted = int(self.records["ordinal"][newest % self.capacity]) if newest >= 0 else 0
        self._count(newest + 1, newest + 1, inserted)
        # A process killed between the two halves leaves counters that the slots make good: nothing is lost.
        killed = committed <= newest + 1 <= begun <= committed + 2
        return [] if killed else [f"{directory / COUNTERS} was damaged and was made anew from the records"]

    def _read_streams(self, directory: Path) -> list[str]:
        """The names of the actors; where the file is damaged, steps keep their numbers and lose their names."""
        said = []
        try:
            names = read_checked(directory / STREAMS)["streams"]
            self._streams = {(str(actor), int(session)): number for number, (actor, session) in enumerate(names)}
        except (ReplayError, KeyError, TypeError, ValueError):
            said = [f"{directory / STREAMS} was damaged: the actors of the stored steps are not known by name"]
        return said

    def _name_unknown(self) -> None:
        """Name the actors whose names are lost; numbers are those of whole slots, for a damaged one may hold any."""
        slots = self._written() % self.capacity
        known = self.records["stream"][slots[self.whole[slots]]].tolist()
        for number in range(len(self._streams), max(known, default=-1) + 1):
            self._streams[(f"unknown_{number}", NO_POSITION)] = number

    def _check_slots(self, said: list[str], greatest_reward: float) -> None:
        positions = self._written()
        slots = positions % self.capacity
        whole = whole_slots(self._frame_bytes, self.records, self._record_bytes, positions.tolist())
        kept = whole & sound_values(self.records[slots], greatest_reward) if len(slots) else whole
        self.whole[slots] = kept
        stretches = steps_left_out(self.records["ordinal"][slots], kept, self.inserted)
        out_of_range = int((whole & ~kept).sum())
        self.faults = SlotFaults(said, len(slots), int((~whole).sum()), out_of_range, stretches)


def _mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(path, dtype, "r+", shape=shape)
