# SPDX-License-Identifier: Apache-2.0
"""What the gate lets through, when it holds and when it stops for missing inputs, on a simulated clock."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_types import CommandRequest, GateOutput, Mode
from td3_driving.deploy.limits import GateSettings, gate_settings
from td3_driving.driving.action import Command
from td3_driving.driving.navigation import LocalisationError
from td3_driving.settings import LocalisationSettings

from .gate_course import BRAKE_PER, COAST, PERIOD, START, Course, driving, instant, modes, state

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


@pytest.mark.parametrize("correlation", [0.0, 10.0])
def test_positions_may_be_as_noisy_as_a_receiver_makes_them(correlation: float) -> None:
    """The gate goes by speed and yaw rate: every output is the one that exact positions give."""
    settings = LocalisationSettings(position_bias=3.0, heading_noise=0.05, correlation_time=correlation)
    noisy, exact = driving(error=LocalisationError(settings, PERIOD, seed=1)), driving()
    noisy.run(60.0), exact.run(60.0)
    assert noisy.outputs == exact.outputs and noisy.outputs[-1].mode is Mode.ACTIVE
    measured = noisy.gate.odometry.state, exact.gate.odometry.state
    assert measured[0] is not None and measured[1] is not None
    assert measured[0].x != measured[1].x and measured[0].yaw != measured[1].yaw
    noisy.error = LocalisationError(replace(settings, position_bias=0.0), math.inf, seed=1)
    noisy.error._error[:] = math.nan
    assert noisy.run(0.4).mode is Mode.EMERGENCY_STOP, "a position that is no number is no odometry"


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
    gate.on_command(CommandRequest(Command(0.2, 0.0, 0.0), at.clock_ns), at)
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
        course.gate.on_command(CommandRequest(course.command, at.clock_ns - 160_000_000), at)
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
    assert not CommandRequest(Command(0.0, 0.0, 0.0), 0).reverse
    plain = GateOutput(Mode.ACTIVE, None, 0.0, 0.0)
    assert (plain.reverse, plain.latched, plain.fresh) == (False, False, False)
