# SPDX-License-Identifier: Apache-2.0
"""Sorts the recorded messages of one actor by simulated time.

Messages of different topics have no common order, and a resent one may come seconds late. So moments
wait until the newest stamp is :data:`WINDOW` frames ahead of them. A simulator that is started anew starts its clock
anew, which shows in the next episode: it starts no later than the one before. What came before that message and belongs
to the new clock is known by its stamp, which has passed already or has what it brings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import Neighbours
from td3_driving.driving.vehicle_state import VehicleState

WINDOW = 400
"""Frames by which a message may come late."""
WAITING = 100
"""Most messages kept for a clock that may have started anew; a simulator waits for its first command."""


@dataclass(slots=True)
class RecordedFrame:
    """The recorded data of one stamp.

    Attributes:
        frame: camera frame.
        vehicle: from the odometry.
        action: the policy's answer.
        start: message of an episode that may begin with this frame.
        collided: whether a contact has this stamp.
        objects: the other vehicles, perhaps with the vehicle itself.
    """

    frame: NDArray[np.uint8] | None = None
    vehicle: VehicleState | None = None
    action: NDArray[np.float32] | None = None
    start: Any = None
    collided: bool | None = None
    objects: Neighbours | None = None


class Timeline:
    """Takes parts of moments as they come, gives whole moments in order.

    Args:
        frame_ns: time between two frames [ns].

    Attributes:
        clock: counts the clocks: it grows when a moment is the first of a simulator that was started anew.
    """

    def __init__(self, frame_ns: int) -> None:
        self._window = WINDOW * frame_ns
        self._recorded_frames: dict[int, RecordedFrame] = {}
        self._waiting: deque[tuple[int, str, Any]] = deque(maxlen=WAITING)
        self._newest = self._passed = self._started = -1
        self.clock = 0

    def add(self, stamp: int, part: str, value: Any) -> Iterator[tuple[int, RecordedFrame]]:
        """Take a part of the moment at ``stamp`` [ns]; the moments that are complete now, each with its stamp."""
        if part == "start" and stamp <= self._started:
            yield from self.rest()
            self._begin_anew(stamp)
        if part == "start":
            self._started = stamp
        self._put(stamp, part, value)
        yield from self._complete(self._newest - self._window)

    def rest(self) -> Iterator[tuple[int, RecordedFrame]]:
        """All moments that are left."""
        yield from self._complete(self._newest)

    def _put(self, stamp: int, part: str, value: Any) -> None:
        recorded = self._recorded_frames.get(stamp, RecordedFrame())
        if stamp <= self._passed or getattr(recorded, part) is not None:
            self._waiting.append((stamp, part, value))
            return
        setattr(recorded, part, value)
        self._recorded_frames[stamp] = recorded
        self._newest = max(self._newest, stamp)

    def _begin_anew(self, start: int) -> None:
        waiting = [entry for entry in self._waiting if entry[0] >= start]
        self._recorded_frames.clear()
        self._waiting.clear()
        self._newest = self._passed = -1
        self.clock += 1
        for entry in waiting:
            self._put(*entry)

    def _complete(self, end: int) -> Iterator[tuple[int, RecordedFrame]]:
        for stamp in sorted(stamp for stamp in self._recorded_frames if stamp <= end):
            self._passed = stamp
            yield stamp, self._recorded_frames.pop(stamp)
