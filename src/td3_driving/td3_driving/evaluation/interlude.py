"""An evaluation in the course of a training: in the same world, frame by frame, and nothing of it is learned from.

Whoever trains asks at the end of every episode whether an evaluation is due, resets the world to the routes that this
names, and hands over the frames until it is over. No state of the training is read or written but the weights, of which
a copy drives; so a training with evaluations in between learns the same as one without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from td3_driving import __version__
from td3_driving.driving.route import Route
from td3_driving.driving.seeding import evaluation_seed
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.agents import View
from td3_driving.evaluation.episode import EpisodeResult, Referee, Seen
from td3_driving.evaluation.leaderboard import document
from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.evaluation.summary import summarise
from td3_driving.learning.best import keep_if_better
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
class Outcome:
    """What one evaluation came to.

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


class Interlude:
    """The evaluations of one run.

    Args:
        run_directory: where results and the best policy are kept; ``None`` keeps nothing.
        step: environment steps behind the run when it starts or goes on.
    """

    def __init__(self, settings: Settings, run_directory: Path | None, step: int = 0) -> None:
        self._settings = settings
        self._plan = settings.evaluation
        self._directory = run_directory
        self._evaluated_at = step
        self._agent: LearnedAgent | None = None
        self._weights = b""
        self._referee: Referee | None = None
        self._action: np.ndarray | None = None
        self._results: list[EpisodeResult] = []

    @property
    def active(self) -> bool:
        """An evaluation is going on."""
        return self._agent is not None

    def due(self, step: int) -> bool:
        """Whether a multiple of the interval lies between the last evaluation and ``step``."""
        interval = self._plan.interval
        return interval > 0 and step // interval > self._evaluated_at // interval

    def begin(self, weights: bytes, step: int) -> None:
        """Evaluate ``weights`` (as :func:`td3_driving.learning.weights.take_snapshot` packs them) from now on."""
        self._agent = LearnedAgent("policy", self._settings, weights)
        self._weights, self._evaluated_at, self._results = weights, step, []

    @property
    def next_route(self) -> tuple[int, int]:
        """Scenario and seed of the episode to reset the world to."""
        return self._settings.simulator.scenario, evaluation_seed(self._plan.seed, len(self._results))

    def start(self, route: Route) -> None:
        """The world is at the start of ``route``."""
        assert self._agent is not None
        half_width = self._settings.reward.lane_half_width
        self._referee, self._action = Referee(self._settings, ENDING, route, half_width), None
        self._agent.start(route, 0)

    def frame(self, grey: np.ndarray, vehicle: VehicleState, collided: bool, crossings: int) -> np.ndarray | None:
        """The action (2,) for the next frame of the episode; ``None`` when the episode ended with it.

        Args:
            grey: (height, width) uint8.
            collided: a collision happened since the last frame; crossings: markings crossed since then.

        Raises:
            ObservationError: the vehicle state is not finite; nothing was taken then.
        """
        assert self._agent is not None and self._referee is not None
        action = self._agent.decide(View(vehicle, grey, None))
        ended = self._referee.watch(Seen(vehicle, (0,) if collided else (), crossings), self._action)
        if ended is not None:
            self._results.append(self._referee.result(*self.next_route, ended))
            self._referee = None
            return None
        self._action = action
        return action

    def abandon(self) -> None:
        """The simulator failed: the route will be driven again."""
        self._referee = None

    @property
    def complete(self) -> bool:
        """All routes are driven."""
        return len(self._results) >= self._plan.routes

    def finish(self) -> Outcome:
        """End the evaluation: keep its results, and its policy if it is the best.

        Raises:
            OSError: the run folder cannot be written to.
        """
        assert self._agent is not None
        values, version, step = series(self._results), self._agent.version, self._evaluated_at
        best = self._directory is not None and self._keep(self._directory, values, version)
        outcome = Outcome(step, version, len(self._results), values, best)
        self._agent, self._weights, self._results = None, b"", []
        return outcome

    def _keep(self, directory: Path, values: Mapping[str, float], version: int) -> bool:
        about = {
            "agent": f"update {version}",
            "map": self._settings.simulator.map,
            "step": self._evaluated_at,
            "versions": {"td3_driving": __version__},
        }
        folder = directory / "evaluations"
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document(self._results, about, camera=True), indent=1, allow_nan=False)
        (folder / f"{self._evaluated_at:09d}.json").write_text(text + "\n", encoding="utf-8")
        scores = {tag.partition("/")[2]: value for tag, value in values.items()}
        facts = {"step": self._evaluated_at, "version": version, **scores}
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
