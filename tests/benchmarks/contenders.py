# SPDX-License-Identifier: Apache-2.0
"""Who trains in ``compare.py``: our learners, cloning of the teacher, and Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cloning import clone_trainer, cloning_settings
from course import Course, Job, Outcome

from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.in_process.run import InProcessRun
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings

OURS = ("td3", "ddpg", "sac")
CLONES = ("cloning", "dagger")
LIBRARY = ("sb3_td3", "sb3_sac", "sb3_tqc", "sb3_crossq")
CONTENDERS = (*OURS, *CLONES, *LIBRARY)
TUNINGS = ("same", "own", "shown")
"""``same``: our settings wherever the contender has the same ones; ``own``: those of its library; ``shown``: ours, and
the teacher drives the first steps, which a learner without a teacher drives at random."""


def split(name: str) -> tuple[str, str]:
    """The contender and the tuning in ``contender[:tuning]``.

    Raises:
        ValueError: there is no such contender, or it has no such tuning.
    """
    contender, _, tuning = name.partition(":")
    allowed = {**dict.fromkeys(OURS, ("same",)), **dict.fromkeys(CLONES, ("same", "own"))}.get(contender, TUNINGS)
    if contender not in CONTENDERS:
        raise ValueError(f"contender {contender!r} is not one of {', '.join(CONTENDERS)}")
    if (tuning or "same") not in allowed:
        raise ValueError(f"contender {name!r}: {contender} has {', '.join(allowed)} to choose from")
    return contender, tuning or "same"


def train(job: Job) -> Outcome:
    """One training from its first to its last step."""
    course = Course(job)
    if job.contender in LIBRARY:
        # Only they need what requirements/bench.txt installs.
        from library import train_library

        train_library(course)
    else:
        _train_ours(course)
    return course.outcome()


def _train_ours(course: Course) -> None:
    job = course.job
    make_trainer: Callable[[Settings, Path, int], Trainer] = Trainer
    settings = replace(job.settings, learning=replace(job.settings.learning, algorithm=_algorithm(job.contender)))
    if job.contender in CLONES:
        settings, make_trainer = cloning_settings(settings, job.contender, job.tuning), clone_trainer
    with TemporaryDirectory() as folder:
        run = InProcessRun(settings, Path(folder), make_trainer)
        for step, _ in enumerate(run.steps(), 1):
            course.at(step, lambda: LearnedAgent("ours", settings, run.trainer.weights().data))
            if course.over:
                break
        run.scene.camera.close()


def _algorithm(contender: str) -> str:
    return contender if contender in OURS else "td3"
