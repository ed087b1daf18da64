"""The decisions of the gate, on a simulated clock: what it lets through, when it holds, when and how it stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gate_course import PERIOD, START, Course, instant, state

from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_types import Instant, Mode, Output, Request
from td3_driving.deploy.limits import GateSettings, gate_settings
from td3_driving.driving.action import Command

BRAKE_PER = 8.8290
"""Deceleration of the full brake at 5 m/s beyond that of coasting [m/s^2]: 8.9797 - 0.1507."""
COAST = 0.1507


def driving(**changes: object) -> Course:
    """A course on which the policy has been driving for a second."""
    course = Course(**changes)  # type: ignore[arg-type]
    assert course.run(1.0).mode is Mode.ACTIVE
    return course


def modes(course: Course, seconds: float) -> dict[Mode, float]:
    """Mode -> time [s] after now at which it was first seen."""
    begin, seen = course.time, {}
    for _ in range(round(seconds * 100)):
        seen.setdefault(course.step().mode, round(course.time - 0.01 - begin, 3))
    return seen


# Letting through.


def test_before_the_first_inputs_nothing_is_published() -> None:
    course = Course(silent={"command", "camera", "odometry"})
    output = course.run(2.0)
    assert (output.mode, output.command, output.latched) == (Mode.WAITING, None, False)
    assert "command: none yet" in output.reason and "odometry: none yet" in output.reason
    assert math.isnan(output.acceleration)
    assert (output.speed, output.reverse, output.fresh) == (0.0, False, False)
    course.silent = {"camera"}
    assert (course.run(0.2).mode, course.run(0.2).reason) == (Mode.WAITING, "camera: none yet")
    course.silent = set()
    assert course.run(0.1).mode is Mode.ACTIVE


def test_a_command_inside_the_limits_passes_unchanged() -> None:
    course = driving(command=Command(0.21, 0.0, -0.03))
    output = course.run(0.5)
    assert output.command == Command(0.21, 0.0, -0.03)
    assert (output.filters, output.reason, output.faults) == ((), "", ())
    assert output.request is not None and output.request.stamp_ns == round((START + 1.45) * 1e9)
    assert output.speed == 5.0


def test_output_goes_on_between_the_commands() -> None:
    course = driving()
    count = len(course.outputs)
    course.run(1.0)
    assert len(course.outputs) - count == 50
    assert sum(output.fresh for output in course.outputs[count:]) == 20
    assert all(output.command is not None for output in course.outputs)


def test_share_of_filtered_commands() -> None:
    course = Course(gate=Gate(gate_settings({"stop.share_window": 10})))
    assert course.gate.filtered_share == 0.0
    course.run(1.0)
    assert course.gate.filtered_share == 0.0
    course.command = Command(0.2, 0.0, 0.9)
    course.run(0.25)
    assert course.gate.filtered_share == pytest.approx(0.5), "5 of the last 10"


# Missing inputs.


def test_policy_falls_silent() -> None:
    course = driving()
    course.run(0.05)
    course.silent = {"command"}
    seen = {mode: round(at + PERIOD, 2) for mode, at in modes(course, 1.0).items()}
    assert seen == {Mode.ACTIVE: 0.05, Mode.HOLDING: 0.1, Mode.COMFORTABLE_STOP: 0.12, Mode.EMERGENCY_STOP: 0.32}
    held = [output for output in course.outputs if output.mode is Mode.HOLDING]
    assert [output.command for output in held] == [Command(0.2, 0.0, 0.0)]
    assert held[0].reason.startswith("command: none for 0.1")
    assert course.gate.latched is not None and str(course.gate.latched) == "command: none for 0.12 s"


def test_warning_comes_before_the_stop_when_two_outputs_are_missed() -> None:
    """A command is due after 50 ms; two outputs later, at 90 ms, that is a warning; at 100 ms it is too late."""
    gate = Gate(GateSettings())
    at = instant(START)
    gate.on_camera(at.clock_ns, 1, at)
    gate.on_odometry(state(START, 5.0), at)
    gate.on_command(Request(Command(0.2, 0.0, 0.0), at.clock_ns), at)
    expected = {0.0: Mode.ACTIVE, 0.09: Mode.ACTIVE, 0.095: Mode.HOLDING, 0.1: Mode.HOLDING}
    for after, mode in expected.items():
        later = instant(START + after)
        gate.on_odometry(state(START + after, 5.0), later)
        assert gate.tick(later).mode is mode, after
    later = instant(START + 0.101)
    gate.on_odometry(state(START + 0.101, 5.0), later)
    assert gate.tick(later).mode is Mode.COMFORTABLE_STOP


@pytest.mark.parametrize(("silent", "comfortable", "emergency"), [("odometry", 0.11, 0.31), ("camera", 0.17, 0.31)])
def test_a_sensor_falls_silent(silent: str, comfortable: float, emergency: float) -> None:
    course = driving()
    course.silent = {silent}
    seen = {mode: round(at + PERIOD, 2) for mode, at in modes(course, 1.0).items()}
    assert (seen[Mode.COMFORTABLE_STOP], seen[Mode.EMERGENCY_STOP]) == (comfortable, emergency)
    assert str(course.gate.latched).startswith(f"{silent}: none for 0.1")


def test_a_late_image_makes_its_command_unusable() -> None:
    course = driving()
    course.silent = {"command"}
    for _ in range(30):
        course.step()
        at = course.at()
        course.gate.on_command(Request(course.command, at.clock_ns - 160_000_000), at)
    output = course.run(0.02)
    assert output.mode is Mode.EMERGENCY_STOP
    assert "the last was refused: its image is 0.16 s old" in str(output.faults[0])
    assert course.gate.command.refused == 30


def test_command_that_is_not_a_number_is_held_then_stopped() -> None:
    course = driving()
    course.run(0.05)
    course.command = Command(0.2, 0.0, math.nan)
    seen = modes(course, 0.5)
    assert list(seen) == [Mode.ACTIVE, Mode.HOLDING, Mode.COMFORTABLE_STOP, Mode.EMERGENCY_STOP]
    assert "refused: steer is nan" in str(course.outputs[-1].faults[0])
    assert all(math.isfinite(output.command.steer) for output in course.outputs if output.command)


def test_frozen_camera() -> None:
    """At 5 m/s one metre takes 0.2 s, and two take 0.4 s."""
    course = driving()
    course.image = 7
    seen = modes(course, 0.6)
    assert (seen[Mode.COMFORTABLE_STOP], seen[Mode.EMERGENCY_STOP]) == (0.2, 0.4)
    assert str(course.gate.latched) == "camera: frozen: the same image for 0.20 s and 1.2 m"


def test_standing_vehicle_may_see_the_same_for_ever() -> None:
    course = driving(speed=0.0)
    course.image = 7
    assert course.run(5.0).mode is Mode.ACTIVE
    course.speed = 2.0
    assert course.run(0.4).mode is Mode.ACTIVE, "0.8 m"
    assert course.run(0.4).mode is Mode.COMFORTABLE_STOP


def test_steering_thrown_from_side_to_side() -> None:
    course = driving(speed=1.0)
    for flip in range(6):
        course.command = Command(0.2, 0.0, 1.0 if flip % 2 else -1.0)
        assert course.gate.mode is (Mode.ACTIVE if flip < 4 else Mode.COMFORTABLE_STOP), flip
        course.run(PERIOD)
    assert str(course.gate.latched) == "command: 4 steering changes of 0.8 or more in 1 s"


def test_rare_swerves_are_no_flips() -> None:
    course = driving(speed=1.0)
    for swerve in range(12):
        course.command = Command(0.2, 0.0, 0.5 if swerve % 2 else -0.5)
        course.run(0.4)
    assert course.gate.mode is Mode.ACTIVE


@pytest.mark.parametrize("writers", [2, 5])
def test_second_writer(writers: int) -> None:
    course = driving()
    course.gate.writers = writers
    assert course.run(0.02).mode is Mode.EMERGENCY_STOP
    assert str(course.gate.latched) == f"writer: {writers} publishers command the vehicle instead of one"


def test_no_writer_is_the_gate_not_yet_seen() -> None:
    course = driving()
    course.gate.writers = 0
    assert course.run(0.1).mode is Mode.ACTIVE


# Clocks.


def test_clock_of_the_stamps_jumps() -> None:
    for shift in (-5.0, 5.0, 0.06):
        course = driving()
        course.shift = shift
        output = course.run(0.1)
        assert output.mode is Mode.COMFORTABLE_STOP, shift
        assert str(course.gate.latched) == f"clock: it jumped by {shift:+.2f} s"
        course.speed = 0.0
        course.run(2.0)
        assert course.gate.reset(course.at()) == "", "inputs on the new time are welcome"


def test_slow_correction_of_the_clock_is_no_jump() -> None:
    course = driving()
    for _ in range(100):
        course.shift += 0.0005
        course.step()
    assert course.gate.mode is Mode.ACTIVE


def test_simulated_time_goes_back() -> None:
    course = driving()
    course.time -= 4.0
    back = course.gate.tick(course.at())
    assert back.mode is Mode.COMFORTABLE_STOP
    assert str(course.gate.latched) == "clock: it went back by 3.98 s"
    for step in range(60):
        at = instant(course.time + 0.01 * step)
        course.gate.tick(at)
    assert course.gate.mode is Mode.EMERGENCY_STOP, "old arrivals do not look fresh on the new time"


def test_simulated_time_stands_still() -> None:
    course = driving()
    here = course.at()
    course.gate.tick(here)
    assert course.gate.tick(Instant(here.time, here.clock_ns, here.wall + 1.9)).mode is Mode.ACTIVE
    output = course.gate.tick(Instant(here.time, here.clock_ns, here.wall + 2.2))
    assert output.mode is Mode.EMERGENCY_STOP
    assert output.reason.startswith("clock: it stands still since 2.")


@pytest.mark.parametrize("source", ["camera", "odometry", "command"])
def test_stamps_of_a_sensor_go_back(source: str) -> None:
    course = driving()
    at = course.at()
    old = at.clock_ns - 140_000_000
    if source == "camera":
        course.gate.on_camera(old, 1, at)
    elif source == "odometry":
        course.gate.on_odometry(state(course.time - 0.14, 5.0), at)
    else:
        course.gate.on_command(Request(course.command, old), at)
    output = course.gate.tick(at)
    assert output.mode is Mode.COMFORTABLE_STOP
    assert str(course.gate.latched) == f"{source}: its stamp went back by 0.09 s"


# Stops.


def test_comfortable_stop_takes_the_throttle_away_and_builds_up_the_brake() -> None:
    """Jerk 2 m/s^3: after 0.5 s 1 m/s^2 beyond coasting, after 0.7 s all of 1.5 m/s^2."""
    course = driving(command=Command(0.8, 0.0, 0.05))
    course.shift = 1.0
    course.run(0.02)
    begun = len(course.outputs)
    course.run(2.0)
    stop = course.outputs[begun - 1 :]
    assert stop[0].mode is Mode.COMFORTABLE_STOP
    assert all(output.command is not None and output.command.throttle == 0.0 for output in stop)
    assert all(output.command is not None and output.command.steer == 0.05 for output in stop), "the wheel is held"
    assert stop[0].acceleration == pytest.approx(-COAST - 2.0 * 0.05, abs=1e-6)
    assert stop[20].acceleration == pytest.approx(stop[0].acceleration - 2.0 * 0.4, abs=1e-6)
    assert stop[-1].acceleration == -1.5
    assert stop[-1].command is not None and stop[-1].command.brake == pytest.approx((1.5 - COAST) / BRAKE_PER, abs=1e-3)


def test_emergency_stop_is_hard_and_quick() -> None:
    course = driving()
    course.gate.stop("button")
    first = course.step()
    assert (first.mode, first.reason, first.latched) == (Mode.EMERGENCY_STOP, "operator: button", True)
    output = course.run(0.2)
    assert output.acceleration == pytest.approx(-5.0)
    assert output.command is not None and output.command.brake == pytest.approx((5.0 - COAST) / BRAKE_PER, abs=1e-3)


def test_a_stop_never_brakes_less_than_the_policy_did() -> None:
    course = driving(command=Command(0.0, 0.6, 0.0))
    before = course.outputs[-1].acceleration
    course.shift = 1.0
    assert course.run(0.5).acceleration == before


def test_standing_vehicle_is_held() -> None:
    course = driving(speed=0.05)
    course.shift = 1.0
    assert course.run(2.0).acceleration == -2.0


def test_speed_is_carried_on_without_odometry() -> None:
    """Emergency stop from 5 m/s with 5 m/s^2: it counts as standing after a second and some."""
    course = driving()
    course.silent = {"odometry"}
    assert course.run(0.5).speed > 3.0
    output = course.run(1.5)
    assert output.speed == 0.0
    assert output.acceleration == -5.0, "without odometry nobody knows, so the brake stays"


def test_speed_is_carried_on_backwards_too() -> None:
    course = driving(speed=-3.0)
    course.silent = {"odometry"}
    assert -3.0 < course.run(0.6).speed < -1.0
    assert course.run(1.0).speed == 0.0


def test_stops_grow_worse_and_never_better() -> None:
    course = driving()
    course.shift = 1.0
    assert course.run(0.5).mode is Mode.COMFORTABLE_STOP
    course.gate.writers = 2
    assert course.run(0.02).mode is Mode.EMERGENCY_STOP
    course.gate.writers = 1
    output = course.run(0.5)
    assert output.mode is Mode.EMERGENCY_STOP
    assert output.reason == "clock: it jumped by +1.00 s", "the first cause stays"
    assert output.faults == ()


# Reset.


def test_recovery_needs_the_reset() -> None:
    course = driving()
    course.silent = {"command"}
    course.run(0.5)
    course.silent = set()
    course.speed = 0.0
    assert course.run(5.0).mode is Mode.EMERGENCY_STOP
    assert course.gate.reset(course.at()) == ""
    assert course.gate.latched is None
    output = course.run(0.3)
    assert (output.mode, output.latched, output.reason) == (Mode.ACTIVE, False, "")
    assert output.command == Command(0.2, 0.0, 0.0)


def test_reset_is_refused_while_the_cause_lasts_or_the_vehicle_moves() -> None:
    course = driving()
    course.silent = {"command"}
    course.run(0.5)
    assert course.gate.reset(course.at()).startswith("not yet: command: none for 0.5")
    course.silent = set()
    course.run(0.2)
    assert course.gate.reset(course.at()) == "not yet: the vehicle moves at 5.0 m/s"
    course.speed = 0.1
    course.run(0.1)
    assert course.gate.reset(course.at()) == "not yet: the vehicle moves at 0.1 m/s"
    assert course.gate.mode is Mode.EMERGENCY_STOP
    course.speed = 0.09
    course.run(0.1)
    assert course.gate.reset(course.at()) == ""


def test_reset_is_refused_while_the_vehicle_rolls_backwards() -> None:
    course = driving(speed=-3.0)
    course.gate.stop("button")
    course.run(0.1)
    assert course.gate.reset(course.at()) == "not yet: the vehicle moves at -3.0 m/s"


def test_a_warning_does_not_stand_in_the_way_of_a_reset() -> None:
    course = driving(speed=0.0)
    course.gate.stop("button")
    course.run(0.06)
    late = instant(START + 1.05 + 0.095)
    course.gate.on_camera(late.clock_ns, 99, late)
    course.gate.on_odometry(state(START + 1.05 + 0.095), late)
    assert [str(fault) for fault in course.gate.tick(late).faults] == ["command: none for 0.10 s"]
    assert course.gate.reset(late) == ""


def test_reset_without_a_stop_changes_nothing() -> None:
    waiting = Course(silent={"camera"})
    waiting.run(0.5)
    assert (waiting.gate.reset(waiting.at()), waiting.gate.mode) == ("", Mode.WAITING)
    course = driving()
    assert (course.gate.reset(course.at()), course.gate.mode) == ("", Mode.ACTIVE)


def test_start_from_standstill_does_not_wait_for_the_brake_to_fade() -> None:
    """The brake of the stop stands for -2 m/s^2, but a standing vehicle decelerates by nothing."""
    course = driving(speed=0.0, command=Command(0.3, 0.0, 0.0))
    course.gate.stop("button")
    assert course.run(1.0).acceleration == -5.0
    assert course.gate.reset(course.at()) == ""
    assert course.run(0.1).command == Command(0.3, 0.0, 0.0)


# A person.


def manual(course: Course, command: Command, reverse: bool = False) -> None:
    course.gate.on_manual(Request(command, 0, reverse), course.at())


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


def autonomous(course: Course, on: bool) -> Output:
    course.gate.on_control_mode(on, course.at())
    return course.run(0.04)


def test_gate_acts_only_in_autonomous_mode() -> None:
    course = Course(gate=Gate(GateSettings(), needs_control_mode=True))
    output = course.run(0.5)
    assert (output.mode, output.command, output.faults) == (Mode.DISENGAGED, None, ())
    assert output.reason == "the vehicle is not in autonomous mode"
    assert autonomous(course, False).mode is Mode.DISENGAGED
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


# The end.


def test_last_words_stop_a_vehicle_that_holds_them() -> None:
    course = driving(command=Command(0.5, 0.0, 0.1))
    last = course.gate.farewell()
    assert last is not None and last.command is not None and last.latched
    assert (last.mode, last.acceleration, last.command.throttle) == (Mode.COMFORTABLE_STOP, -2.0, 0.0)
    assert last.command.brake == pytest.approx((2.0 - COAST) / BRAKE_PER, abs=1e-3)
    assert (last.command.steer, last.reason, last.speed) == (0.1, "the gate ends", 5.0)
    assert (last.reverse, last.fresh) == (False, False)


def test_last_words_of_an_emergency_stop_are_its_brake() -> None:
    course = driving()
    course.gate.stop("button")
    course.step()
    last = course.gate.farewell()
    assert last is not None and (last.mode, last.acceleration) == (Mode.EMERGENCY_STOP, -5.0)


def test_hard_braking_stays_hard_to_the_last() -> None:
    course = driving(command=Command(0.0, 0.6, 0.0))
    last = course.gate.farewell()
    assert last is not None and last.acceleration == course.outputs[-1].acceleration < -5.0


def test_gate_that_commanded_nothing_has_no_last_words() -> None:
    course = Course(silent={"camera"})
    course.run(0.1)
    assert course.gate.farewell() is None


# Types.


def test_modes_have_the_numbers_of_the_message() -> None:
    assert [(mode.name, int(mode)) for mode in Mode] == [
        ("WAITING", 0),
        ("ACTIVE", 1),
        ("HOLDING", 2),
        ("COMFORTABLE_STOP", 3),
        ("EMERGENCY_STOP", 4),
        ("MANUAL", 5),
        ("DISENGAGED", 6),
    ]


def test_what_is_not_said_is_harmless() -> None:
    assert not Request(Command(0.0, 0.0, 0.0), 0).reverse
    plain = Output(Mode.ACTIVE, None, 0.0, 0.0)
    assert (plain.reverse, plain.latched, plain.fresh) == (False, False, False)
