# SPDX-License-Identifier: Apache-2.0
"""What follows from the end of a process, without any process."""

from __future__ import annotations

from pathlib import Path

import pytest

from td3_driving.launching.course import RESPAWN_WINDOW, RESPAWNS, Course, End, Restart, Say, Stop, describe
from td3_driving.launching.node_table import ProcessSpec, RunOptions, processes
from td3_driving.processes.exit_codes import LOST_RANK

SPECS = [
    ProcessSpec("learner", "learner", on_exit="respawn", drain=30.0),
    ProcessSpec("simulator", "simulator", on_exit="respawn"),
    ProcessSpec("policy_0", "policy", on_exit="main"),
    ProcessSpec("policy_1", "policy", on_exit="main"),
    ProcessSpec("viewer", "viewer", arguments=(), on_exit="optional"),
]
SIMULATOR = [spec for spec in processes(RunOptions(Path("run"))) if spec.name == "simulator"]


def test_run_ends_in_order_when_the_last_main_process_has_ended() -> None:
    course = Course(SPECS)
    assert course.exited("policy_0", 0, 1.0) == []
    assert course.exited("policy_1", 0, 2.0) == [Stop("learner", 30.0), Stop("simulator", 0.0), Stop("viewer", 0.0)]
    assert course.exited("learner", 0, 3.0) == []
    assert course.exited("viewer", -15, 3.0) == []
    assert course.exited("simulator", -2, 4.0) == [End(0, "")]


def test_failing_main_process_ends_the_run_with_its_name_and_code() -> None:
    course = Course(SPECS)
    decisions = course.exited("policy_1", 7, 0.0)
    assert decisions[0] == Say("policy_1 ended the run (exit code 7)")
    assert {stop.name for stop in decisions if isinstance(stop, Stop)} == {"learner", "simulator", "policy_0", "viewer"}
    assert all(stop.after == 0.0 for stop in decisions if isinstance(stop, Stop))
    for name in ("learner", "simulator", "policy_0"):
        assert course.exited(name, 0, 1.0) == []
    assert course.exited("viewer", 0, 1.0) == [End(1, "policy_1 ended the run (exit code 7)")]


def test_killed_respawn_process_is_started_again() -> None:
    decisions = Course(SPECS).exited("learner", -9, 0.0)
    assert decisions == [Say("learner died (killed by SIGKILL); start 1 of 5 anew"), Restart("learner")]


def test_a_learner_that_lost_a_rank_ends_the_run() -> None:
    decisions = Course(SPECS).exited("learner", LOST_RANK, 0.0)
    assert decisions[0] == Say("learner ended the run (exit code 4)") and Restart("learner") not in decisions


def test_respawns_have_a_budget_within_the_window() -> None:
    course = Course(SPECS)
    for death in range(RESPAWNS):
        assert Restart("simulator") in course.exited("simulator", 1, float(death))
    last = course.exited("simulator", 1, float(RESPAWNS))
    assert last[0] == Say(f"simulator died {RESPAWNS + 1} times within 60 s (exit code 1)")
    assert Restart("simulator") not in last


def test_deaths_outside_the_window_are_forgotten() -> None:
    course = Course(SPECS)
    for death in range(4 * RESPAWNS):
        assert Restart("simulator") in course.exited("simulator", 1, death * (RESPAWN_WINDOW / RESPAWNS + 1.0))


def test_bad_input_is_not_tried_again() -> None:
    course = Course([ProcessSpec("simulator", "simulator", on_exit="respawn")])
    assert course.exited("simulator", 2, 0.0)[-1] == End(2, "simulator ended the run (exit code 2)")


def test_end_of_a_required_process_ends_the_run_even_with_zero() -> None:
    course = Course([ProcessSpec("bridge", "bridge")])
    assert course.exited("bridge", 0, 0.0)[-1] == End(1, "bridge ended the run (exit code 0)")


def test_optional_process_may_go() -> None:
    decisions = Course(SPECS).exited("viewer", 1, 0.0)
    assert decisions == [Say("viewer ended (exit code 1); the run goes on without it")]


@pytest.mark.parametrize(("code", "said"), [(0, []), (3, []), (-14, [Say("final ended (killed by SIGALRM)")])])
def test_what_comes_after_the_run_answers_by_its_code_unless_it_was_killed(code: int, said: list[Say]) -> None:
    course = Course([ProcessSpec("final", "final_drives", arguments=(), on_exit="last")])
    assert course.exited("final", code, 0.0) == [*said, End(0, "")]


def test_a_simulator_that_ends_in_good_order_before_the_run_is_started_again() -> None:
    course = Course([ProcessSpec("policy", "policy", on_exit="main"), *SIMULATOR])
    assert course.exited("simulator", 0, 0.0) == [
        Say("simulator died (exit code 0); start 1 of 5 anew"),
        Restart("simulator"),
    ]
    assert course.exited("policy", 0, 1.0) == [Stop("simulator", 0.0)]
    assert course.exited("simulator", 0, 2.0) == [End(0, "")]


def test_finished_respawn_process_stays_finished() -> None:
    assert Course(SPECS).exited("learner", 0, 0.0) == []


def test_interrupt_stops_all_once() -> None:
    course = Course(SPECS[:2])
    assert course.interrupt() == [Say("stopping"), Stop("learner", 0.0), Stop("simulator", 0.0)]
    course.exited("learner", -2, 0.0)
    assert course.exited("simulator", 0, 0.0) == [End(130, "interrupted")]


def test_a_second_interrupt_is_told_apart_and_changes_no_other_end() -> None:
    course = Course(SPECS[:2])
    course.interrupt()
    assert course.interrupt() == []
    course.exited("learner", -9, 0.0)
    assert course.exited("simulator", -9, 0.0) == [End(130, "interrupted twice")]
    failed = Course(SPECS[1:3])
    failed.exited("policy_0", 7, 0.0)
    assert failed.interrupt() == []
    assert failed.exited("simulator", -2, 0.0) == [End(1, "policy_0 ended the run (exit code 7)")]


@pytest.mark.parametrize(
    ("code", "text"), [(0, "exit code 0"), (7, "exit code 7"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")]
)
def test_exit_codes_in_words(code: int, text: str) -> None:
    assert describe(code) == text
