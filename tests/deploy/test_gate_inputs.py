# SPDX-License-Identifier: Apache-2.0
"""Ages of the inputs, and what is refused."""

from __future__ import annotations

import math

import pytest

from td3_driving.deploy.gate_inputs import CameraInput, ClockWatch, CommandInput, Input, OdometryInput
from td3_driving.deploy.gate_types import CommandRequest, FaultSeverity, Instant, in_range
from td3_driving.deploy.limits import BudgetSettings, StopSettings, gate_settings
from td3_driving.driving.action import Command

from .gate_course import START, instant, state

BUDGET, STOP = BudgetSettings(), StopSettings()
UNCOMPARED = gate_settings({"budget.compare_stamps": False}).budget


def ns(time: float) -> int:
    return round(time * 1e9)


def test_age_is_that_of_the_stamp_or_of_the_silence_whichever_is_longer() -> None:
    source = Input("camera", BUDGET)
    assert source.age(instant(START)) == math.inf
    assert source.take(ns(START - 0.04), instant(START))
    assert source.age(instant(START)) == pytest.approx(0.04)
    assert source.age(instant(START + 0.1)) == pytest.approx(0.14)
    assert source.age(Instant(START + 0.3, ns(START), 0.0)) == pytest.approx(0.3), "the stamps' clock stands"


def test_without_comparable_stamps_only_silence_counts() -> None:
    source = Input("camera", UNCOMPARED)
    assert source.take(ns(5.0), instant(START))
    assert source.age(instant(START + 0.1)) == pytest.approx(0.1)
    assert source.take(ns(9e6), instant(START + 0.1)), "no stamp is ahead of anything"
    command = CommandInput(UNCOMPARED, STOP)
    command.offer(CommandRequest(Command(0.0, 0.0, 0.0), ns(5.0)), instant(START))
    assert command.fresh, "nor too old"


def test_stamp_ahead_of_the_clock_is_refused() -> None:
    source = Input("camera", BUDGET)
    assert source.take(ns(START + 0.1), instant(START))
    assert not source.take(ns(START + 3.2), instant(START))
    assert (source.refusal, source.refused) == ("its stamp is 3.20 s ahead of the clock", 1)
    assert source.take(ns(START + 0.11), instant(START + 0.11))
    assert (source.refusal, source.refused) == ("", 1)


def test_the_same_stamp_again_tells_nothing() -> None:
    source = Input("camera", BUDGET)
    assert source.take(ns(START), instant(START))
    assert not source.take(ns(START), instant(START + 0.1))
    assert (source.age(instant(START + 0.1)), source.refused) == (pytest.approx(0.1), 0)


def test_stamp_that_goes_back_is_one_event() -> None:
    source = Input("camera", BUDGET)
    source.take(ns(START), instant(START))
    assert source.event() is None
    assert source.take(ns(START - 0.05), instant(START))
    event = source.event()
    assert event is not None and str(event) == "camera: its stamp went back by 0.05 s"
    assert event.severity is FaultSeverity.COMFORTABLE
    assert source.event() is None


def test_faults_follow_the_age() -> None:
    source = Input("odometry", BUDGET)
    absent = source.fault(instant(START), 0.09, 0.1)
    assert absent is not None and (str(absent), absent.severity) == ("odometry: none yet", FaultSeverity.EMERGENCY)
    source.refuse("it is not finite")
    absent = source.fault(instant(START), 0.09, 0.1)
    assert str(absent) == "odometry: none yet; the last was refused: it is not finite"
    source.take(ns(START), instant(START))
    wanted = {0.09: None, 0.0901: FaultSeverity.WARN, 0.1: FaultSeverity.WARN, 0.1001: FaultSeverity.COMFORTABLE}
    wanted |= {0.3: FaultSeverity.COMFORTABLE, 0.3001: FaultSeverity.EMERGENCY}
    for age, severity in wanted.items():
        fault = source.fault(instant(START + age), 0.09, 0.1)
        assert (None if fault is None else fault.severity) is severity, age
    assert str(source.fault(instant(START + 0.2), 0.09, 0.1)) == "odometry: none for 0.20 s"


def test_a_new_time_begins_with_age_zero() -> None:
    source = Input("camera", BUDGET)
    source.start_anew(instant(5.0))
    assert source.age(instant(5.0)) == math.inf, "what never came did not come now"
    source.take(ns(START), instant(START))
    source.start_anew(instant(5.0))
    assert source.age(instant(5.2)) == pytest.approx(0.2)
    assert source.take(ns(5.2), instant(5.2)) and source.event() is None


