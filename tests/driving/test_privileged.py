# SPDX-License-Identifier: Apache-2.0
"""What the critic knows, by hand: the lane, the vehicle ahead, and the five nearest."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.drivers import NOBODY, Neighbours, Situation, leader_on_route
from td3_driving.driving.privileged import encode_privileged, privileged_dim, privileged_elements
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import STATE_BOUND, encode_map
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings, from_flat

ROAD = Route(np.array([(0.0, 0.0), (400.0, 0.0)]))
ACTION = np.array([0.25, -0.5], dtype=np.float32)
LANE, AHEAD, AROUND = slice(0, 26), slice(26, 28), slice(28, 53)


def own(x: float = 10.0, y: float = 0.0, yaw: float = 0.0, speed: float = 8.0) -> VehicleState:
    return VehicleState(0, x, y, 0.0, yaw, speed, 0.0, 0.5)


def others(*cars: tuple[float, float, float, float]) -> Neighbours:
    """Cars of 4.79 m: x, y, heading, speed."""
    columns = np.array(cars, dtype=float).reshape(-1, 4).T
    return Neighbours(*columns, length=np.full(len(cars), 4.79))


def vector(vehicle: VehicleState, neighbours: Neighbours) -> np.ndarray:
    return encode_privileged(Situation(vehicle, ROAD.locate(vehicle), ROAD, neighbours), ACTION)


def test_the_lane_is_that_of_the_map_contract() -> None:
    vehicle = own(y=0.5, yaw=0.1)
    lane = encode_map(vehicle, ROAD.locate(vehicle), ROAD, ACTION, ObservationSettings(state="map"))
    seen = vector(vehicle, NOBODY)
    np.testing.assert_array_equal(seen[LANE], lane)
    assert seen[:6] == pytest.approx([0.8, 0.25, 0.1 / (math.pi / 4), 0.5, 0.25, -0.5])
    assert seen.dtype == np.float32 and len(seen) == 53 == len(privileged_elements())


def test_an_empty_road_is_a_far_leader_and_no_vehicles() -> None:
    seen = vector(own(), NOBODY)
    assert seen[AHEAD].tolist() == [1.0, 0.0]
    assert not seen[AROUND].any()


def test_gap_and_closing_speed_by_hand() -> None:
    """A car of 4.79 m whose middle is 30.5 m ahead: 30.5 - 4.79 m between the bumpers; it is 5 m/s slower."""
    seen = vector(own(), others((40.5, 0.0, 0.0, 3.0)))
    assert seen[AHEAD] == pytest.approx([(30.5 - 4.79) / 50.0, 0.5])


@pytest.mark.parametrize("car", [(65.5, 0.0, 0.0, 3.0), (40.5, 3.5, 0.0, 3.0), (0.0, 0.0, 0.0, 3.0)])
def test_who_is_far_beside_or_behind_is_no_leader(car: tuple[float, float, float, float]) -> None:
    assert vector(own(), others(car))[AHEAD].tolist() == [1.0, 0.0]


def test_a_vehicle_in_the_own_axes_by_hand() -> None:
    """The own car heads north at 8 m/s. The other is 20 m east, so to the right, and drives west at 6 m/s: to the left,
    and by 8 m/s slower along the own heading."""
    seen = vector(own(10.0, 0.0, math.pi / 2), others((30.0, 0.0, math.pi, 6.0)))
    assert seen[AROUND][:5] == pytest.approx([1.0, 0.0, -20 / 50, -0.8, 0.6], abs=1e-6)
    assert not seen[AROUND][5:].any()


def test_the_five_nearest_in_order_and_none_beyond_the_range() -> None:
    distances = [45.0, 5.0, 30.0, 49.9, 20.0, 10.0, 51.0]
    seen = vector(own(), others(*((10.0 - d, 0.0, 0.0, 8.0) for d in distances)))[AROUND].reshape(5, 5)
    assert seen[:, 1] == pytest.approx([-5 / 50, -10 / 50, -20 / 50, -30 / 50, -45 / 50])
    assert seen[:, 0].tolist() == [1.0] * 5
    few = vector(own(), others((-41.0, 0.0, 0.0, 8.0), (60.0, 5.0, 0.0, 8.0)))[AROUND].reshape(5, 5)
    assert not few.any(), "51 and 50.2 m are out of range"


@hypothesis_settings(max_examples=60)
@given(
    st.lists(st.tuples(*(st.floats(-1e5, 1e5),) * 4), max_size=12),
    st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.floats(-10.0, 10.0), st.floats(-1e3, 1e3),
)  # fmt: skip
def test_it_is_bounded_and_does_not_depend_on_the_order_of_the_vehicles(
    cars: list[tuple[float, float, float, float]], x: float, y: float, yaw: float, speed: float
) -> None:
    seen = vector(own(x, y, yaw, speed), others(*cars))
    assert np.isfinite(seen).all() and np.abs(seen).max() <= STATE_BOUND
    distances = {math.hypot(car[0] - x, car[1] - y) for car in cars}
    if len(distances) == len(cars):
        back = vector(own(x, y, yaw, speed), others(*reversed(cars)))
        np.testing.assert_array_equal(back[AROUND], seen[AROUND])


def test_only_a_privileged_critic_has_one() -> None:
    assert privileged_dim(from_flat({})) == 53
    assert privileged_dim(from_flat({"network.critic": "camera"})) == 0


def test_a_leader_that_rolls_back_counts_as_standing() -> None:
    vehicle = own()
    assert leader_on_route(vehicle, ROAD.locate(vehicle), ROAD, others((40.5, 0.0, 0.0, -2.0)))[1] == 0.0
