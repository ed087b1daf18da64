# SPDX-License-Identifier: Apache-2.0
"""What a vehicle without exact localisation knows of its route: waypoints, turns, and how wrong its position is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.navigation import HORIZON, LocalisationError, Manoeuvre, Navigation, Navigator, find_turns
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import LocalisationSettings, ObservationSettings

SETTINGS = ObservationSettings(waypoints=3, waypoint_spacing=20.0)
STRAIGHT = Route(np.array([(0.0, 0.0), (200.0, 0.0)]))


def at(x: float, y: float = 0.0, yaw: float = 0.0) -> VehicleState:
    return VehicleState(0, x, y, 0.0, yaw, 8.0, 0.0, 0.0)


def laid(*parts: tuple[float, float]) -> Route:
    """A route of parts (length [m], change of heading [rad], left positive), a point every half metre."""
    points, heading = [(0.0, 0.0)], 0.0
    for length, turn in parts:
        count = round(2 * length)
        for _ in range(count):
            heading += turn / count
            x, y = points[-1]
            points.append((x + length / count * math.cos(heading), y + length / count * math.sin(heading)))
    return Route(np.array(points))


def arc(radius: float, degrees: float) -> tuple[float, float]:
    return radius * math.radians(abs(degrees)), math.radians(degrees)


# Waypoints.


def test_waypoints_by_hand() -> None:
    """At (30, 1) heading left of the road by a right angle: 40, 60 and 80 m of the road lie to the right."""
    seen = Navigator(STRAIGHT, SETTINGS, None).look(at(30.0, 1.0, math.pi / 2))
    assert seen.waypoints == pytest.approx(np.array([(-1.0, -10.0), (-1.0, -30.0), (-1.0, -50.0)]))
    assert (seen.manoeuvre, seen.manoeuvre_distance) == (Manoeuvre.FOLLOW, HORIZON)


def test_a_waypoint_is_passed_when_it_is_reached_and_does_not_come_back() -> None:
    navigator = Navigator(STRAIGHT, SETTINGS, None)
    firsts = [navigator.look(at(x)).waypoints[0, 0] + x for x in (0.0, 19.9, 20.0, 19.0, 10.0, 20.5, 40.0)]
    assert firsts == pytest.approx([20.0, 20.0, 40.0, 40.0, 40.0, 40.0, 60.0])


def test_beyond_the_end_the_last_direction_goes_on() -> None:
    navigator = Navigator(STRAIGHT, SETTINGS, None)
    navigator.look(at(190.0))
    seen = navigator.look(at(195.0, 2.0))
    assert seen.waypoints == pytest.approx(np.array([(5.0, -2.0), (25.0, -2.0), (45.0, -2.0)]))


parts = st.lists(st.tuples(st.floats(10.0, 40.0), st.floats(-1.5, 1.5)), min_size=2, max_size=6)


@hypothesis_settings(max_examples=40)
@given(parts, st.floats(10.0, 40.0), st.integers(1, 5), st.integers(0, 10**6))
def test_waypoints_are_points_of_the_route_in_order_and_one_spacing_apart(
    shape: list[tuple[float, float]], spacing: float, count: int, seed: int
) -> None:
    """Whatever the route and however wrong the position: seen from the believed pose they are a run of the route's own
    points ``k * spacing``, and the run moves ahead only."""
    route = laid(*shape)
    settings = ObservationSettings(waypoints=count, waypoint_spacing=spacing)
    error, same = (LocalisationError(LocalisationSettings(), 0.05, seed) for _ in range(2))
    navigator = Navigator(route, settings, error)
    first = 1
    for s in np.arange(0.0, route.length, 3.0):
        x, y = route.at(np.array([s]))[0]
        true = at(float(x), float(y), float(s) / 50.0)
        believed = same.apply(true)
        cosine, sine = math.cos(believed.yaw), math.sin(believed.yaw)
        seen = navigator.look(true).waypoints
        points = seen @ np.array([(cosine, sine), (-sine, cosine)]) + (believed.x, believed.y)
        while not np.allclose(points, route.at(spacing * np.arange(first, first + count)), atol=1e-6):
            first += 1
            assert first * spacing < route.length + 2 * spacing, "no run of the route's points"


def test_a_route_that_comes_back_to_its_start_is_begun_at_its_start() -> None:
    """The last metres pass the first ones at a distance of 1 m, no more than the error of the position."""
    loop = laid((60.0, 0.0), arc(15.0, 180), (60.0, 0.0), arc(14.5, 180), (8.0, 0.0))
    assert loop.points[-1] == pytest.approx((8.0, 1.0), abs=0.3)
    for seed in range(50):
        navigator = Navigator(loop, SETTINGS, LocalisationError(LocalisationSettings(position_bias=0.0), 0.05, seed))
        assert navigator.look(at(0.0)).waypoints[:, 0] == pytest.approx([20.0, 40.0, 60.0], abs=5.0), seed


# Turns.


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ([(40.0, 0.0), arc(8.0, 90), (40.0, 0.0)], [Manoeuvre.LEFT]),
        ([(40.0, 0.0), arc(8.0, -90), (40.0, 0.0)], [Manoeuvre.RIGHT]),
        ([(40.0, 0.0), arc(8.0, 90), (5.0, 0.0), arc(8.0, -90), (40.0, 0.0)], [Manoeuvre.LEFT, Manoeuvre.RIGHT]),
        ([(40.0, 0.0), arc(8.0, 90), arc(8.0, -90), (40.0, 0.0)], [Manoeuvre.LEFT, Manoeuvre.RIGHT]),
        ([(40.0, 0.0), arc(8.0, 90), (40.0, 0.0), arc(8.0, 90), (40.0, 0.0)], [Manoeuvre.LEFT] * 2),
        ([(40.0, 0.0), arc(25.0, 90), (40.0, 0.0)], []),
        ([(200.0, 0.0)], []),
        ([(5.0, 0.0)], []),
    ],
    ids=["left", "right", "S", "tight S", "two lefts", "wide bend", "straight", "shorter than a turn"],
)
def test_turns_of_routes_made_by_hand(shape: list[tuple[float, float]], expected: list[Manoeuvre]) -> None:
    assert [turn.manoeuvre for turn in find_turns(laid(*shape))] == expected


def test_a_turn_lies_where_the_road_bends() -> None:
    """A quarter circle of 8 m is 12.6 m long; twelve metres turn by 40 degrees as soon as 5.6 m of them are on it."""
    (turn,) = find_turns(laid((40.0, 0.0), arc(8.0, 90), (40.0, 0.0)))
    assert turn.begin == pytest.approx(40.0 - 12.0 + 5.6, abs=1.0)
    assert turn.end == pytest.approx(40.0 + 12.6 + 12.0 - 5.6, abs=1.0)


def test_a_turn_is_announced_reached_and_over() -> None:
    navigator = Navigator(laid((80.0, 0.0), arc(8.0, 90), (80.0, 0.0)), SETTINGS, None)
    (turn,) = find_turns(laid((80.0, 0.0), arc(8.0, 90), (80.0, 0.0)))

    def told(x: float, y: float = 0.0, yaw: float = 0.0) -> tuple[Manoeuvre, float]:
        for behind in (12.0, 6.0, 0.0):
            seen: Navigation = navigator.look(at(x - behind * math.cos(yaw), y - behind * math.sin(yaw), yaw))
        return seen.manoeuvre, seen.manoeuvre_distance

    assert told(turn.begin - HORIZON - 1.0) == (Manoeuvre.FOLLOW, HORIZON)
    told(turn.begin - 40.0)
    assert told(turn.begin - 30.0) == (Manoeuvre.LEFT, pytest.approx(30.0))
    told(turn.begin - 12.0)
    assert told(80.0) == (Manoeuvre.LEFT, 0.0)
    assert told(88.0, 9.0, math.pi / 2) == (Manoeuvre.LEFT, 0.0)
    assert told(88.0, 25.0, math.pi / 2) == (Manoeuvre.FOLLOW, HORIZON)


# The error of the position.


def errors(frames: int, seeds: int, frame_time: float = 0.5, **settings: float) -> np.ndarray:
    """(seeds, frames, 3) errors of x, y and heading."""
    values = {"position_noise": 0.0, "position_bias": 0.0, "heading_noise": 0.0, "correlation_time": 10.0} | settings
    rows = []
    for seed in range(seeds):
        error = LocalisationError(LocalisationSettings(**values), frame_time, seed)
        believed = [error.apply(at(7.0, -3.0, 0.1)) for _ in range(frames)]
        rows.append([(b.x - 7.0, b.y + 3.0, b.yaw - 0.1) for b in believed])
    return np.array(rows)


def test_the_noise_keeps_its_deviation_and_forgets_within_its_time() -> None:
    """4,000 draws: a standard deviation is known to 1.1 %, a correlation to 0.016; both bounds are four of them."""
    drawn = errors(21, 2000, position_noise=2.0, heading_noise=0.1)
    for frame in (0, 20):
        assert drawn[:, frame, :2].std() == pytest.approx(2.0, rel=0.045)
        assert drawn[:, frame, 2].std() == pytest.approx(0.1, rel=0.065)
    # Twenty frames of 0.5 s are the correlation time; x and y are drawn apart.
    later = np.corrcoef(drawn[:, 0, :2].ravel(), drawn[:, 20, :2].ravel())[0, 1]
    assert later == pytest.approx(math.exp(-1.0), abs=0.06)
    assert np.corrcoef(drawn[:, 0, 0], drawn[:, 0, 1])[0, 1] == pytest.approx(0.0, abs=0.09)


def test_with_time_zero_the_noise_is_white() -> None:
    drawn = errors(2, 2000, position_noise=1.0, correlation_time=0.0)[..., :2]
    assert np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1] == pytest.approx(0.0, abs=0.065)
    assert drawn[:, 1].std() == pytest.approx(1.0, rel=0.045)


def test_the_bias_stays_for_the_episode_and_is_of_the_position_alone() -> None:
    drawn = errors(3, 2000, position_bias=3.0)
    np.testing.assert_allclose(drawn, drawn[:, :1].repeat(3, axis=1), atol=1e-12)
    assert drawn[:, 0, :2].std() == pytest.approx(3.0, rel=0.045)
    assert np.abs(drawn[..., 2]).max() < 1e-12


def test_the_error_is_that_of_the_seed() -> None:
    first, again, other = (LocalisationError(LocalisationSettings(), 0.05, seed) for seed in (3, 3, 4))
    course = [[error.apply(at(0.0)) for _ in range(20)] for error in (first, again, other)]
    assert course[0] == course[1] != course[2]


def test_without_error_the_pose_is_the_true_one() -> None:
    assert np.abs(errors(5, 3)).max() < 1e-12
