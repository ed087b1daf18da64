# SPDX-License-Identifier: Apache-2.0
"""Joins the parts of one frame by their stamp: the images, the odometry, and the other vehicles if needed."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

ImageT = TypeVar("ImageT")
StateT = TypeVar("StateT")
KEPT = 8
"""Unmatched messages kept of each kind. On a live bridge the parts of a frame are never further apart."""


def missed_at_start(start_ns: int, first_ns: int, frame_time_ns: int) -> int:
    """Frames of an episode that passed before the first one arrived.

    What was lost while the world was being reset belongs to no episode, so that only stamps since its start count.

    Args:
        start_ns: earliest stamp of the episode [ns]: that of its first frame, or up to half a frame before.
        first_ns: stamp of the first frame seen [ns].
    """
    return max(math.floor((first_ns - start_ns) / frame_time_ns + 0.25), 0)


@dataclass
class FrameCounts:
    """What happened to the frames so far.

    Attributes:
        matched: frames of which all parts came.
        unmatched: parts of frames that never became complete.
        lost: frames missing between two matched ones, by their stamps.
        stale: messages stamped at or before the last matched frame.
        jumps_back: times at which the clock went back.
    """

    matched: int = 0
    unmatched: int = 0
    lost: int = 0
    stale: int = 0
    jumps_back: int = 0

    def values(self) -> dict[str, str]:
        """The counts as a status shows them."""
        return {
            "matched (frames)": str(self.matched),
            "unmatched (messages)": str(self.unmatched),
            "lost (frames)": str(self.lost),
            "stale (messages)": str(self.stale),
            "clock went back (times)": str(self.jumps_back),
        }


class FrameParts:
    """Gathers parts with equal stamps, in the order of time.

    Args:
        frame_time_ns: nominal time between two frames [ns], to count lost ones.
        names: of the parts that make a frame complete.
    """

    def __init__(self, frame_time_ns: int, names: tuple[str, ...]) -> None:
        self.frame_time_ns = frame_time_ns
        self.counts = FrameCounts()
        self._last_ns: int | None = None
        self._stores: dict[str, OrderedDict[int, Any]] = {name: OrderedDict() for name in names}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts that make a frame complete."""
        return tuple(self._stores)

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts of which nothing came since the last complete frame."""
        return tuple(name for name, store in self._stores.items() if not store)

    def add(self, name: str, stamp_ns: int, item: Any) -> tuple[Any, ...] | None:
        """Take a part; all parts of its frame in the order of ``names``, if it is the last of them."""
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            self._note_old(stamp_ns)
            return None
        store = self._stores[name]
        store[stamp_ns] = item
        while len(store) > KEPT:
            store.popitem(last=False)
            self.counts.unmatched += 1
        if any(stamp_ns not in other for other in self._stores.values()):
            return None
        return self._release(stamp_ns)

    def restart(self) -> None:
        """Forget all stamps. After a reset or a jump of the clock any stamp is accepted."""
        self._last_ns = None
        for store in self._stores.values():
            store.clear()

    def _note_old(self, stamp_ns: int) -> None:
        self.counts.stale += 1
        # A late message is a few frames old at most. An older stamp means that the clock started anew.
        if self._last_ns is not None and self._last_ns - stamp_ns > KEPT * self.frame_time_ns:
            self.counts.jumps_back += 1
            self.restart()

    def _release(self, stamp_ns: int) -> tuple[Any, ...]:
        frame = tuple(store.pop(stamp_ns) for store in self._stores.values())
        for store in self._stores.values():
            for older in [stamp for stamp in store if stamp < stamp_ns]:
                del store[older]
                self.counts.unmatched += 1
        if self._last_ns is not None:
            self.counts.lost += max(round((stamp_ns - self._last_ns) / self.frame_time_ns) - 1, 0)
        self._last_ns = stamp_ns
        self.counts.matched += 1
        return frame


class Synchroniser(FrameParts, Generic[ImageT, StateT]):
    """Pairs images and states with equal stamps, in the order of time; see :class:`FrameParts`."""

    def __init__(self, frame_time_ns: int) -> None:
        super().__init__(frame_time_ns, ("image", "state"))

    def add_image(self, stamp_ns: int, image: ImageT) -> tuple[ImageT, StateT] | None:
        """Take an image; the pair, if its state is already here."""
        return cast("tuple[ImageT, StateT] | None", self.add("image", stamp_ns, image))

    def add_state(self, stamp_ns: int, state: StateT) -> tuple[ImageT, StateT] | None:
        """Take a state; the pair, if its image is already here."""
        return cast("tuple[ImageT, StateT] | None", self.add("state", stamp_ns, state))
