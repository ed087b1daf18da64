# SPDX-License-Identifier: Apache-2.0
"""Sorts the recorded messages of one actor: by the simulator that sent them, then by simulated time.

Messages of different topics have no common order, and one may come seconds late. So moments wait until the newest stamp
of their simulator is :data:`WINDOW` frames ahead of them. A simulator that is started anew starts its clock anew, and
either of two moments with one stamp may lack a part. So no stamp tells whose a part is: the process that sent it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.bags.provenance import UNKNOWN
from td3_driving.driving.drivers import Neighbours
from td3_driving.driving.vehicle_state import VehicleState

WINDOW = 400
"""Frames by which a message may come late."""


class ClockError(ValueError):
    """Parts of two clocks cannot be told apart."""


@dataclass(slots=True)
class RecordedFrame:
    """The recorded data of one stamp.

    Attributes:
        frame: camera frame.
        vehicle: from the odometry.
        start: message of an episode that may begin with this frame.
        collided: whether a contact has this stamp.
        objects: the other vehicles, perhaps with the vehicle itself.
    """

    frame: NDArray[np.uint8] | None = None
    vehicle: VehicleState | None = None
    start: Any = None
    collided: bool | None = None
    objects: Neighbours | None = None


Moments = Iterator[tuple[int, RecordedFrame]]
"""Moments in the order of time, each with its stamp [ns]."""


class _Life:
    """The moments of one simulator.

    Attributes:
        started: whether an episode of it has begun.
        silence: frames of later simulators since its last message.
    """

    def __init__(self, frame_ns: int, told: bool) -> None:
        self._window, self._told = WINDOW * frame_ns, told
        self._moments: dict[int, RecordedFrame] = {}
        self._newest = self._passed = self._last_start = -1
        self.started = False
        self.silence = 0

    def put(self, stamp: int, part: str, value: Any) -> None:
        """Take a part; one that comes after its moment was given away is lost.

        Raises:
            ClockError: messages of one sender, or whose senders are not known, are of two clocks.
        """
        self._check(stamp, part)
        self.silence = 0
        self.started |= part == "start"
        if stamp <= self._passed:
            return
        moment = self._moments.setdefault(stamp, RecordedFrame())
        if getattr(moment, part) is None:
            setattr(moment, part, value)
        self._newest = max(self._newest, stamp)

    def complete(self) -> Moments:
        """The moments that nothing can belong to any more."""
        return self._until(self._newest - self._window)

    def rest(self) -> Moments:
        """All moments that are left."""
        return self._until(self._newest)

    def _until(self, end: int) -> Moments:
        for stamp in sorted(stamp for stamp in self._moments if stamp <= end):
            self._passed = stamp
            yield stamp, self._moments.pop(stamp)

    def _check(self, stamp: int, part: str) -> None:
        known = getattr(self._moments.get(stamp), part, None) is not None
        if not self._told and known and part in ("frame", "vehicle"):
            raise ClockError(
                f"two frames have the stamp {stamp * 1e-9:.2f} s, as where a simulator was started anew, and it does "
                "not say which process sent which message"
            )
        if part == "start":
            if stamp < self._last_start:
                raise ClockError(
                    f"the clock of its simulator went back to {stamp * 1e-9:.2f} s, and nothing tells apart what was "
                    "sent before and afterwards"
                )
            self._last_start = stamp


class Timeline:
    """Takes parts of moments as they come, gives whole moments in order: those of one simulator after the other.

    Args:
        frame_ns: time between two frames [ns].
        told: whether it is known which process sent which message. If not, all are of one simulator.

    Attributes:
        life: counts the simulators that drove: it grows when a moment is the first of another one.
    """

    def __init__(self, frame_ns: int, told: bool = True) -> None:
        self._frame_ns, self._told = frame_ns, told
        self._lives: dict[bytes, _Life] = {}
        self._order: list[bytes] = []
        self._over: set[bytes] = set()
        self._giving = UNKNOWN
        self.life = 0

    def add(self, process: bytes, stamp: int, part: str, value: Any) -> Moments:
        """Take a part of the moment at ``stamp`` [ns] of the simulator ``process``; the moments complete by then.

        Raises:
            ClockError: messages of one sender, or whose senders are not known, are of two clocks.
        """
        process = process if self._told else UNKNOWN
        if process in self._over:
            return
        life = self._lives.setdefault(process, _Life(self._frame_ns, self._told))
        life.put(stamp, part, value)
        if life.started and process not in self._order:
            self._order.append(process)
        if part == "vehicle" and life.started:
            yield from self._outlive(process)
        for complete in life.complete():
            # Before its first episode a simulator drives for nobody.
            if life.started:
                yield from self._close(self._order.index(process))
                yield from self._of(process, iter((complete,)))

    def rest(self) -> Moments:
        """All moments that are left."""
        yield from self._close(len(self._order))

    def _outlive(self, process: bytes) -> Moments:
        """Close the simulators before ``process`` of which nothing came for a long time."""
        place = self._order.index(process)
        for earlier in self._order[:place]:
            self._lives[earlier].silence += 1
        while self._order[0] != process and self._lives[self._order[0]].silence > WINDOW:
            yield from self._close(1)

    def _close(self, count: int) -> Moments:
        """All moments of the first ``count`` simulators."""
        for _ in range(count):
            process = self._order[0]
            yield from self._of(process, self._lives[process].rest())
            del self._order[0], self._lives[process]
            self._over.add(process)

    def _of(self, process: bytes, moments: Moments) -> Moments:
        for moment in moments:
            if process != self._giving:
                self._giving = process
                self.life += 1
            yield moment
