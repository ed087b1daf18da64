# SPDX-License-Identifier: Apache-2.0
"""A route of sparse points, as a vehicle's navigation gives it, tells the policy what a dense one does."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from td3_driving.deploy.bundle import read_bundle
from td3_driving.deploy.driver import DeployedDriver, TimedFrame
from td3_driving.deploy.runtime import Loaded, start
from td3_driving.driving.navigation import Navigation, Navigator, filled
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings, SimulatorSettings
from td3_driving.sim.world import World

from ..nodes.policy_bundle import make_bundle

SEEDS = range(10)
LONGEST = ObservationSettings().waypoint_spacing


@cache
def routes(network: str) -> tuple[Route, ...]:
    world = World(SimulatorSettings(map=network, vehicles=0), seed=0)
    return tuple(Route(world.reset(0, seed)) for seed in SEEDS)


def thinned(route: Route, spacing: float) -> Route:
    """The same route with a point every ``spacing`` [m] along it, and its end."""
    return Route(route.at(np.append(np.arange(0.0, route.length, spacing), route.length)))


def on(route: Route, s: float) -> VehicleState:
    (x, y), (ahead_x, ahead_y) = route.at(np.array([s, s + 0.5]))
    return VehicleState(0, float(x), float(y), 0.0, math.atan2(ahead_y - y, ahead_x - x), 5.0, 0.0, 0.0)


def looks(route: Route, dense: Route) -> list[Navigation]:
    """What is known of ``route`` in the course of a drive along ``dense``."""
    navigator = Navigator(route, ObservationSettings(), None)
    return [navigator.look(on(dense, s)) for s in np.arange(0.0, dense.length - 1.0, 2.0)]


def test_dense_points_are_taken_as_they_are() -> None:
    dense = routes("curves")[0]
    assert np.diff(dense.s).max() <= 1.1 and filled(dense, LONGEST) is dense


def test_a_straight_stays_straight_whatever_its_points() -> None:
    points = np.array([(0.0, 0.0), (15.0, 0.0), (18.0, 0.0), (37.0, 0.0), (100.0, 0.0)])
    straight = filled(Route(points), LONGEST)
    assert np.abs(straight.points[:, 1]).max() == 0.0 and straight.length == pytest.approx(100.0)
    assert (np.diff(straight.points[:, 0]) > 0.0).all()


def test_points_on_a_circle_give_the_circle_between_them() -> None:
    """Chords of 10 m on a radius of 50 m lie 0.25 m inside of it at their middle, the curve within 2 mm."""
    angles = np.arange(0.0, 3.0, 0.2)
    circle = Route(50.0 * np.stack((np.cos(angles), np.sin(angles)), axis=1))
    inside = 50.0 - np.hypot(*circle.at(np.arange(0.0, circle.length, 0.1)).T)
    assert inside.max() == pytest.approx(0.25, abs=0.01)
    curve = filled(circle, LONGEST)
    between = curve.points[12:-12]  # The first and the last chord have nothing beyond them to bend by.
    assert np.abs(np.hypot(*between.T) - 50.0).max() < 2e-3


def test_longer_chords_than_the_spacing_of_waypoints_are_no_bends() -> None:
    corner = filled(Route(np.array([(0.0, 0.0), (30.0, 0.0), (30.0, 12.0)])), LONGEST)
    assert tuple(corner.points[1]) == (30.0, 0.0), "the way to the corner is straight"
    assert corner.points[-1] == pytest.approx((30.0, 12.0)) and len(corner.points) == 14


@pytest.mark.parametrize(
    ("network", "spacing", "apart"),
    [("curves", 10.0, 0.1), ("curves", 20.0, 0.7), ("town", 5.0, 0.15), ("town", 10.0, 0.8)],
)
def test_waypoints_of_sparse_points_are_those_of_dense_ones(network: str, spacing: float, apart: float) -> None:
    worst = 0.0
    for dense in routes(network):
        places = LONGEST * np.arange(1, int(dense.length / LONGEST))
        difference = dense.at(places) - filled(thinned(dense, spacing), LONGEST).at(places)
        worst = max(worst, float(np.hypot(*difference.T).max()))
    assert 0.0 < worst <= apart


def test_bends_of_the_curves_are_no_manoeuvres_on_sparse_points_either() -> None:
    for dense in routes("curves"):
        for spacing in (10.0, 20.0):
            pairs = zip(looks(dense, dense), looks(thinned(dense, spacing), dense))
            assert all(a.manoeuvre is b.manoeuvre for a, b in pairs)


def test_turns_of_the_town_are_told_from_points_10_m_apart() -> None:
    same = [
        a.manoeuvre is b.manoeuvre
        for dense in routes("town")
        for a, b in zip(looks(dense, dense), looks(thinned(dense, 10.0), dense))
    ]
    assert np.mean(same) > 0.97


def test_policy_sees_and_does_alike_on_a_sparse_path_and_on_a_dense_one() -> None:
    """Waypoints 0.1 m apart are 0.0017 in the state, which holds the last action, too."""
    loaded: Loaded = start(read_bundle(make_bundle()))
    dense = routes("curves")[0]
    drivers = DeployedDriver(loaded), DeployedDriver(loaded)
    for driver, route in zip(drivers, (dense, thinned(dense, 10.0))):
        driver.take_route(route)
    generator = np.random.default_rng(0)
    for number in range(200):
        vehicle = on(dense, 1.0 + 0.4 * number)
        vehicle = VehicleState(number * 50_000_000, *(getattr(vehicle, name) for name in vehicle.__slots__[1:]))
        timed_frame = TimedFrame(generator.integers(0, 256, (36, 36), dtype=np.uint8), 0.0)
        states = [driver.decide(timed_frame, vehicle).time_step.observation.state for driver in drivers]
        assert np.abs(states[0] - states[1]).max() < 0.01
