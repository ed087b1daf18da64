# SPDX-License-Identifier: Apache-2.0
"""The gate beside a person, and on vehicles that report who drives: on a simulated clock."""

from __future__ import annotations

import math

import numpy as np
import pytest

from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_report import GateReport
from td3_driving.deploy.gate_types import CommandRequest, GateOutput, Mode
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving.action import Command

from .gate_course import Course, driving, state

# A person.


def manual(course: Course, command: Command, reverse: bool = False) -> None:
    course.gate.on_manual(CommandRequest(command, 0, reverse), course.at())


def test_override_wins_at_once_over_everything() -> None:
    course = driving()
    course.gate.writers = 2
    assert course.run(0.5).mode is Mode.EMERGENCY_STOP
    course.gate.set_override(True)
    manual(course, Command(1.0, 0.0, -1.0), reverse=True)
    output = course.gate.tick(course.at())
    assert (output.mode, output.command, output.reverse) == (Mode.MANUAL, Command(1.0, 0.0, -1.0), True)
    assert (output.filters, output.reason) == ((), "a person drives")
    assert output.request is None and not output.fresh
    manual(course, Command(0.0, 2.0, 0.5))
    output = course.gate.tick(course.at())
    assert (output.command, output.reverse) == (Command(0.0, 1.0, 0.5), False), "several commands in one instant"


def test_latch_outlasts_the_override() -> None:
    course = driving()
    course.gate.stop("button")
    course.run(0.1)
    course.gate.set_override(True)
    manual(course, Command(0.1, 0.0, 0.0))
    assert course.run(0.2).mode is Mode.MANUAL
    course.gate.set_override(False)
    assert course.run(0.1).mode is Mode.EMERGENCY_STOP


def test_stop_asked_for_while_a_person_drives_comes_after() -> None:
    course = driving()
    course.gate.set_override(True)
    manual(course, Command(0.1, 0.0, 0.0))
    course.gate.stop("button")
    assert course.run(0.1).mode is Mode.MANUAL
    course.gate.set_override(False)
    assert course.run(0.1).mode is Mode.EMERGENCY_STOP


def test_manual_commands_that_stay_away_stop_the_vehicle_until_they_come() -> None:
    course = driving()
    course.gate.set_override(True)
    output = course.run(0.1)
    assert (output.mode, output.reason, output.latched) == (Mode.COMFORTABLE_STOP, "manual: none yet", False)
    manual(course, Command(0.3, 0.0, 0.2))
    assert course.run(0.5).mode is Mode.MANUAL
    output = course.run(0.06)
    assert (output.mode, output.reason[:17]) == (Mode.COMFORTABLE_STOP, "manual: none for ")
    manual(course, Command(0.3, 0.0, math.inf))
    assert course.run(0.02).mode is Mode.COMFORTABLE_STOP
    assert (course.gate.manual.refused, course.gate.manual.refusal) == (1, "steer is inf")
    manual(course, Command(0.3, 0.0, 0.2))
    assert course.run(0.02).mode is Mode.MANUAL


def test_policy_takes_over_from_the_wheel_of_the_person() -> None:
    """At 5 m/s the steering moves by 1.5/s: from 0.4 to 0 in more than a quarter of a second."""
    course = driving(command=Command(0.2, 0.0, 0.0), speed=1.0)
    course.gate.set_override(True)
    manual(course, Command(0.0, 0.1, 0.4))
    course.run(0.1)
    course.gate.set_override(False)
    output = course.step()
    output = course.step()
    assert output.mode is Mode.ACTIVE
    assert output.command is not None and 0.3 < output.command.steer < 0.4
    assert "steer rate" in output.filters
    assert course.run(0.4).command == Command(0.2, 0.0, 0.0)


def test_speed_that_nobody_measures_does_not_grow() -> None:
    course = driving()
    course.gate.set_override(True)
    manual(course, Command(1.0, 0.0, 0.0))
    course.silent = {"odometry"}
    assert course.run(0.4).speed == 5.0


def test_hand_back_with_a_dead_camera_is_a_stop() -> None:
    course = driving()
    course.gate.set_override(True)
    manual(course, Command(0.1, 0.0, 0.0))
    course.silent = {"camera"}
    assert course.run(0.4).mode is Mode.MANUAL
    course.gate.set_override(False)
    assert course.run(0.02).mode is Mode.EMERGENCY_STOP


# Vehicles that report who drives.


