# SPDX-License-Identifier: Apache-2.0
"""Which series the messages of a run carry: the one map from messages to tags.

The diagnostics node writes these series to the event file while the run goes on; the bag reader makes the same ones of
a recording. A message is any object with the fields of its ROS type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from td3_driving.doctor.scalars import Scalar
from td3_driving.doctor.steps import Step, StepSeries

EPISODE = {
    "train/episode_reward": "episode_return",
    "train/episode_length": "length",
    "train/exploration_noise": "exploration_noise",
    "train/collisions_per_episode": "collisions",
    "train/lane_invasions_per_episode": "lane_invasions",
    "episode/exit_reason": "exit_reason",
    "episode/route_completion": "route_completion",
    "episode/mean_speed": "mean_speed",
}
"""Tag -> field of ``EpisodeSummary``."""
FINISHED = 3
"""State of ``LearnerStatus`` once all is done."""
FINISHED_TAG = "run/finished"
WHO = "graph/who"
"""Tag of the text that names strangers; the newest one counts."""
REFUSED_TEXT = "messages without the seal of the run, the last of them sent by"
WHOLE_RUN = "/diagnostics"
"""The node whose ``Refusals`` are those of the whole run."""
LOG_PERIOD = 50
"""Environment steps between two points, if the configuration does not say."""


def scored_step(message: Any) -> Step:
    """The step of a ``RewardTerms``."""
    terms = {str(name): float(value) for name, value in zip(message.names, message.values)}
    place = message.actor_id, int(message.step), int(message.step_index) + 1
    return Step(*place, terms, float(message.total), float(message.speed))


def episode_values(message: Any) -> dict[str, float]:
    """The point of an ``EpisodeSummary``."""
    return {tag: float(getattr(message, field)) for tag, field in EPISODE.items()}


def evaluation_values(message: Any) -> dict[str, float]:
    """The point of an ``EvaluationSummary``; empty while the evaluation goes on."""
    values = {str(tag): float(value) for tag, value in zip(message.tags, message.values)}
    return {**values, "eval/best": float(message.best)} if values else {}


def learner_values(message: Any) -> dict[str, float]:
    """The point of a ``LearnerStatus``; empty for a heartbeat."""
    return {str(tag): float(value) for tag, value in zip(message.tags, message.values)} if message.log_point else {}


def graph_values(writers: int, strangers: int) -> dict[str, float]:
    """The point of ``writers`` that do not own their topics and of messages that were not believed."""
    return {"graph/second_writers": float(writers), "graph/strangers": float(strangers)}


def who_text(message: Any) -> str:
    """The strangers of a ``Refusals`` in a sentence; "" if there are none."""
    texts = [f"{writer} published on {topic}" for topic, writer in zip(message.topics, message.writers)]
    if message.strangers:
        texts.append(f"{REFUSED_TEXT} {message.stranger}")
    return "; ".join(texts)


class RecordedRun:
    """Makes the series of a run from its messages, in the order in which they were recorded.

    Args:
        log_period: environment steps between two points of the run.

    Attributes:
        who: strangers by name; "" if none was told of.
    """

    KINDS = ("RewardTerms", "EpisodeSummary", "EvaluationSummary", "LearnerStatus", "Refusals")

    def __init__(self, log_period: int) -> None:
        self._steps = StepSeries(log_period)
        self._finished = False
        self._graph: dict[str, float] = {}
        self._terms: set[str] = set()
        self.who = ""

    def samples(self, kind: str, message: Any, wall: float) -> Iterator[Scalar]:
        """The samples that ``message``, of type ``kind`` and recorded at ``wall`` [s], completes.

        Raises:
            ValueError: it is a step whose reward has other terms than that of the first step.
        """
        step, values = self._point(kind, message, wall)
        for tag, value in values.items():
            yield Scalar(tag, step, value, wall)

    def _point(self, kind: str, message: Any, wall: float) -> tuple[int, dict[str, float]]:
        if kind == "RewardTerms":
            total, series = self._steps.add(self._step(message), wall)
            return total, series or {}
        if kind == "LearnerStatus":
            return int(message.inserted), {**learner_values(message), **self._end(message)}
        if kind == "Refusals":
            return self._steps.clock.total, self._graph_news(message)
        values = episode_values(message) if kind == "EpisodeSummary" else evaluation_values(message)
        return self._steps.clock.at(message.actor_id, int(message.step)), values

    def _step(self, message: Any) -> Step:
        """The step of a ``RewardTerms`` of this run."""
        step = scored_step(message)
        self._terms = self._terms or set(step.terms)
        if set(step.terms) != self._terms:
            raise ValueError(f"the terms {sorted(step.terms)} are not those of the run, {sorted(self._terms)}")
        return step

    def _graph_news(self, message: Any) -> dict[str, float]:
        """The account of strangers of the whole run, where it differs from the one before."""
        values = graph_values(len(message.writers), message.strangers)
        if message.node != WHOLE_RUN or values == self._graph:
            return {}
        self._graph = values
        self.who = who_text(message)
        return values

    def _end(self, message: Any) -> dict[str, float]:
        """The end marker, the first time that the learner is done."""
        if message.state != FINISHED or self._finished:
            return {}
        self._finished = True
        return {FINISHED_TAG: 1.0}
