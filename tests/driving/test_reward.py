# SPDX-License-Identifier: Apache-2.0
"""The reward by hand, its range over random steps, and what must never pay."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.reward import DrivenStep, RewardModel
from td3_driving.driving.route import RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings_reward import TERMS, reward_settings

MODEL = RewardModel(reward_settings("")(target_speed=8.0), frame_time=0.05)
STILL = np.zeros(2, dtype=np.float32)


def score(
    speed: float, lateral: float = 0.0, heading: float = 0.0, gained: float | None = None, violation: bool = False
):  # type: ignore[no-untyped-def]
    distance = speed * 0.05 if gained is None else gained
    vehicle = VehicleState(0, 0.0, 0.0, 0.0, heading, speed, 0.0, 0.0)
    before, after = RoutePlace(10.0, lateral, heading), RoutePlace(10.0 + distance, lateral, heading)
    return MODEL.score(DrivenStep(vehicle, before, after, STILL, STILL, violation))


def test_perfect_driving_earns_the_greatest_reward() -> None:
    terms = score(8.0)
    assert terms.values == pytest.approx([1.0, 1.0, 0.0, 0.0, 1.0])
    assert terms.total == pytest.approx(MODEL.bounds[1])


def test_half_the_target_speed_by_hand() -> None:
    terms = score(4.0, lateral=0.875)
    assert terms["efficiency"] == pytest.approx(1.05 * 0.5 - 0.05)
    assert terms["lane_keeping"] == pytest.approx(0.5 * 0.5)
    assert terms["progress"] == pytest.approx(0.5)


def test_standing_still_costs_wherever_one_stands() -> None:
    for lateral in (0.0, 1.0, 3.0):
        assert score(0.0, lateral=lateral).total < 0.0


def test_too_fast_is_worth_less() -> None:
    assert score(10.0)["efficiency"] == pytest.approx(0.5)
    assert score(12.0)["efficiency"] == pytest.approx(0.0)
    assert score(16.0)["efficiency"] == pytest.approx(-1.0)
    assert score(40.0)["efficiency"] == -1.0


@pytest.mark.parametrize(("speed", "weight"), [(0.0, 0.0), (2.0, 0.25), (8.0, 1.0), (20.0, 1.0)])
def test_steering_to_and_fro_costs_comfort_by_the_speed(speed: float, weight: float) -> None:
    vehicle = VehicleState(0, 0.0, 0.0, 0.0, 0.0, speed, 0.0, 0.0)
    action, last_action = np.array([1.0, 0.0]), np.array([-1.0, 0.0])
    places = RoutePlace(0, 0, 0), RoutePlace(0.4, 0, 0)
    terms = MODEL.score(DrivenStep(vehicle, *places, action, last_action, violation=False))
    assert terms["comfort"] == pytest.approx(-0.2 * 0.5 * weight)


def test_the_step_of_a_violation_never_pays() -> None:
    """Even at the best speed in the best place."""
    assert score(8.0, violation=True).total < 0.0


speeds = st.floats(-50, 50)


@given(speeds, st.floats(-100, 100), st.floats(-math.pi, math.pi), st.floats(-50, 50), st.booleans())
def test_every_step_is_in_range_and_adds_up(
    speed: float, lateral: float, heading: float, gained: float, violation: bool
) -> None:
    terms = score(speed, lateral, heading, gained, violation)
    low, high = MODEL.bounds
    assert low - 1e-9 <= terms.total <= high + 1e-9
    assert terms.total == pytest.approx(float(terms.values.sum()), abs=1e-12)
    assert len(terms.values) == len(TERMS)
    weights = (1.0, 1.0, 0.2, 10.0, 1.0)
    assert all(abs(value) <= weight + 1e-12 for value, weight in zip(terms.values, weights))


@given(st.floats(0, 8), st.floats(2.0, 100))
def test_driving_beside_the_lane_never_earns_lane_keeping(speed: float, lateral: float) -> None:
    assert score(speed, lateral=lateral)["lane_keeping"] < 0.0
