# SPDX-License-Identifier: Apache-2.0
"""When nodes see to what can wait, with a clock set by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not here; run: make build")

from td3_driving.nodes.ros.fast_wait import Housekeeping


class Wall:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_can_wait_waits_for_an_answer_unless_it_is_overdue() -> None:
    wall = Wall()
    house = Housekeeping(period=0.1, overdue=0.3, clock=wall)
    assert house.due(busy=True), "never looked before"
    seen = []
    for wall.now, answered in (
        (100.05, True),
        (100.15, False),
        (100.2, True),
        (100.25, True),
        (100.45, False),
        (100.55, False),
    ):
        house.answered = answered
        seen.append(house.due(busy=True))
        assert not house.answered, "each answer counts once"
    assert seen == [False, False, True, False, False, True]


def test_silence_is_always_the_time() -> None:
    wall = Wall()
    house = Housekeeping(period=0.1, overdue=0.3, clock=wall)
    assert [house.due(busy=False) for _ in range(3)] == [True] * 3
    wall.now += 0.05
    house.answered = True
    assert not house.due(busy=True), "the looks in silence count"
