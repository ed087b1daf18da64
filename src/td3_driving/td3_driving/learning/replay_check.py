# SPDX-License-Identifier: Apache-2.0
"""Checks the slots of a replay memory when it is opened: their checksums, their places and their values.

Every slot is a block of its own: a CRC-32 over its frame and its record, the last thing that is written of it. So a
damaged block costs only the transitions that need it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

REWARD_SLACK = 1e-6
"""How far a reward may lie from the sum of its terms, so also from the bound of that sum."""
RANGES_SAID = 5
"""Ranges of steps that a sentence names; of the others it gives the number."""


@dataclass(frozen=True, slots=True)
class SlotFaults:
    """What is wrong with the readable slots of a reopened memory.

    Attributes:
        files: one sentence for each file of another length, or rebuilt from others.
        slots: checked.
        damaged: slots whose checksum or place is wrong.
        out_of_range: slots whose values are not finite, or outside the range of their kind.
        steps: first and last step of each stretch of slots that are left out, counted from 1 over the run.
    """

    files: list[str] = field(default_factory=list)
    slots: int = 0
    damaged: int = 0
    out_of_range: int = 0
    steps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Slots that are not read."""
        return self.damaged + self.out_of_range

    def sentence(self) -> str:
        """All of it in one sentence; "" if nothing is wrong."""
        parts = list(self.files)
        if self.dropped:
            kinds = {"damaged": self.damaged, "out of range": self.out_of_range}
            what = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
            parts.append(
                f"{self.dropped:,} of its {self.slots:,} frames are left out with the transitions that need them"
                f" ({what}; {_steps(self.steps)})"
            )
        return "; ".join(parts)


def checksum(frame: NDArray[np.uint8], record: NDArray[np.uint8]) -> int:
    """CRC-32 of a frame and of the bytes of its record before the checksum."""
    return zlib.crc32(record.data, zlib.crc32(frame.data))


def whole_slots(
    frames: NDArray[np.uint8], records: NDArray[Any], raw: NDArray[np.uint8], positions: Iterable[int]
) -> NDArray[np.bool_]:
    """Whether the slot of each position holds that position with the right checksum.

    Args:
        frames: (capacity, bytes of a frame).
        raw: (capacity, bytes of a record before its checksum).
    """
    capacity = len(records)
    found, sums = records["position"], records["crc"]
    whole = [
        int(found[slot]) == position and int(sums[slot]) == checksum(frames[slot], raw[slot])
        for position, slot in ((position, position % capacity) for position in positions)
    ]
    return np.array(whole, bool)


def newest_position(frames: NDArray[np.uint8], records: NDArray[Any], raw: NDArray[np.uint8]) -> int:
    """The newest position that any whole slot holds, -1 if none does: what the counters should say."""
    held = np.asarray(records["position"]).copy()
    own = (held >= 0) & (held % len(records) == np.arange(len(records)))
    held = held[own]
    whole = whole_slots(frames, records, raw, held.tolist())
    return int(held[whole].max()) if whole.any() else -1


def sound_values(records: NDArray[Any], greatest_reward: float) -> NDArray[np.bool_]:
    """Whether the values of each record can have come from a step.

    Args:
        greatest_reward: greatest absolute reward that the settings allow.
    """
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(records["state"]).all(1) & np.isfinite(records["privileged"]).all(1)
        acted = (np.abs(records["action"]) <= 1.0).all(1) & ~(np.abs(records["teacher"]) > 1.0).any(1)
        paid = np.abs(records["reward"]) <= greatest_reward + REWARD_SLACK
    # The slot behind the last step of an episode holds an observation alone.
    return np.asarray(seen & (records["final"] | (acted & paid)))


def steps_left_out(ordinals: NDArray[np.int64], kept: NDArray[np.bool_], inserted: int) -> list[tuple[int, int]]:
    """First and last step of each stretch that is not ``kept``, told by the steps on its two sides.

    Args:
        ordinals: step of each slot, oldest first; only those of kept slots are believed.
        inserted: the newest step of all.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[True], kept, [True]]).astype(np.int8)))
    stretches = []
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
        after = int(ordinals[end]) - 1 if end < len(kept) else inserted
        before = int(ordinals[first - 1]) + 1 if first else max(after - (end - first) + 1, 1)
        # The closing frame of an episode has the number of its last step, which cannot be sampled without it.
        stretches.append((min(before, after), after))
    return stretches


def _steps(stretches: Sequence[tuple[int, int]]) -> str:
    words = [f"{first:,}" if first == last else f"{first:,}-{last:,}" for first, last in stretches[:RANGES_SAID]]
    more = len(stretches) - RANGES_SAID
    return f"steps {', '.join(words)}" + (f" and {more} further stretches" if more > 0 else "")