def autonomous(course: Course, on: bool) -> GateOutput:
    course.gate.on_control_mode(on, course.at())
    return course.run(0.04)


def test_gate_acts_only_in_autonomous_mode() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    output = course.run(0.5)
    assert (output.mode, output.command, output.faults) == (Mode.DISENGAGED, None, ())
    assert output.reason == "the vehicle has not reported its control mode yet"
    output = autonomous(course, False)
    assert (output.mode, output.reason) == (Mode.DISENGAGED, "the vehicle is not in autonomous mode")
    assert autonomous(course, True).mode is Mode.ACTIVE
    assert autonomous(course, False).command is None


def test_faults_while_somebody_else_drives_are_not_latched() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True), silent={"camera"})
    course.run(0.5)
    output = autonomous(course, True)
    assert (output.mode, output.command, output.reason) == (Mode.WAITING, None, "camera: none yet")
    course.silent = set()
    assert course.run(0.1).mode is Mode.ACTIVE


def test_report_that_stays_away_is_a_stop() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    course.run(0.1)
    assert autonomous(course, True).mode is Mode.ACTIVE
    assert course.run(0.94).mode is Mode.ACTIVE
    assert course.run(0.1).mode is Mode.COMFORTABLE_STOP
    assert str(course.gate.latched).startswith("control mode: no report for 1.0")


def latched_report(course: Course, on: bool) -> None:
    """A report as two subscriptions hear it, the latched one and the one for every publisher."""
    course.gate.on_control_mode(on, course.at(), latched=True)
    course.gate.on_control_mode(on, course.at())


def test_report_that_came_latched_once_holds_while_its_publisher_is_there() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    course.run(0.1)
    latched_report(course, True)
    assert course.run(30.0).mode is Mode.ACTIVE
    course.gate.control_mode.reporters = 0
    output = course.run(0.04)
    assert (output.mode, output.reason) == (
        Mode.COMFORTABLE_STOP,
        "control mode: the publisher of the latched report is gone",
    )


def test_latched_report_of_every_change_holds() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    for on in (True, False, True, False, True):
        latched_report(course, on)
        assert course.run(0.1).mode is (Mode.ACTIVE if on else Mode.DISENGAGED)
    assert course.run(5.0).mode is Mode.ACTIVE


def test_latched_report_that_repeats_itself_must_go_on() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    for _ in range(3):
        latched_report(course, True)
        assert course.run(0.9).mode is Mode.ACTIVE
    assert course.run(0.2).mode is Mode.COMFORTABLE_STOP
    assert str(course.gate.latched).startswith("control mode: no report for 1.0")


@pytest.mark.parametrize("on", [True, False])
def test_diagnostics_tell_no_report_from_another_mode(on: bool) -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    report = GateReport(course.gate)

    def told() -> tuple[str, str, str]:
        report.note(course.run(0.1), course.at())
        command, inputs = report.statuses(course.at())[:2]
        return command.level, command.message, inputs.values["control mode"]

    none_yet = "the vehicle has not reported its control mode yet"
    assert told() == ("WARN", none_yet, none_yet)
    latched_report(course, on)
    mode = f"the vehicle is {'' if on else 'not '}in autonomous mode"
    assert told() == ("OK", "the policy drives" if on else mode, mode)


@pytest.mark.parametrize(("speed", "yaw_rate"), [(8.0, 0.4), (1.5, 0.2), (-3.0, 0.3), (0.9, 0.2), (-0.9, 0.2)])
def test_gate_takes_over_from_what_the_vehicle_does(speed: float, yaw_rate: float) -> None:
    """The wheels follow from yaw rate and speed: tan(angle) = wheelbase * yaw rate / speed; not at walking pace."""
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True), speed=speed)
    for _ in range(30):
        course.step()
        course.gate.on_odometry(state(course.time, speed, yaw_rate), course.at())
        course.gate.tick(course.at())
    full = 1.22173 * float(np.interp(abs(speed), (0.0, 5.5556, 16.6667, 33.3333), (1.0, 0.9, 0.8, 0.7)))
    measured = -math.atan(2.875 * yaw_rate / speed) / full if abs(speed) >= 1.0 else 0.0
    course.gate.on_control_mode(True, course.at())
    output = course.gate.tick(course.at())
    assert output.mode is Mode.ACTIVE
    assert output.command is not None and output.command.steer == pytest.approx(measured)