@pytest.mark.parametrize("name", ["steer", "throttle", "brake"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_commands_that_are_no_numbers(name: str, value: float) -> None:
    values = {"steer": 0.0, "throttle": 0.0, "brake": 0.0, name: value}
    command = CommandInput(BUDGET, STOP)
    command.offer(CommandRequest(Command(**values), ns(START)), instant(START))
    assert (command.request, command.fresh, command.refusal) == (None, False, f"{name} is {value}")
    assert command.age(instant(START)) == math.inf


def test_command_of_an_old_image() -> None:
    command = CommandInput(BUDGET, STOP)
    command.offer(CommandRequest(Command(0.0, 0.0, 0.0), ns(START - 0.15)), instant(START))
    assert command.fresh
    command.offer(CommandRequest(Command(0.1, 0.0, 0.0), ns(START - 0.151 + 1.0)), instant(START + 1.0))
    assert command.refusal == "its image is 0.15 s old"
    assert command.request == CommandRequest(Command(0.0, 0.0, 0.0), ns(START - 0.15))


def flipping(count: int, gap: float, steer: float = 0.4) -> CommandInput:
    command = CommandInput(BUDGET, STOP)
    for number in range(count + 1):
        time = START + gap * number
        side = steer if number % 2 else -steer
        command.offer(CommandRequest(Command(0.0, 0.0, side), ns(time)), instant(time))
    return command


def test_four_flips_in_a_second_are_too_many() -> None:
    assert flipping(3, 0.05).flip_fault(instant(START + 0.15)) is None
    fault = flipping(4, 0.05).flip_fault(instant(START + 0.2))
    assert fault is not None and fault.severity is FaultSeverity.COMFORTABLE
    assert fault.text == "4 steering changes of 0.8 or more in 1 s"
    assert flipping(4, 0.05, steer=0.399).flip_fault(instant(START + 0.2)) is None, "just not as far"
    assert flipping(4, 0.3).flip_fault(instant(START + 1.2)) is not None, "0.9 s from the first to the last"
    assert flipping(4, 0.3).flip_fault(instant(START + 1.3 + 1e-6)) is None
    assert flipping(4, 0.05).flip_fault(instant(START - 5.0)) is None, "time went back"


def test_frozen_camera_needs_way_and_time() -> None:
    camera = CameraInput(BUDGET)
    camera.move(50.0)
    assert camera.frozen_fault(instant(START)) is None, "there was no image yet"
    camera.see(ns(START), 7, instant(START))
    for at, way, severity in (
        (0.1, 1.1, None),
        (0.15, 0.0, None),
        (0.16, 0.0, FaultSeverity.COMFORTABLE),
        (0.4, 0.8, FaultSeverity.COMFORTABLE),
        (0.4, 0.2, FaultSeverity.EMERGENCY),
    ):
        camera.move(way)
        camera.see(ns(START + at), 7, instant(START + at))
        fault = camera.frozen_fault(instant(START + at))
        assert (None if fault is None else fault.severity) is severity, (at, way)
    camera.see(ns(START + 0.5), 8, instant(START + 0.5))
    assert camera.frozen_fault(instant(START + 9.0)) is None
    camera.move(1.0)
    assert camera.frozen_fault(instant(START + 9.0)) is None, "a metre is allowed"


def test_frozen_and_quick_is_not_yet_an_emergency() -> None:
    camera = CameraInput(BUDGET)
    camera.see(ns(START), 7, instant(START))
    camera.move(30.0)
    for after, severity in ((0.3, FaultSeverity.COMFORTABLE), (0.31, FaultSeverity.EMERGENCY)):
        fault = camera.frozen_fault(instant(START + after))
        assert fault is not None and fault.severity is severity


def test_frozen_distance_is_the_setting() -> None:
    camera = CameraInput(gate_settings({"budget.frozen_distance": 3.0}).budget)
    camera.see(ns(START), 7, instant(START))
    for way, severity in (
        (3.0, None),
        (0.1, FaultSeverity.COMFORTABLE),
        (2.8, FaultSeverity.COMFORTABLE),
        (0.2, FaultSeverity.EMERGENCY),
    ):
        camera.move(way)
        fault = camera.frozen_fault(instant(START + 1.0))
        assert (None if fault is None else fault.severity) is severity, way


def test_a_new_time_does_not_make_a_camera_frozen() -> None:
    camera = CameraInput(BUDGET)
    camera.see(ns(START), 7, instant(START))
    camera.move(5.0)
    camera.start_anew(instant(START + 100.0))
    assert camera.frozen_fault(instant(START + 100.1)) is None
    assert camera.age(instant(START + 100.1)) == pytest.approx(0.1)
    assert camera.take(ns(3.0), instant(START + 100.1)) and camera.event() is None


def test_image_with_an_old_stamp_does_not_thaw_the_camera() -> None:
    camera = CameraInput(BUDGET)
    camera.see(ns(START), 7, instant(START))
    camera.move(1.5)
    camera.see(ns(START), 8, instant(START + 0.2))
    assert camera.frozen_fault(instant(START + 0.2)) is not None


def test_odometry_measures_way_and_acceleration() -> None:
    odometry = OdometryInput(BUDGET)
    assert odometry.acceleration == 0.0
    assert odometry.measure(state(START, 4.0), instant(START)) == 0.0
    assert odometry.acceleration == 0.0
    assert odometry.measure(state(START + 0.1, 4.2), instant(START + 0.1)) == pytest.approx(0.42)
    assert odometry.acceleration == pytest.approx(2.0)
    assert odometry.measure(state(START + 0.2, -3.0), instant(START + 0.2)) == pytest.approx(0.3)
    assert odometry.acceleration == -10.0, "no vehicle does more"
    odometry.measure(state(START + 0.25, 3.0), instant(START + 0.25))
    assert odometry.acceleration == 10.0
    assert odometry.measure(state(START + 0.9, 4.0), instant(START + 0.9)) == 0.0, "nobody knows what was between"
    assert odometry.acceleration == 0.0


def test_longest_gap_over_which_odometry_is_compared() -> None:
    odometry = OdometryInput(BUDGET)
    odometry.measure(state(START, 4.0), instant(START))
    assert odometry.measure(state(START + 0.29, 4.0), instant(START + 0.29)) == pytest.approx(4.0 * 0.29)


def test_odometry_whose_stamp_goes_back_is_not_compared() -> None:
    odometry = OdometryInput(BUDGET)
    odometry.measure(state(START, 4.0), instant(START))
    odometry.measure(state(START + 0.05, 4.1), instant(START + 0.05))
    assert odometry.measure(state(START - 0.05, 5.0), instant(START + 0.1)) == 0.0
    assert odometry.acceleration == 0.0
    assert odometry.state == state(START - 0.05, 5.0)
    assert odometry.measure(state(START - 0.05, 9.0), instant(START + 0.1)) == 0.0
    assert odometry.state == state(START - 0.05, 5.0), "the same stamp again"


def test_odometry_that_is_no_measurement() -> None:
    odometry = OdometryInput(BUDGET)
    assert odometry.measure(state(START, math.nan), instant(START)) == 0.0
    assert odometry.refusal == "it is not finite"
    assert odometry.measure(state(START, -151.0), instant(START)) == 0.0
    assert (odometry.refusal, odometry.refused, odometry.state) == ("its speed is -151 m/s", 2, None)
    odometry.measure(state(START, 150.0), instant(START))
    assert odometry.state is not None


def test_clock_steps() -> None:
    clock = ClockWatch(BUDGET)
    assert clock.step(instant(START)) == (0.0, None, False)
    assert clock.step(instant(START + 0.02)) == (pytest.approx(0.02), None, False)
    assert clock.step(instant(START + 0.02)) == (0.0, None, False)
    assert clock.step(instant(START + 0.06, shift=0.05)) == (pytest.approx(0.04), None, False), "as far as it may"
    dt, fault, jumped = clock.step(instant(START + 0.1, shift=-0.01))
    assert (dt, str(fault), jumped) == (pytest.approx(0.04), "clock: it jumped by -0.06 s", True)
    assert fault is not None and fault.severity is FaultSeverity.COMFORTABLE
    dt, fault, jumped = clock.step(instant(START - 1.0, shift=-0.01))
    assert (dt, str(fault), jumped) == (0.0, "clock: it went back by 1.10 s", True)
    assert fault is not None and fault.severity is FaultSeverity.COMFORTABLE


def test_clock_that_stands_still() -> None:
    clock = ClockWatch(BUDGET)
    for wall, fails in ((0.0, False), (2.0, False), (2.1, True), (9.0, True)):
        dt, fault, jumped = clock.step(Instant(START, ns(START), 50.0 + wall))
        assert (dt, fault is not None, jumped) == (0.0, fails, False), wall
    assert fault is not None and (fault.text, fault.severity) == (
        "it stands still since 9.0 s",
        FaultSeverity.EMERGENCY,
    )
    assert clock.step(Instant(START + 0.01, ns(START + 0.01), 60.0)) == (pytest.approx(0.01), None, False)
    assert clock.step(Instant(START + 0.01, ns(START + 0.01), 62.0)) == (0.0, None, False)


def test_range_of_a_command() -> None:
    assert in_range(Command(0.3, 0.0, -0.2)) == Command(0.3, 0.0, -0.2)
    assert in_range(Command(1.3, 0.0, -1.2)) == Command(1.0, 0.0, -1.0)
    assert in_range(Command(0.3, 1.4, 1.2)) == Command(0.0, 1.0, 1.0)
    assert in_range(Command(-0.3, -0.4, 0.0)) == Command(0.0, 0.0, 0.0)
