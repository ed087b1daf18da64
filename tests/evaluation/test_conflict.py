# SPDX-License-Identifier: Apache-2.0
"""Time to collision of boxes at constant velocity."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.evaluation.conflict import HORIZON, STEP, time_to_collision
from td3_driving.sim.collision import overlaps

EGO = (0.0, 0.0, 0.0, 4.0, 2.0)


def other(x: float, y: float, yaw: float = 0.0) -> np.ndarray:
    return np.array([[x, y, yaw, 4.0, 2.0]])


@pytest.mark.parametrize(
    ("box", "speed", "low", "high"),
    [
        (other(24.0, 0.0), 0.0, 2.0, 2.11),  # 20 m between the bumpers, closing at 10 m/s
        (other(24.0, 0.0), 5.0, 4.0, 4.11),  # closing at 5 m/s
        (other(44.0, 0.0, math.pi), 10.0, 2.0, 2.11),  # oncoming, closing at 20 m/s
        (other(20.0, -20.0, math.pi / 2), 10.0, 1.7, 1.81),  # crossing: both have 17 m to where the paths meet
        (other(3.0, 0.0), 0.0, 0.0, 0.0),  # touching already
    ],
)
def test_by_hand(box: np.ndarray, speed: float, low: float, high: float) -> None:
    assert low <= time_to_collision(EGO, 10.0, box, np.array([speed])) <= high


@pytest.mark.parametrize(
    ("box", "speed"),
    [
        (other(24.0, 0.0), 10.0),  # as fast as the ego
        (other(44.0, 3.5, math.pi), 10.0),  # oncoming on its own lane
        (other(-10.0, 0.0), 0.0),  # left behind
        (other(60.0, 0.0), 0.0),  # 5.6 s away
    ],
)
def test_no_conflict(box: np.ndarray, speed: float) -> None:
    assert time_to_collision(EGO, 10.0, box, np.array([speed])) == math.inf


def test_the_nearest_conflict_counts_and_no_vehicles_are_none() -> None:
    boxes = np.vstack((other(34.0, 0.0), other(14.0, 0.0)))
    assert 1.0 <= time_to_collision(EGO, 10.0, boxes, np.zeros(2)) <= 1.11
    assert time_to_collision(EGO, 10.0, np.zeros((0, 5)), np.zeros(0)) == math.inf


def by_force(speed: float, box: np.ndarray, other_speed: float) -> float:
    for step in range(round(HORIZON / STEP) + 1):
        moved = box.copy()
        moved[0, 0] += (math.cos(box[0, 2]) * other_speed - speed) * step * STEP
        moved[0, 1] += math.sin(box[0, 2]) * other_speed * step * STEP
        if overlaps(EGO, moved).any():
            return step * STEP
    return math.inf


@settings(max_examples=60)
@given(st.floats(-40, 40), st.floats(-20, 20), st.floats(-3.14, 3.14), st.floats(0, 15), st.floats(0, 15))
def test_looking_only_at_those_that_can_meet_loses_nothing(
    x: float, y: float, yaw: float, speed: float, other_speed: float
) -> None:
    box = other(x, y, yaw)
    found = time_to_collision(EGO, speed, box, np.array([other_speed]))
    assert found == pytest.approx(by_force(speed, box, other_speed), abs=1e-9)
