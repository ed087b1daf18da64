# SPDX-License-Identifier: Apache-2.0
"""One training under the clock: what is asked for, evaluations on the way, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from td3_driving.evaluation.agents import EvaluatedAgent
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.evaluation.summary import summarise
from td3_driving.settings import Settings

TEST_SEED = 1_000_003
"""Of the routes that the figures come from."""
NO_BUDGET = float("inf")


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: for the tables.
        contender: who trains, one of :data:`contenders.CONTENDERS`.
        tuning: one of :data:`contenders.TUNINGS`.
        every: steps between two evaluations; routes: of one.
        budget: CPU time [s] after which the policy is evaluated in any case, for the table of equal time.
        limit: CPU time [s] after which the training is stopped, finished or not.
    """

    name: str
    settings: Settings
    contender: str
    tuning: str
    every: int
    routes: int
    budget: float = NO_BUDGET
    limit: float = NO_BUDGET

    @property
    def plan(self) -> str:
        """What must be the same for two outcomes of one name to belong to one table."""
        run = self.settings.run
        return f"settings {self.settings.digest()[:12]}, {run.steps} steps, {self.routes} routes"


@dataclass(frozen=True)
class Point:
    """One evaluation in the course of a training, ``seconds`` of CPU time after its begin."""

    step: int
    seconds: float
    driving_score: float
    route_completion: float
    success_rate: float
    return_mean: float
    steer_change: float


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        plan: see :attr:`Job.plan`.
        points: evaluations of the policy as it then was.
        finished: all steps were taken; else the limit of CPU time came first.
        best: what the policy that did best on the routes of ``evaluation.seed``, every ``evaluation.interval`` steps,
            scores on the routes of the curve; none without an interval.
    """

    name: str
    seed: int
    plan: str
    points: list[Point]
    finished: bool
    best: Point | None


def score_at(points: list[Point], seconds: float) -> float:
    """Driving score after ``seconds`` of CPU time: of the first evaluation from then on, or the last of all."""
    beyond = [point for point in points if point.seconds >= seconds]
    return (beyond[0] if beyond else points[-1]).driving_score


class Stopwatch:
    """CPU time of this process, all its threads together, without what lies between :meth:`pause` and :meth:`go`."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._resumed = clock()
        self.spent = 0.0

    def pause(self) -> None:
        """Stop, and count what was spent."""
        self.spent += self._clock() - self._resumed

    def go(self) -> None:
        """Go on after :meth:`pause`."""
        self._resumed = self._clock()


Drive = Callable[[Job, EvaluatedAgent, int, int], dict[str, float]]
"""Metrics of an agent on as many routes of a seed."""


def drive(job: Job, agent: EvaluatedAgent, routes: int, seed: int) -> dict[str, float]:
    """Metrics of ``agent`` on ``routes`` routes drawn from ``seed``."""
    plan = EvaluationPlan(job.settings.simulator.scenario, routes, seed, "violation")
    return summarise(list(evaluate(job.settings, agent, plan)))


@dataclass
class Course:
    """Evaluates a training now and then, keeps the time in between, and says when it is over."""

    job: Job
    watch: Stopwatch = field(default_factory=Stopwatch)
    drive: Drive = drive
    points: list[Point] = field(default_factory=list)
    best: Point | None = None
    finished: bool = False
    over: bool = False
    _chosen: tuple[float, EvaluatedAgent | None, int] = (float("-inf"), None, 0)

    def at(self, step: int, agent: Callable[[], EvaluatedAgent]) -> None:
        """After ``step`` steps: evaluate if it is time for it; :attr:`over` tells whether to go on."""
        before = self.watch.spent
        self.watch.pause()
        self.finished = step == self.job.settings.run.steps
        self.over = self.finished or self.watch.spent >= self.job.limit
        interval = self.job.settings.evaluation.interval
        if interval and (step % interval == 0 or self.over):
            self._choose(step, agent())
        in_time = before < self.job.budget <= self.watch.spent
        if in_time or step % self.job.every == 0 or self.over:
            self.points.append(self._score(step, agent()))
        if self.over and self._chosen[1] is not None:
            self.best = self._score(self._chosen[2], self._chosen[1])
        self.watch.go()

    def outcome(self) -> Outcome:
        """What the training came to."""
        return Outcome(self.job.name, self.job.settings.run.seed, self.job.plan, self.points, self.finished, self.best)

    def _choose(self, step: int, agent: EvaluatedAgent) -> None:
        own = self.job.settings.evaluation
        score = self.drive(self.job, agent, own.routes, own.seed)["driving_score"]
        if score > self._chosen[0]:
            self._chosen = (score, agent, step)

    def _score(self, step: int, agent: EvaluatedAgent) -> Point:
        metrics = self.drive(self.job, agent, self.job.routes, TEST_SEED)
        scores = {name: metrics[name] for name in Point.__dataclass_fields__ if name in metrics}
        return Point(step, round(self.watch.spent, 2), **scores)
