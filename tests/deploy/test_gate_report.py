# SPDX-License-Identifier: Apache-2.0
"""What the gate says on ``/diagnostics``."""

from __future__ import annotations

import pytest

from td3_driving.deploy.gate_report import Ages, GateReport
from td3_driving.doctor.status import Status
from td3_driving.driving.action import Command

from .gate_course import Course


def reported(course: Course, seconds: float, report: GateReport | None = None) -> dict[str, Status]:
    """Statuses by name after some time."""
    report = report or GateReport(course.gate)
    before = len(course.outputs)
    for _ in range(round(seconds * 100)):
        output = course.step()
        if len(course.outputs) > before:
            before = len(course.outputs)
            report.note(output, course.at())
    return {status.name: status for status in report.statuses(course.at())}


def test_before_the_first_output() -> None:
    course = Course()
    (status,) = GateReport(course.gate).statuses(course.at())
    assert (status.name, status.level, status.message) == ("gate: command", "STALE", "no output yet")
    assert status.values == {"limits": course.gate.settings.digest()}


def test_all_is_well() -> None:
    statuses = reported(Course(), 2.0)
    assert list(statuses) == ["gate: command", "gate: inputs", "gate: writer", "gate: age"]
    assert {status.level for status in statuses.values()} == {"OK"}
    command = statuses["gate: command"]
    assert command.message == "the policy drives"
    assert command.values == {
        "mode": "active",
        "latched": "false",
        "speed (m/s)": "5.00",
        "filtered commands (share)": "0.025",
        "limits that act": "none",
        "refused commands (count)": "0",
        "last refusal": "none",
        "limits": Course().gate.settings.digest(),
    }
    assert statuses["gate: inputs"].message == "as it should be"
    assert statuses["gate: inputs"].values["age of camera (s)"] == "0.050"
    assert statuses["gate: inputs"].values["refused odometry (count)"] == "0"
    assert statuses["gate: writer"].values == {"publishers of the vehicle's command (count)": "1"}
    assert statuses["gate: age"].values["commands (count)"] == "40"


def test_a_stop_is_an_error_with_its_cause_where_it_belongs() -> None:
    course = Course()
    course.run(1.0)
    course.silent = {"camera"}
    statuses = reported(course, 1.0)
    assert (statuses["gate: command"].level, statuses["gate: command"].values["latched"]) == ("ERROR", "true")
    assert statuses["gate: command"].message.startswith("camera: none for 0.1")
    assert statuses["gate: inputs"].level == "ERROR"
    assert statuses["gate: inputs"].message.startswith("camera: none for 1.0")
    assert statuses["gate: writer"].level == "OK"
    course.gate.writers = 2
    assert reported(course, 0.1)["gate: writer"].level == "ERROR"


def test_late_inputs_are_a_warning() -> None:
    course = Course()
    course.run(1.05)
    course.silent = {"odometry"}
    statuses = reported(course, 0.06)
    assert (statuses["gate: command"].level, statuses["gate: inputs"].level) == ("WARN", "WARN")
    assert statuses["gate: command"].values["mode"] == "holding"


def test_waiting_is_a_warning_that_says_for_what() -> None:
    statuses = reported(Course(silent={"command"}), 0.5)
    assert (statuses["gate: command"].level, statuses["gate: command"].message) == ("WARN", "command: none yet")


def test_policy_that_is_filtered_all_the_time() -> None:
    """At 20 m/s full throttle is more than the table's 0.8, in every single command."""
    course = Course(command=Command(1.0, 0.0, 0.0), speed=20.0)
    statuses = reported(course, 1.0)
    assert statuses["gate: command"].level == "WARN"
    assert statuses["gate: command"].message.startswith("100% of the commands were changed by a limit")
    assert statuses["gate: command"].values["limits that act"] == "pedal limit"


def test_refusals_are_counted() -> None:
    course = Course()
    course.run(1.0)
    course.command = Command(float("nan"), 0.0, 0.0)
    values = reported(course, 0.5)["gate: command"].values
    assert (values["refused commands (count)"], values["last refusal"]) == ("10", "throttle is nan")


def test_ages_of_the_commands() -> None:
    ages = Ages(window=100)
    assert ages.values() == {"commands (count)": "0"}
    for number in range(150):
        ages.add(1e-3 * (number - 49))
    assert ages.values() == {
        "commands (count)": "100",
        "age of a command, median (ms)": "50.5",
        "age of a command, 99 % (ms)": "99.0",
        "age of a command, greatest (ms)": "100.0",
    }


def test_age_is_taken_once_per_command_from_stamp_to_output() -> None:
    """Inputs come every 50 ms, outputs every 20 ms: every other command waits 10 ms for its output."""
    course = Course()
    report = GateReport(course.gate)
    values = reported(course, 1.0, report)["gate: age"].values
    assert values["commands (count)"] == "20"
    assert float(values["age of a command, greatest (ms)"]) == pytest.approx(20.0)
    assert float(values["age of a command, median (ms)"]) == pytest.approx(15.0)
    assert report.limits_hash == course.gate.settings.digest()
