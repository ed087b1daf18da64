# SPDX-License-Identifier: Apache-2.0
"""Every way an episode can end, and which of them cuts the bootstrap."""

import numpy as np
import pytest

from td3_driving.driving.episode import EpisodeMonitor, EpisodeRecord, ExitReason
from td3_driving.driving.reward import RewardTerms
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import EpisodeSettings

NAMES = ("efficiency", "safety", "own_term")
ROUTE = Route(np.array([(0.0, 0.0), (100.0, 0.0)]))
SETTINGS = EpisodeSettings(max_steps=50, standstill_steps=10)


def end(
    speed: float = 5.0,
    s: float = 50.0,
    lateral: float = 0.0,
    heading: float = 0.0,
    collided: bool = False,
    steps: int = 1,
) -> ExitReason | None:
    monitor = EpisodeMonitor(SETTINGS)
    monitor.start()
    vehicle = VehicleState(0, 0.0, 0.0, 0.0, 0.0, speed, 0.0, 0.0)
    reasons = [monitor.step(vehicle, RoutePlace(s, lateral, heading), ROUTE, collided) for _ in range(steps)]
    assert all(reason is None for reason in reasons[:-1])
    return reasons[-1]


@pytest.mark.parametrize(
    ("situation", "reason", "terminated"),
    [
        ({}, None, False),
        ({"collided": True}, ExitReason.COLLISION, True),
        ({"lateral": 2.1}, ExitReason.OFF_LANE, True),
        ({"lateral": -2.1}, ExitReason.OFF_LANE, True),
        ({"lateral": 1.9}, None, False),
        ({"heading": -1.8}, ExitReason.WRONG_WAY, True),
        ({"s": 98.0}, ExitReason.GOAL, False),
        ({"speed": 0.0, "steps": 10}, ExitReason.STANDSTILL, False),
        ({"speed": 0.0, "steps": 9}, None, False),
        ({"steps": 50}, ExitReason.TIME_LIMIT, False),
    ],
)
def test_ends(situation: dict[str, float], reason: ExitReason | None, terminated: bool) -> None:
    found = end(**situation)  # type: ignore[arg-type]
    assert found is reason
    assert found is None or found.terminated is terminated


def test_a_violation_at_the_goal_is_a_violation() -> None:
    assert end(s=99.0, collided=True) is ExitReason.COLLISION


def test_record_by_hand() -> None:
    record = EpisodeRecord(0, scenario=0, seed=1, route_length=100.0, start_s=20.0, last_s=20.0)
    for s, speed, lateral in ((24.0, 4.0, -0.8), (30.0, 6.0, 0.5)):
        vehicle = VehicleState(0, 0.0, 0.0, 0.0, 0.0, speed, 0.0, 0.0)
        record.add(RewardTerms(NAMES, np.array([1.0, 0.5, -0.25])), vehicle, RoutePlace(s, lateral, 0.0))
    assert record.length == 2
    assert record.max_lateral == pytest.approx(0.8)
    assert record.mean_speed == pytest.approx(5.0)
    assert record.route_completion == pytest.approx(10.0 / 80.0)
    assert record.term_returns.names == NAMES
    assert record.term_returns.values == pytest.approx([2.0, 1.0, -0.5])
    assert record.episode_return == pytest.approx(2.5)


def test_an_episode_without_steps_has_no_completion_and_no_speed() -> None:
    record = EpisodeRecord(0, 0, 1, 100.0, 0.0)
    assert record.route_completion == 0.0 and record.mean_speed == 0.0
