# SPDX-License-Identifier: Apache-2.0
"""The reset of an episode on the bridge, frame by frame."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from td3_driving.carla.errors import ServerLost
from td3_driving.carla.sightings import Sightings
from td3_driving.carla.teleport import MOST_UNREST, Limits, Pose, teleport
from td3_driving.driving.vehicle_state import VehicleState

FRAME_NS = 50_000_000
START = Pose(10.0, 2.0, 0.1, 0.0)


class Clock:
    """Time that passes only while somebody waits, and what happens in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def after(self, delay: float, what: Callable[[], None]) -> None:
        """Let something happen ``delay`` [s] from now."""
        heapq.heappush(self._coming, (self.now + delay, next(self._number), what))

    def pass_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Let time pass until a condition holds, at most for ``timeout`` [s]; return whether it does."""
        end = self.now + timeout
        while not condition():
            if not self._coming or self._coming[0][0] > end:
                self.now = end
                return False
            self.now, _, what = heapq.heappop(self._coming)
            what()
        return True


class Watched(Sightings):
    """Sightings by such a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(lambda: clock.now)
        self.wait = clock.pass_until  # type: ignore[method-assign]


class Bridge:
    """A bridge that makes one frame per command, with ``under_way`` commands still on their way to it.

    Attributes:
        answered: number of the newest frame at each command.
    """

    def __init__(self, under_way: int) -> None:
        self.clock = Clock()
        self.sightings = Watched(self.clock)
        self.place = 0.0, 0.0
        self.answered: list[int] = []
        self._left = under_way
        self._frame()
        self._later(self._use_up)

    def _later(self, what: Callable[[], None]) -> None:
        self.clock.after(0.01, what)

    def _use_up(self) -> None:
        if self._left:
            self._left -= 1
            self._frame()
            self._later(self._use_up)

    def _frame(self) -> None:
        stamp = (self.sightings.states + 1) * FRAME_NS
        self.sightings.on_state(VehicleState(stamp, *self.place, 0.0, 0.0, 0.0, 0.0, 0.0))

    def brake(self) -> None:
        self.answered.append(self.sightings.states)
        self._later(self._frame)

    def stop_motion(self) -> None:
        pass

    def teleport(self, pose: Pose) -> None:
        self.place = pose.x, pose.y

    def join_traffic_manager(self) -> None:
        pass

    def missing(self) -> list[str]:
        return []


@pytest.mark.parametrize("under_way", [0, 1, 7])
def test_commands_on_their_way_are_used_up_first(under_way: int) -> None:
    bridge = Bridge(under_way)
    stamp = teleport(bridge, bridge.sightings, START, Limits(discard=3, silence=20.0, patience=60.0), FRAME_NS)
    first = 1 + under_way
    assert bridge.answered == [first, first + 1, first + 2, first + 3]
    assert stamp == (first + 3) * FRAME_NS + FRAME_NS // 2


def test_frames_that_come_by_themselves_do_not_hold_a_reset_up() -> None:
    """One comes every 0.01 s; after MOST_UNREST the reset begins. Then each command makes a further one."""
    bridge = Bridge(10**9)
    stamp = teleport(bridge, bridge.sightings, START, Limits(discard=3, silence=20.0, patience=60.0), FRAME_NS)
    assert bridge.answered[0] == 1 + round(MOST_UNREST / 0.01)
    assert bridge.place == (START.x, START.y)
    # At rest at the start for three frames, half a frame before the new episode.
    assert stamp == (bridge.answered[0] + 3) * FRAME_NS + FRAME_NS // 2
    assert bridge.answered == sorted(bridge.answered) and len(bridge.answered) == 4


def test_an_ego_that_does_not_get_there_is_a_lost_server() -> None:
    bridge = Bridge(0)
    bridge.teleport = lambda pose: None  # type: ignore[method-assign]
    with pytest.raises(ServerLost, match=r"did not come to rest at \(10.0, 2.0\)"):
        teleport(bridge, bridge.sightings, START, Limits(discard=3, silence=20.0, patience=1.0), FRAME_NS)
