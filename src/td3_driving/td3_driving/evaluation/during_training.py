# SPDX-License-Identifier: Apache-2.0
"""Runs evaluations between the episodes of a training, in the same world, frame by frame, without learning from them.

The caller asks at the end of every episode whether an evaluation is due, resets the world to the routes that its
tour names, and passes in the frames until it is over. Of the training's state it reads only the weights, of
which a copy drives; so a training with evaluations in between learns the same as one without.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from td3_driving import __version__
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.leaderboard import document
from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.evaluation.summary import summarise
from td3_driving.evaluation.tour import Tour
from td3_driving.learning.best import keep_if_better
from td3_driving.runs.disk import reason
from td3_driving.settings import Settings

ENDING = "violation"
"""Routes end as the episodes of the training do."""
TAGS = {
    "eval/driving_score": "driving_score",
    "eval/route_completion": "route_completion",
    "eval/infraction_penalty": "infraction_penalty",
    "eval/mean_reward": "return_mean",
    "eval/mean_speed": "mean_speed",
    "eval/lateral_error_rms": "lateral_error_rms",
    "eval/comfort_share": "comfort_share",
    "eval/steer_change": "steer_change",
    "eval/saturated_share": "saturated_share",
}
"""Tag of each series: the metric that it shows. Beside these there are the counts of :func:`series`."""


@dataclass(frozen=True)
class EvaluationOutcome:
    """The result of one evaluation.

    Attributes:
        step: environment steps of the training before it; version: updates behind the weights.
        values: by tag.
        best: it has the highest driving score of the run so far, and its policy was kept.
    """

    step: int
    version: int
    episodes: int
    values: Mapping[str, float]
    best: bool


class Evaluations:
    """Evaluates nothing between episodes; a subclass begins tours.

    Attributes:
        tour: the evaluation under way.
    """

    tour: Tour | None = None

    def after_episode(self, steps: int) -> None:
        """Called when an episode of the training ended; the actor has taken ``steps`` in all. May begin a tour."""

    def at_the_end(self, steps: int, updates: int) -> str:
        """Called when the training is over, after ``updates``. May begin a tour.

        Returns:
            what it still waits for; empty when nothing.
        """
        return ""

    def frame(
        self, frame: NDArray[np.uint8], vehicle: VehicleState, collided: bool, crossings: int
    ) -> NDArray[np.float32] | None:
        """The action (2,) of the tour; ``None`` when its episode ended. See :meth:`Tour.frame`."""
        if self.tour is None:
            raise RuntimeError("frame() needs an evaluation under way")
        action = self.tour.frame(frame, vehicle, collided, crossings)
        if action is None and self.tour.complete:
            self.complete()
        return action

    def abandon(self, reason: str) -> None:
        """Drop the episode of the tour for ``reason``; its route is driven again."""
        if self.tour is not None:
            self.tour.abandon()

    def complete(self) -> None:
        """Called when all routes of the tour are driven; the tour is over then."""
        self.tour = None

    def beat(self) -> None:
        """Called once per second."""


class TrainingEvaluations(Evaluations):
    """Schedules the evaluations of one training run and keeps their results.

    Args:
        run_directory: where results and the best policy are kept; ``None`` keeps nothing.
    """

    def __init__(self, settings: Settings, run_directory: Path | None) -> None:
        self._settings = settings
        self._directory = run_directory
        self._evaluated_at = 0
        self._weights = b""
        self._version = 0

    def resumed_at(self, step: int) -> None:
        """Note that the run resumes at ``step``; evaluations due before it are done."""
        self._evaluated_at = max(self._evaluated_at, step)

    def due(self, step: int) -> bool:
        """Whether a multiple of the interval lies between the last evaluation and ``step``."""
        interval = self._settings.evaluation.interval
        return interval > 0 and step // interval > self._evaluated_at // interval

    def begin(self, weights: bytes, step: int) -> Tour:
        """Evaluate ``weights`` (as :func:`td3_driving.learning.weights.take_snapshot` packs them) from now on.

        Returns:
            the tour for the caller to drive to its end, also :attr:`tour`.
        """
        asked, agent = self._settings.evaluation, LearnedAgent("policy", self._settings, weights)
        plan = EvaluationPlan(self._settings.simulator.scenario, asked.routes, asked.seed, ENDING)
        self._weights, self._version, self._evaluated_at = weights, agent.version, step
        self.tour = Tour(self._settings, agent, plan)
        return self.tour

    def finish(self) -> EvaluationOutcome:
        """End the evaluation: keep its results, and its policy if it is the best and the disk takes it."""
        if self.tour is None or not self.tour.complete:
            raise RuntimeError("finish() needs an evaluation whose routes are all driven")
        results, self.tour = self.tour.results, None
        values = series(results)
        best = self._directory is not None and self._kept(self._directory, results, values)
        return EvaluationOutcome(self._evaluated_at, self._version, len(results), values, best)

    def _kept(self, directory: Path, results: list[EpisodeResult], values: Mapping[str, float]) -> bool:
        try:
            return self._keep(directory, results, values)
        except OSError as error:
            print(f"the evaluation cannot be written: {reason(error)}; the run goes on", file=sys.stderr, flush=True)
            return False

    def _keep(self, directory: Path, results: list[EpisodeResult], values: Mapping[str, float]) -> bool:
        about = {
            "agent": f"update {self._version}",
            "map": self._settings.simulator.map,
            "step": self._evaluated_at,
            "versions": {"td3_driving": __version__},
        }
        folder = directory / "evaluations"
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document(results, about, camera=True), indent=1, allow_nan=False)
        (folder / f"{self._evaluated_at:09d}.json").write_text(text + "\n", encoding="utf-8")
        scores = {tag.partition("/")[2]: value for tag, value in values.items()}
        facts = {"step": self._evaluated_at, "version": self._version, **scores}
        return keep_if_better(directory / "checkpoints", self._weights, self._settings.digest(), facts)


def series(results: list[EpisodeResult]) -> dict[str, float]:
    """One point of every series ``eval/*``; counts and lengths are means over the episodes."""
    metrics = summarise(results)
    mean = {
        "eval/success_rate": [float(result.success) for result in results],
        "eval/collisions": [float(result.collisions) for result in results],
        "eval/lane_departures": [float(result.departures) for result in results],
        "eval/lane_invasions": [float(result.crossings) for result in results],
        "eval/mean_ep_length": [float(len(result.log.actions)) for result in results],
    }
    known = {tag: metrics[name] for tag, name in TAGS.items() if np.isfinite(metrics[name])}
    return known | {tag: float(np.mean(values)) for tag, values in mean.items()}
