"""Brings the camera image and the odometry of one frame together."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

ImageT = TypeVar("ImageT")
StateT = TypeVar("StateT")
KEPT = 8
"""Unmatched messages kept of each kind; the two of one frame are never further apart on a live bridge."""


def missed_at_start(start_ns: int, first_ns: int, frame_time_ns: int) -> int:
    """Frames of an episode that were over before the first one seen of it.

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
        matched: frames of which both halves came.
        unmatched: halves that never found their other half.
        lost: frames missing between two matched ones, by their stamps.
        stale: messages stamped at or before the last matched frame.
        jumps_back: times at which the clock went back.
    """

    matched: int = 0
    unmatched: int = 0
    lost: int = 0
    stale: int = 0
    jumps_back: int = 0


class Synchroniser(Generic[ImageT, StateT]):
    """Pairs images and states with equal stamps, in the order of time.

    Args:
        frame_time_ns: nominal time between two frames [ns], to count lost ones.
    """

    def __init__(self, frame_time_ns: int) -> None:
        self.frame_time_ns = frame_time_ns
        self.counts = FrameCounts()
        self._last_ns: int | None = None
        self._images: OrderedDict[int, ImageT] = OrderedDict()
        self._states: OrderedDict[int, StateT] = OrderedDict()

    def add_image(self, stamp_ns: int, image: ImageT) -> tuple[ImageT, StateT] | None:
        """Take an image; the pair, if its state is already here."""
        return self._add(stamp_ns, image, self._images)

    def add_state(self, stamp_ns: int, state: StateT) -> tuple[ImageT, StateT] | None:
        """Take a state; the pair, if its image is already here."""
        return self._add(stamp_ns, state, self._states)

    def restart(self) -> None:
        """Forget the past of the clock: after a reset or a jump any stamp is welcome."""
        self._last_ns = None
        self._images.clear()
        self._states.clear()

    def _add(self, stamp_ns: int, item: Any, store: OrderedDict[int, Any]) -> tuple[ImageT, StateT] | None:
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            self._note_old(stamp_ns)
            return None
        store[stamp_ns] = item
        while len(store) > KEPT:
            store.popitem(last=False)
            self.counts.unmatched += 1
        if stamp_ns not in self._images or stamp_ns not in self._states:
            return None
        return self._release(stamp_ns)

    def _note_old(self, stamp_ns: int) -> None:
        self.counts.stale += 1
        # A late or repeated message is at most a few frames old; anything older is a clock that started anew.
        if self._last_ns is not None and self._last_ns - stamp_ns > KEPT * self.frame_time_ns:
            self.counts.jumps_back += 1
            self.restart()

    def _release(self, stamp_ns: int) -> tuple[ImageT, StateT]:
        pair = self._images.pop(stamp_ns), self._states.pop(stamp_ns)
        for store in (self._images, self._states):
            for older in [stamp for stamp in store if stamp < stamp_ns]:
                del store[older]
                self.counts.unmatched += 1
        if self._last_ns is not None:
            self.counts.lost += max(round((stamp_ns - self._last_ns) / self.frame_time_ns) - 1, 0)
        self._last_ns = stamp_ns
        self.counts.matched += 1
        return pair
