# SPDX-License-Identifier: Apache-2.0
"""Driving by a bundle without ROS: when it acts, when it refuses, what it remembers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.deploy.bundle import read_bundle
from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.driver import TRIAL, DeployedDriver, TimedFrame, fingerprint
from td3_driving.deploy.runtime import InferenceError, Loaded, PolicyRuntime, start
from td3_driving.driving.action import FULL_STOP
from td3_driving.driving.navigation import LocalisationError, Navigator
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.pilot import ObservationBuilder
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import STATE_BOUND, encode_state
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import LocalisationSettings

from ..nodes.policy_bundle import make_bundle, small_settings
from .drive_course import LOADED, OTHER, RANDOM, SETTINGS, STRAIGHT, driver_of, loaded, state_at, timed_frame


class Broken(PolicyRuntime):
    """A network that fails at its first frame, or after some."""

    def __init__(self, good: int = 0) -> None:
        self.good = good

    def act(self, stack: np.ndarray, state: np.ndarray) -> np.ndarray:
        self.good -= 1
        if self.good < 0:
            raise InferenceError("broken")
        return np.zeros(2, np.float32)


@pytest.fixture
def driver() -> DeployedDriver:
    driver = DeployedDriver(LOADED)
    driver.take_route(STRAIGHT)
    return driver


@pytest.mark.parametrize("name", SETTINGS)
def test_decides_as_eyes_and_network_of_training_do(name: str) -> None:
    """Training's eyes with an error of zero; the vehicle's take positions as they are, whatever the error was."""
    exact = LocalisationSettings(position_noise=0.0, position_bias=0.0, heading_noise=0.0)
    driver, builder = driver_of(name), ObservationBuilder(replace(SETTINGS[name], localisation=exact))
    builder.start(STRAIGHT)
    for number in range(12):
        image = RANDOM.integers(0, 256, (72, 128, 4), dtype=np.uint8)
        frame, vehicle = driver.look(image, "bgra8"), state_at(number, x=5.0 + 0.2 * number, speed=4.0)
        decision = driver.decide(frame, vehicle)
        time_step = builder.see(frame.frame, vehicle)
        builder.last_action = driver.loaded.runtime.act(time_step.observation.stack, time_step.observation.state)
        np.testing.assert_array_equal(decision.action, builder.last_action)
        assert decision.fingerprint == fingerprint(time_step.observation)


def test_stack_holds_frames_that_are_a_stride_apart() -> None:
    """Three colour frames, 4 apart: 9 frames of memory. Frames of one brightness tell which is which."""
    driver = driver_of("colour")

    def brightness(number: int) -> list[int]:
        even = TimedFrame(np.full((3, 36, 36), number, np.uint8), 0.0)
        stack = driver.decide(even, state_at(number)).time_step.observation.stack
        assert stack.shape == (9, 36, 36) == driver.contract.frames_shape
        return [int(plane[0, 0]) for plane in stack[::3]]

    seen = [brightness(number) for number in range(12)]
    assert seen[0] == [0, 0, 0] and seen[3] == [0, 0, 3] and seen[7] == [0, 3, 7] and seen[11] == [3, 7, 11]
    assert brightness(30) == [30, 30, 30] and brightness(31) == [30, 30, 31], "a gap empties all of the memory"


@pytest.mark.parametrize(("name", "farthest"), [("map", 10.0), ("sensors", 14.649)])
def test_needs_a_route_a_finite_state_and_the_lane_within_reach(name: str, farthest: float) -> None:
    driver = DeployedDriver(loaded(name))
    with pytest.raises(ObservationError, match="no route yet"):
        driver.decide(timed_frame(), state_at(0))
    driver.take_route(STRAIGHT)
    with pytest.raises(ObservationError, match="not finite"):
        driver.decide(timed_frame(), state_at(1, yaw=math.nan))
    with pytest.raises(ObservationError, match=f"{farthest + 0.5:.1f} m away"):
        driver.decide(timed_frame(), state_at(2, y=farthest + 0.5))
    assert driver.decide(timed_frame(), state_at(3, y=0.01 - farthest)).goal is False


def test_stops_at_the_end_of_the_route(driver: DeployedDriver) -> None:
    assert driver.decide(timed_frame(), state_at(0, x=996.9)).goal is False
    decision = driver.decide(timed_frame(), state_at(1, x=997.1))
    assert decision.goal and decision.command == FULL_STOP
    assert tuple(decision.action) == (0.0, -1.0)


def test_a_goal_that_was_reached_stays_reached_until_there_is_another(driver: DeployedDriver) -> None:
    assert driver.decide(timed_frame(), state_at(0, x=997.5)).goal
    assert driver.decide(timed_frame(), state_at(1, x=995.0)).goal, "noise of the position does not drive on"
    driver.take_route(Route(STRAIGHT.points.copy()))
    assert driver.decide(timed_frame(), state_at(2, x=995.0)).goal, "the same route, told again"
    driver.take_route(Route(np.array([(0.0, 0.0), (2000.0, 0.0)])))
    assert driver.decide(timed_frame(), state_at(3, x=995.0)).goal is False
    driver.take_route(STRAIGHT)
    assert driver.decide(timed_frame(), state_at(4, x=997.5)).goal
    assert driver.decide(timed_frame(), state_at(5, x=5.0)).goal is False, "put back to the start"


@pytest.mark.parametrize(
    ("name", "change", "forgets"),
    [
        ("map", {"number": 1}, False),
        ("map", {"number": 11}, True),  # 0.55 s without a frame
        ("map", {"number": -1}, True),  # the clock went back
        ("map", {"number": 1, "x": 7.9}, False),
        ("map", {"number": 1, "x": 8.1}, True),  # 3.1 m in one frame, standing
        ("map", {"number": 2, "x": 9.9, "speed": 20.0}, False),  # 4.9 m in 0.1 s at 20 m/s
        ("map", {"number": 2, "x": 10.1, "speed": 20.0}, True),
        ("sensors", {"number": 11}, True),
        ("sensors", {"number": -1}, True),
        ("sensors", {"number": 1, "x": 14.1}, False),  # 9.1 m in one frame, standing: noise of 1 m may do that
        ("sensors", {"number": 1, "x": 14.2}, True),
        ("sensors", {"number": 2, "x": 16.1, "speed": 20.0}, False),
        ("sensors", {"number": 2, "x": 16.2, "speed": 20.0}, True),
    ],
)
def test_memory_lasts_as_long_as_time_and_place_go_on(name: str, change: dict[str, float], forgets: bool) -> None:
    driver = driver_of(name)
    driver.decide(timed_frame(), state_at(0))
    stack = driver.decide(timed_frame(), state_at(**change)).time_step.observation.stack  # type: ignore[arg-type]
    assert bool((stack == stack[-1]).all()) is forgets
    assert driver.restarts == int(forgets)


@pytest.mark.parametrize("correlation", [0.0, 10.0])
def test_noise_of_a_metre_makes_no_frame_forgotten_and_a_teleport_does(correlation: float) -> None:
    """10,000 frames at 8 m/s; then the vehicle is put back by 15 m."""
    driver = DeployedDriver(Loaded(LOADED.bundle, Broken(good=20_000)))
    driver.take_route(Route(np.array([(0.0, 0.0), (10_000.0, 0.0)])))
    error = LocalisationError(LocalisationSettings(correlation_time=correlation, position_bias=0.0), 0.05, seed=1)
    frame, positions = timed_frame(), []
    for number in range(10_000):
        vehicle = error.apply(state_at(number, x=0.4 * number, speed=8.0))
        positions.append((vehicle.x - 0.4 * number, vehicle.y))
        driver.decide(frame, vehicle)
    assert driver.restarts == 0
    assert np.std(positions, axis=0) == pytest.approx(1.0, abs=0.03 if correlation == 0.0 else 0.3)
    moved = np.hypot(*np.diff(positions, axis=0).T)
    if correlation == 0.0:
        assert (moved > 3.0).mean() == pytest.approx(np.exp(-9.0 / 4.0), abs=0.02), "what exact positions never do"
    stack = driver.decide(
        timed_frame(), error.apply(state_at(10_000, x=3999.6 - 15.0, speed=8.0))
    ).time_step.observation.stack
    assert driver.restarts == 1
    assert (stack == stack[-1]).all()


def test_new_route_keeps_the_memory(driver: DeployedDriver) -> None:
    driver.decide(timed_frame(), state_at(0))
    driver.take_route(Route(np.array([(0.0, 1.0), (500.0, 1.0)])))
    time_step = driver.decide(timed_frame(), state_at(1)).time_step
    assert time_step.place.lateral == pytest.approx(-1.0)
    assert not (time_step.observation.stack == time_step.observation.stack[-1]).all()


def test_camera_of_another_shape_is_refused(driver: DeployedDriver) -> None:
    assert driver.look(np.zeros((72, 128, 4), np.uint8), "bgra8").frame.shape == (36, 36)
    with pytest.raises(ObservationError, match="640x480 has not the shape of 64x36"):
        driver.look(np.zeros((480, 640, 3), np.uint8), "rgb8")


def test_swapped_bundle_that_fails_is_given_up_within_the_frame(driver: DeployedDriver) -> None:
    driver.swap(Loaded(OTHER.bundle, Broken(good=3)))
    for number in range(3):
        assert tuple(driver.decide(timed_frame(), state_at(number)).action) == (0.0, 0.0)
    frame = timed_frame()
    decision = driver.decide(frame, state_at(3))
    assert (driver.swaps, driver.rollbacks) == (1, 1) and driver.loaded is LOADED
    observation = decision.time_step.observation
    np.testing.assert_array_equal(decision.action, LOADED.runtime.act(observation.stack, observation.state))


def test_bundle_that_has_proved_itself_has_nothing_to_fall_back_on(driver: DeployedDriver) -> None:
    driver.swap(Loaded(OTHER.bundle, Broken(good=TRIAL)))
    for number in range(TRIAL):
        driver.decide(timed_frame(), state_at(number))
    with pytest.raises(InferenceError, match="broken"):
        driver.decide(timed_frame(), state_at(TRIAL))
    assert driver.rollbacks == 0


def test_swap_asks_for_the_same_contract(driver: DeployedDriver) -> None:
    driver.check_swap(OTHER)
    for changed in (small_settings(observation__stack=2), SETTINGS["map"], small_settings(simulator__fixed_delta=0.1)):
        with pytest.raises(BundleError, match="contract mismatch with the bundle in use"):
            driver.check_swap(start(read_bundle(make_bundle(changed))))


# Numbers that no sensor should send.

WILD = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1e-300, 1e300, -1e300, math.pi, 2.0**63, math.nan, math.inf, -math.inf]),
)


@given(st.lists(st.tuples(WILD, WILD, WILD, WILD, WILD, st.integers(0, 2**63 - 1)), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_state_gives_a_bounded_command_or_a_refusal(states: list[tuple[float, ...]]) -> None:
    driver = DeployedDriver(LOADED)
    driver.take_route(STRAIGHT)
    for x, y, yaw, speed, yaw_rate, stamp in states:
        try:
            decision = driver.decide(timed_frame(), VehicleState(int(stamp), x, y, 0.0, yaw, speed, 0.0, yaw_rate))
        except ObservationError:
            continue
        assert np.isfinite(decision.action).all() and np.abs(decision.action).max() <= 1.0
        assert np.abs(decision.time_step.observation.state).max() <= STATE_BOUND
        assert 0.0 <= decision.command.throttle <= 1.0 and 0.0 <= decision.command.brake <= 1.0


def test_a_hundred_thousand_states_are_encoded_within_bounds_or_refused() -> None:
    generator = np.random.default_rng(7)
    route = Route(np.cumsum(generator.normal(10.0, 5.0, (20, 2)), axis=0))
    observation = small_settings().observation
    navigator = Navigator(route, observation, None)
    action = np.zeros(2, np.float32)
    magnitudes = generator.choice([0.0, 1.0, 30.0, 1e3, 1e9, 1e300, np.inf, np.nan], (100_000, 6))
    values = magnitudes * generator.normal(size=(100_000, 6))
    refused = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for x, y, yaw, speed, lateral, yaw_rate in values:
            vehicle = VehicleState(0, x, y, 0.0, yaw, speed, lateral, yaw_rate)
            try:
                if not vehicle.finite():
                    raise ObservationError("as encode_state says")
                place = route.locate(vehicle)
                state = encode_state(vehicle, place, route, navigator.look(vehicle), action, observation)
            except ObservationError:
                refused += 1
                continue
            assert np.abs(state).max() <= STATE_BOUND, vehicle
    assert 0 < refused < 100_000
