# SPDX-License-Identifier: Apache-2.0
"""Plans, runs and keeps the trainings of a comparison: one line of a file for each that ended."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from contenders import train
from course import NO_BUDGET, Job, Outcome, Point

from td3_driving.runs.profiles import load_profile, override, profile_path
from td3_driving.settings import Settings

Chosen = tuple[str, Settings, str, str]
"""Name for the tables, settings, contender and tuning of one row."""
Outcomes = dict[str, list[Outcome]]


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments of every comparison."""
    arguments = argparse.ArgumentParser(description=description)
    add = arguments.add_argument
    add("--rows", type=Path, required=True, help="file of the finished trainings, one a line")
    add("--profile", default="quick", help="settings of all (%(default)s)")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    add("--steps", type=int, default=8000, help="environment steps of a training (%(default)s)")
    add("--seeds", type=int, default=5, help="trainings of each (%(default)s)")
    add("--jobs", type=int, default=1, help="trainings at a time; 0 shows what there is (%(default)s)")
    add("--every", type=int, default=8000, help="steps between two evaluations (%(default)s)")
    add("--routes", type=int, default=10, help="routes of an evaluation (%(default)s)")
    add("--cpu-budget", type=float, default=NO_BUDGET, help="CPU time of the comparison at equal time [s]")
    add("--cpu-limit", type=float, default=NO_BUDGET, help="CPU time that stops a training [s]")
    return arguments


def base_settings(options: argparse.Namespace) -> Settings:
    """The profile with what ``--set`` changes.

    Raises:
        SettingsError: a setting does not exist, or its value is out of range.
    """
    return override(load_profile(profile_path(options.profile)), options.set)


def jobs_of(chosen: Iterable[Chosen], options: argparse.Namespace) -> Iterator[Job]:
    """All trainings, seed by seed."""
    rows = list(chosen)
    for seed in range(options.seeds):
        for name, settings, contender, tuning in rows:
            own = _of_one(settings, seed, options.steps)
            clock = options.cpu_budget, options.cpu_limit
            yield Job(name, own, contender, tuning, options.every, options.routes, *clock)


def _of_one(settings: Settings, seed: int, steps: int) -> Settings:
    return replace(
        settings,
        run=replace(settings.run, seed=seed, steps=steps),
        replay=replace(settings.replay, on_disk=False),
    )


def read_rows(path: Path) -> list[Outcome]:
    """The trainings whose lines are in the file; none if there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [_outcome(json.loads(line)) for line in lines]


def _outcome(row: dict[str, Any]) -> Outcome:
    points = [Point(**point) for point in row.pop("points")]
    best = row.pop("best")
    return Outcome(**row, points=points, best=None if best is None else Point(**best))


def add_row(path: Path, outcome: Outcome) -> None:
    """Add the line of a training."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")


def check_plans(planned: list[Job], outcomes: Mapping[tuple[str, int], Outcome]) -> None:
    """Refuse what was made with other settings than the training of the same name and seed.

    Raises:
        ValueError: there is such an outcome.
    """
    for job in planned:
        made = outcomes.get((job.name, job.settings.run.seed))
        if made is not None and made.plan != job.plan:
            raise ValueError(
                f"{made.name}, seed {made.seed}, is there with {made.plan}; asked for is {job.plan}: take another file"
            )


def run(planned: list[Job], path: Path, processes: int) -> Outcomes:
    """Train whatever has no line in ``path`` yet, add a line for each, and give back the outcomes of all by name.

    Args:
        processes: trainings at a time; 0 trains nothing, and gives back what there is.

    Raises:
        ValueError: the file has a line of one of these trainings with other settings, or nothing is there.
    """
    outcomes = {(one.name, one.seed): one for one in read_rows(path)}
    check_plans(planned, outcomes)
    missing = [job for job in planned if (job.name, job.settings.run.seed) not in outcomes]
    for outcome in trained(missing, processes):
        outcomes[outcome.name, outcome.seed] = outcome
        add_row(path, outcome)
        print(json.dumps(asdict(outcome)), flush=True)
    return by_name(planned, outcomes)


def trained(planned: list[Job], processes: int) -> Iterator[Outcome]:
    """The outcomes as they come, each training in a process of its own; none with 0 ``processes``."""
    if processes and planned:
        with get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
            yield from pool.imap_unordered(train, planned)


def by_name(planned: list[Job], outcomes: Mapping[tuple[str, int], Outcome]) -> Outcomes:
    """The outcomes of the planned trainings by name, in the order of the plan.

    Raises:
        ValueError: there is none.
    """
    sorted_out: Outcomes = {}
    for job in planned:
        if (job.name, job.settings.run.seed) in outcomes:
            sorted_out.setdefault(job.name, []).append(outcomes[job.name, job.settings.run.seed])
    if not sorted_out:
        raise ValueError("none of the trainings has a line in the file")
    return sorted_out
