# SPDX-License-Identifier: Apache-2.0
"""Pairs images with odometry of another clock and rate."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from td3_driving.driving.synchroniser import KEPT, FrameCounts, Synchroniser
from td3_driving.driving.vehicle_state import VehicleState

ImageT = TypeVar("ImageT")
STATES_KEPT = 64
"""States to choose from: more than half a second at 100 Hz."""


class Pairing(Protocol[ImageT]):
    """Image and state of one instant; :class:`Synchroniser` is one."""

    counts: FrameCounts

    def add_image(self, stamp_ns: int, image: ImageT) -> tuple[ImageT, VehicleState] | None:
        """Take an image; the pair, if there is one now."""
        ...

    def add_state(self, stamp_ns: int, state: VehicleState) -> tuple[ImageT, VehicleState] | None:
        """Take a state; the pair, if there is one now."""
        ...

    def restart(self) -> None:
        """Forget the past of the clock."""
        ...


def pairing(frame_time: float, tolerance: float) -> Pairing[ImageT]:
    """Equal stamps where ``tolerance`` is 0, as in training; else the state nearest in time within it [s].

    Args:
        frame_time: nominal time between two frames [s], to count lost ones.
    """
    frame_time_ns = round(frame_time * 1e9)
    if tolerance <= 0.0:
        return Synchroniser(frame_time_ns)
    return NearestState(frame_time_ns, round(tolerance * 1e9))


class NearestState(Generic[ImageT]):
    """Gives each image the state nearest in time, stamped as the image.

    An image is released as soon as a state within the tolerance is there; only without one it waits for the next state,
    or for the next image, which takes its place.
    """

    def __init__(self, frame_time_ns: int, tolerance_ns: int) -> None:
        self.frame_time_ns, self.tolerance_ns = frame_time_ns, tolerance_ns
        self.counts = FrameCounts()
        self._last_ns: int | None = None
        self._image: tuple[int, ImageT] | None = None
        self._states: deque[VehicleState] = deque(maxlen=STATES_KEPT)

    def add_image(self, stamp_ns: int, image: ImageT) -> tuple[ImageT, VehicleState] | None:
        """Take an image; the pair, if a state within the tolerance is here."""
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            self.counts.stale += 1
            if self._last_ns - stamp_ns <= KEPT * self.frame_time_ns:
                return None
            self.counts.jumps_back += 1
            self.restart()
        self.counts.unmatched += int(self._image is not None)
        self._image = stamp_ns, image
        return self._match()

    def add_state(self, stamp_ns: int, state: VehicleState) -> tuple[ImageT, VehicleState] | None:
        """Take a state; the pair, if an image waits for it."""
        if self._states and stamp_ns < self._states[-1].stamp_ns:
            # Odometry is published in order: an older one means that its clock started anew.
            self._states.clear()
        self._states.append(replace(state, stamp_ns=stamp_ns))
        return self._match()

    def restart(self) -> None:
        """Forget past stamps: after a reset or a jump any stamp is accepted."""
        self._last_ns = self._image = None
        self._states.clear()

    def _match(self) -> tuple[ImageT, VehicleState] | None:
        if self._image is None or not self._states:
            return None
        stamp_ns, image = self._image
        nearest = min(self._states, key=lambda state: abs(state.stamp_ns - stamp_ns))
        if abs(nearest.stamp_ns - stamp_ns) > self.tolerance_ns:
            return None
        if self._last_ns is not None:
            self.counts.lost += max(round((stamp_ns - self._last_ns) / self.frame_time_ns) - 1, 0)
        self._last_ns, self._image = stamp_ns, None
        self.counts.matched += 1
        return image, replace(nearest, stamp_ns=stamp_ns)
