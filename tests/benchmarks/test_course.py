# SPDX-License-Identifier: Apache-2.0
"""The clock of a comparison: who is evaluated when, who is stopped, and what counts at equal time."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from compare import table, verdicts
from contenders import CONTENDERS, split
from course import Course, Job, Outcome, Point, Stopwatch, score_at
from trainings import add_row, check_plans, read_rows, run

from td3_driving.evaluation.agents import EvaluatedAgent, driver_agent
from td3_driving.runs.profiles import load_profile, profile_path
from td3_driving.settings import RunSettings, Settings

SETTINGS = Settings(run=RunSettings(steps=20, seed=3))
AGENT = driver_agent("parked", SETTINGS)


def point(step: int, seconds: float, score: float) -> Point:
    return Point(step, seconds, score, 0.0, 0.0, 0.0, 0.0)


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def trained(**changes: Any) -> tuple[Course, list[int]]:
    """A course over steps of 1 s whose evaluations take 50 s; the steps that were taken."""
    clock, taken = Clock(), []

    def drive(job: Job, agent: EvaluatedAgent, routes: int, seed: int) -> dict[str, float]:
        clock.now += 50.0
        names = ("driving_score", "route_completion", "success_rate", "return_mean", "steer_change")
        return dict.fromkeys(names, float(taken[-1]))

    job = replace(Job("one", SETTINGS, "td3", "same", every=8, routes=1), **changes)
    course = Course(job, Stopwatch(clock), drive)
    for step in range(1, SETTINGS.run.steps + 1):
        clock.now += 1.0
        taken.append(step)
        course.at(step, lambda: AGENT)
        if course.over:
            break
    return course, taken


def test_evaluations_come_every_so_often_and_at_the_end_and_cost_no_time() -> None:
    course, taken = trained()
    assert len(taken) == 20 and course.finished
    assert [(one.step, one.seconds, one.driving_score) for one in course.points] == [
        (8, 8, 8),
        (16, 16, 16),
        (20, 20, 20),
    ]


def test_the_budget_asks_for_one_evaluation_more_and_the_limit_ends_the_training() -> None:
    course, taken = trained(budget=4.5, limit=11.0)
    assert taken[-1] == 11 and course.over and not course.finished
    assert [one.step for one in course.points] == [5, 8, 11]
    outcome = course.outcome()
    assert not outcome.finished and score_at(outcome.points, 4.5) == 5.0


def test_who_ends_before_the_budget_counts_as_it_ended() -> None:
    course, _ = trained(budget=30.0, limit=40.0)
    assert course.finished and [one.step for one in course.points] == [8, 16, 20]
    assert score_at(course.points, 30.0) == 20.0


def test_the_score_at_a_time_is_that_of_the_first_evaluation_from_then_on() -> None:
    points = [point(10, 5.0, 1.0), point(20, 10.0, 2.0), point(30, 15.0, 3.0)]
    assert [score_at(points, seconds) for seconds in (0.0, 5.0, 5.1, 15.0, 99.0)] == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_contenders_are_named_with_their_tuning() -> None:
    assert [split(name) for name in ("td3", "cloning:own", "sb3_tqc:shown")] == [
        ("td3", "same"),
        ("cloning", "own"),
        ("sb3_tqc", "shown"),
    ]
    for name in ("td4", "td3:own", "cloning:shown", "sb3_sac:best"):
        with pytest.raises(ValueError, match=name.split(":")[0]):
            split(name)
    assert all(split(name) == (name, "same") for name in CONTENDERS)


def test_lines_of_trainings_come_back_and_those_of_other_settings_are_refused(tmp_path: Path) -> None:
    job = Job("one", SETTINGS, "td3", "same", every=8, routes=1)
    made = Outcome("one", 3, job.plan, [point(10, 5.0, 1.0)], True, point(8, 4.0, 9.0))
    other = replace(made, seed=4, best=None)
    file = tmp_path / "rows.jsonl"
    assert read_rows(file) == []
    for outcome in (made, other):
        add_row(file, outcome)
    assert read_rows(file) == [made, other]
    check_plans([job], {("one", 3): made})
    changed = replace(SETTINGS, learning=replace(SETTINGS.learning, gamma=0.5))
    for planned in (replace(job, settings=changed), replace(job, routes=2)):
        with pytest.raises(ValueError, match="take another file"):
            check_plans([planned], {("one", 3): made})
    absent = replace(job, settings=replace(SETTINGS, run=RunSettings(steps=20, seed=9)))
    assert run([absent, job], file, processes=0) == {"one": [made]}
    with pytest.raises(ValueError, match="none of the trainings"):
        run([absent], file, processes=0)


def test_verdicts_at_the_end_and_at_equal_time() -> None:
    def of(name: str, *curves: list[Point]) -> list[Outcome]:
        return [Outcome(name, seed, "plan", points, True, None) for seed, points in enumerate(curves)]

    outcomes = {
        "quick": of("quick", [point(8, 4.0, 50.0)], [point(8, 4.0, 70.0)]),
        "slow": of("slow", [point(3, 4.0, 10.0), point(8, 9.0, 60.0)], [point(3, 4.0, 20.0), point(8, 9.0, 80.0)]),
    }
    lines = list(verdicts(outcomes, 4.0))
    assert [(line["contender"], line["when"], line["scores"]) for line in lines] == [
        ("quick", "at_the_end", [50.0, 70.0]),
        ("slow", "at_the_end", [60.0, 80.0]),
        ("quick", "at_equal_cpu_time", [50.0, 70.0]),
        ("slow", "at_equal_cpu_time", [10.0, 20.0]),
    ]
    # Of the four pairs of seeds 50 and 70 beat 60 and 80 in one at the end; 10 and 20 are beaten in all.
    assert [line["probability_that_the_first_is_better"] for line in lines] == [0.5, 0.25, 0.5, 1.0]
    rows = list(table(lines))
    assert len(rows) == 8 and rows[3] == "| slow | 60.0, 80.0 | 70.0 | 60.0 .. 80.0 | 0.25 | 8 | 9 |"


def test_a_job_reaches_another_process_as_it_is() -> None:
    job = Job("SAC", load_profile(profile_path("quick")), "sac", "ours", every=2, routes=1)
    with get_context("spawn").Pool(1) as pool:
        plan = pool.apply(plan_of, (job,))
    assert plan == job.plan


def plan_of(job: Job) -> str:
    return job.plan
