# SPDX-License-Identifier: Apache-2.0
"""A straight and a bend whose distances one can work out by hand, and properties over random polylines."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.route import Route, RouteError
from td3_driving.driving.vehicle_state import VehicleState, wrap_angle

STRAIGHT = Route(np.array([(float(x), 0.0) for x in range(101)]))
CORNER = Route(np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)]))


def vehicle(x: float, y: float, yaw: float = 0.0) -> VehicleState:
    return VehicleState(0, x, y, 0.0, yaw, 5.0, 0.0, 0.0)


def test_left_of_the_route_is_positive() -> None:
    place = STRAIGHT.locate(vehicle(30.5, 1.2, 0.1))
    assert place.s == pytest.approx(30.5)
    assert place.lateral == pytest.approx(1.2)
    assert place.heading_error == pytest.approx(0.1)
    assert STRAIGHT.locate(vehicle(30.5, -1.2)).lateral == pytest.approx(-1.2)


def test_heading_error_after_the_corner_is_measured_against_north() -> None:
    place = CORNER.locate(vehicle(10.5, 6.0, 0.0))
    assert place.s == pytest.approx(16.0)
    assert place.lateral == pytest.approx(-0.5)
    assert place.heading_error == pytest.approx(-math.pi / 2)


def test_points_ahead_are_in_vehicle_axes() -> None:
    ahead = CORNER.ahead(vehicle(6.0, 0.0, 0.0), 6.0, 3, 4.0)
    assert ahead == pytest.approx(np.array([(4.0, 0.0), (4.0, 4.0), (4.0, 8.0)]))
    turned = CORNER.ahead(vehicle(10.0, 2.0, math.pi / 2), 12.0, 1, 5.0)
    assert turned == pytest.approx(np.array([(5.0, 0.0)]))


def test_beyond_the_end_the_route_goes_straight_on() -> None:
    assert CORNER.at(np.array([25.0])) == pytest.approx(np.array([(10.0, 15.0)]))


def test_a_route_that_meets_itself_is_searched_near_the_last_place() -> None:
    there_and_back = Route(np.array([(0.0, 0.0), (50.0, 0.0), (50.0, 1.0), (0.0, 1.0)]))
    assert there_and_back.locate(vehicle(20.0, 0.9), near=20.0).s == pytest.approx(20.0)
    assert there_and_back.locate(vehicle(20.0, 0.9), near=81.0).s == pytest.approx(81.0)


@pytest.mark.parametrize(
    "points", [[], [(1.0, 1.0)], [(1.0, 1.0), (1.0, 1.0)], [(0.0, 0.0), (math.nan, 1.0)], [(0.0, 0.0), (2e6, 0.0)]]
)
def test_unusable_routes_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(RouteError):
        Route(np.array(points, dtype=float).reshape(-1, 2))


coordinates = st.tuples(st.floats(-100, 100), st.floats(-100, 100))


@given(st.lists(coordinates, min_size=2, max_size=20), coordinates)
def test_the_place_found_is_the_nearest(points: list[tuple[float, float]], where: tuple[float, float]) -> None:
    try:
        route = Route(np.array(points))
    except RouteError:
        return
    place = route.locate(vehicle(*where))
    samples = route.at(np.linspace(0.0, route.length, 500))
    nearest = float(np.min(np.hypot(samples[:, 0] - where[0], samples[:, 1] - where[1])))
    assert abs(place.lateral) <= nearest + 1e-6
    assert 0.0 <= place.s <= route.length + 1e-9


@given(st.floats(-1e4, 1e4))
def test_wrapped_angles_keep_their_direction(angle: float) -> None:
    wrapped = wrap_angle(angle)
    assert -math.pi <= wrapped < math.pi + 1e-9
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-6)
