# SPDX-License-Identifier: Apache-2.0
"""How the gate stops, for clocks too, and how it recovers: on a simulated clock."""

from __future__ import annotations

import pytest

from td3_driving.deploy.gate_types import CommandRequest, Instant, Mode
from td3_driving.driving.action import Command

from .gate_course import BRAKE_PER, COAST, START, Course, driving, instant, state

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
        course.gate.on_command(CommandRequest(course.command, old), at)
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
