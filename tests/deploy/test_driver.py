"""Driving by a bundle without ROS: when it acts, when it refuses, what it remembers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_bundle import make_bundle, small_settings

from td3_driving.deploy.bundle import read_bundle
from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.drive_report import DriveReport
from td3_driving.deploy.driver import FARTHEST, TRIAL, DeployedDriver, Picture, fingerprint
from td3_driving.deploy.runtime import InferenceError, Loaded, PolicyRuntime, start
from td3_driving.deploy.shadow import DriverInCharge
from td3_driving.driving.action import FULL_STOP
from td3_driving.driving.observation import STATE_BOUND, ObservationError, encode_state
from td3_driving.driving.pilot import Eyes
from td3_driving.driving.route import Route
from td3_driving.driving.synchroniser import FrameCounts
from td3_driving.driving.vehicle_state import VehicleState

FRAME_NS = 50_000_000
LOADED, OTHER = start(read_bundle(make_bundle())), start(read_bundle(make_bundle(seed=1)))
STRAIGHT = Route(np.array([(0.0, 0.0), (1000.0, 0.0)]))
RANDOM = np.random.default_rng(0)


class Broken(PolicyRuntime):
    """A network that fails at its first frame, or after some."""

    def __init__(self, good: int = 0) -> None:
        self.good = good

    def act(self, stack: np.ndarray, state: np.ndarray) -> np.ndarray:
        self.good -= 1
        if self.good < 0:
            raise InferenceError("broken")
        return np.zeros(2, np.float32)


def state_at(number: int, x: float = 5.0, speed: float = 0.0, **changes: float) -> VehicleState:
    still = VehicleState(10**9 + number * FRAME_NS, x, 0.0, 0.0, 0.0, speed, 0.0, 0.0)
    return replace(still, **changes)


def picture() -> Picture:
    return Picture(RANDOM.integers(0, 256, (36, 36), dtype=np.uint8), 0.0)


@pytest.fixture
def driver() -> DeployedDriver:
    driver = DeployedDriver(LOADED)
    driver.take_route(STRAIGHT)
    return driver


def test_decides_as_eyes_and_network_of_training_do(driver: DeployedDriver) -> None:
    eyes = Eyes(small_settings())
    eyes.start(STRAIGHT)
    for number in range(6):
        frame, vehicle = picture(), state_at(number, x=5.0 + 0.2 * number, speed=4.0)
        decision = driver.decide(frame, vehicle)
        sight = eyes.see(frame.frame, vehicle)
        eyes.last_action = LOADED.runtime.act(sight.observation.stack, sight.observation.state)
        np.testing.assert_array_equal(decision.action, eyes.last_action)
        assert decision.fingerprint == fingerprint(sight.observation)


def test_needs_a_route_a_finite_state_and_the_lane_within_reach() -> None:
    driver = DeployedDriver(LOADED)
    with pytest.raises(ObservationError, match="no route yet"):
        driver.decide(picture(), state_at(0))
    driver.take_route(STRAIGHT)
    with pytest.raises(ObservationError, match="not finite"):
        driver.decide(picture(), state_at(1, yaw=math.nan))
    with pytest.raises(ObservationError, match=r"10\.5 m away"):
        driver.decide(picture(), state_at(2, y=FARTHEST + 0.5))
    assert driver.decide(picture(), state_at(3, y=FARTHEST - 0.5)).goal is False


def test_stops_at_the_end_of_the_route(driver: DeployedDriver) -> None:
    assert driver.decide(picture(), state_at(0, x=996.9)).goal is False
    decision = driver.decide(picture(), state_at(1, x=997.1))
    assert decision.goal and decision.command == FULL_STOP
    assert tuple(decision.action) == (0.0, -1.0)


@pytest.mark.parametrize(
    ("change", "forgets"),
    [
        ({"number": 1}, False),
        ({"number": 11}, True),  # 0.55 s without a frame
        ({"number": -1}, True),  # the clock went back
        ({"number": 1, "x": 7.9}, False),
        ({"number": 1, "x": 8.1}, True),  # 3.1 m in one frame, standing
        ({"number": 2, "x": 9.9, "speed": 20.0}, False),  # 4.9 m in 0.1 s at 20 m/s
        ({"number": 2, "x": 10.1, "speed": 20.0}, True),
    ],
)
def test_memory_lasts_as_long_as_time_and_place_go_on(
    driver: DeployedDriver, change: dict[str, float], forgets: bool
) -> None:
    driver.decide(picture(), state_at(0))
    stack = driver.decide(picture(), state_at(**change)).sight.observation.stack  # type: ignore[arg-type]
    assert bool((stack == stack[-1]).all()) is forgets
    assert driver.restarts == int(forgets)


def test_new_route_keeps_the_memory(driver: DeployedDriver) -> None:
    driver.decide(picture(), state_at(0))
    driver.take_route(Route(np.array([(0.0, 1.0), (500.0, 1.0)])))
    sight = driver.decide(picture(), state_at(1)).sight
    assert sight.place.lateral == pytest.approx(-1.0)
    assert not (sight.observation.stack == sight.observation.stack[-1]).all()


def test_camera_of_another_shape_is_refused(driver: DeployedDriver) -> None:
    assert driver.look(np.zeros((72, 128, 4), np.uint8), "bgra8").frame.shape == (36, 36)
    with pytest.raises(ObservationError, match="640x480 has not the shape of 64x36"):
        driver.look(np.zeros((480, 640, 3), np.uint8), "rgb8")


def test_swapped_bundle_that_fails_is_given_up_within_the_frame(driver: DeployedDriver) -> None:
    driver.swap(Loaded(OTHER.bundle, Broken(good=3)))
    for number in range(3):
        assert tuple(driver.decide(picture(), state_at(number)).action) == (0.0, 0.0)
    frame = picture()
    decision = driver.decide(frame, state_at(3))
    assert (driver.swaps, driver.rollbacks) == (1, 1) and driver.loaded is LOADED
    observation = decision.sight.observation
    np.testing.assert_array_equal(decision.action, LOADED.runtime.act(observation.stack, observation.state))


def test_bundle_that_has_proved_itself_has_nothing_to_fall_back_on(driver: DeployedDriver) -> None:
    driver.swap(Loaded(OTHER.bundle, Broken(good=TRIAL)))
    for number in range(TRIAL):
        driver.decide(picture(), state_at(number))
    with pytest.raises(InferenceError, match="broken"):
        driver.decide(picture(), state_at(TRIAL))
    assert driver.rollbacks == 0


def test_swap_asks_for_the_same_contract(driver: DeployedDriver) -> None:
    driver.check_swap(OTHER)
    for changed in (small_settings(observation__stack=2), small_settings(simulator__fixed_delta=0.1)):
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
            decision = driver.decide(picture(), VehicleState(int(stamp), x, y, 0.0, yaw, speed, 0.0, yaw_rate))
        except ObservationError:
            continue
        assert np.isfinite(decision.action).all() and np.abs(decision.action).max() <= 1.0
        assert np.abs(decision.sight.observation.state).max() <= STATE_BOUND
        assert 0.0 <= decision.command.throttle <= 1.0 and 0.0 <= decision.command.brake <= 1.0


def test_a_hundred_thousand_states_are_encoded_within_bounds_or_refused() -> None:
    generator = np.random.default_rng(7)
    route = Route(np.cumsum(generator.normal(10.0, 5.0, (20, 2)), axis=0))
    observation = small_settings().observation
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
                state = encode_state(vehicle, route.locate(vehicle), route, action, observation)
            except ObservationError:
                refused += 1
                continue
            assert np.abs(state).max() <= STATE_BOUND, vehicle
    assert 0 < refused < 100_000


# Shadow and report.


def test_stamps_tell_what_the_driver_in_charge_did_before_and_at_a_frame() -> None:
    other = DriverInCharge()
    assert tuple(other.before(100, now=0.0)) == (0.0, 0.0) and other.answer_to(100) is None
    first, second = np.array([0.1, 0.2], np.float32), np.array([-0.3, 0.4], np.float32)
    other.hear(100, first, now=1.0)
    other.hear(150, second, now=1.0)
    other.hear(160, np.array([np.nan, 0.0], np.float32), now=1.0)
    assert other.before(150, now=1.0) is first and other.before(151, now=1.0) is second
    assert other.answer_to(100) is first and other.answer_to(101) is second and other.answer_to(151) is None
    assert tuple(other.before(200, now=2.1)) == (0.0, 0.0), "a command of long ago tells nothing"
    other.forget()
    assert other.answer_to(0) is None


def test_report_says_why_nothing_is_decided(driver: DeployedDriver) -> None:
    report, counts = DriveReport(threads=1, shadow=False), FrameCounts()

    def inference(active: bool = True, now: float = 0.0) -> tuple[str, str]:
        status = report.statuses(driver, counts, active, now)[1]
        return status.level, status.message

    assert inference(active=False) == ("OK", "inactive")
    assert inference() == ("STALE", "no complete frame")
    report.note(driver.decide(picture(), state_at(0)), now=0.0)
    assert inference(now=0.5) == ("OK", "driving")
    assert inference(now=1.5) == ("STALE", "no complete frame")
    report.refuse("the camera is upside down")
    assert inference() == ("ERROR", "the camera is upside down")
    for number in range(1, 401):
        report.note(driver.decide(picture(), state_at(2 * number)), now=0.0)
    assert inference()[0] == "WARN" and "10.0 Hz, in training at 20.0 Hz" in inference()[1]
    names = {status.name for status in report.statuses(driver, counts, True, 0.0)}
    assert names == {"policy: bundle", "policy: inference", "policy: frame sync"}


def test_report_warns_of_a_run_that_the_doctor_advises_against() -> None:
    bundle = replace(LOADED.bundle, provenance={"doctor": {"verdict": "NO-GO"}})
    report = DriveReport(threads=1, shadow=True)
    status = report.statuses(DeployedDriver(Loaded(bundle, LOADED.runtime)), FrameCounts(), True, 0.0)[0]
    assert (status.level, status.values["run doctor"]) == ("WARN", "NO-GO")
