"""Evaluations that the policy node drives: in the course of a training, or as all that it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rclpy.node import Node
from td3_driving_msgs.msg import EvaluationSummary

from td3_driving.evaluation.interlude import Interlude, Outcome
from td3_driving.evaluation.tour import Tour
from td3_driving.learning.acting import Chooser, LearnedChooser
from td3_driving.nodes import qos
from td3_driving.nodes.frame_intake import Moment
from td3_driving.nodes.only_evaluation import OnlyEvaluation
from td3_driving.nodes.reset_calls import EpisodeStart
from td3_driving.settings import Settings


class Evaluations(Protocol):
    """What the node asks for between and during episodes."""

    @property
    def tour(self) -> Tour | None:
        """The evaluation under way."""
        ...

    def after_episode(self, steps: int) -> None:
        """An episode of the training ended; the actor has taken ``steps`` in all. May begin an evaluation."""
        ...

    def at_the_end(self, steps: int, updates: int) -> str:
        """The training is over, after ``updates``. May begin an evaluation; else what is missing before it can, or
        nothing."""
        ...

    def complete(self) -> None:
        """All routes are driven."""
        ...

    def beat(self) -> None:
        """A second has gone by."""
        ...


class Ride:
    """The frames of an evaluation: hands them to the tour that is under way."""

    def __init__(self, evaluations: Evaluations) -> None:
        self._evaluations = evaluations

    @property
    def touring(self) -> bool:
        """An evaluation is under way."""
        return self._evaluations.tour is not None

    @property
    def next_route(self) -> tuple[int, int]:
        """Scenario and seed of its next episode."""
        return self._tour.next_route

    @property
    def _tour(self) -> Tour:
        if self._evaluations.tour is None:
            raise RuntimeError("no evaluation is under way")
        return self._evaluations.tour

    def start(self, start: EpisodeStart) -> None:
        """An episode begins."""
        self._tour.start(start.route)

    def frame(self, moment: Moment) -> np.ndarray | None:
        """The action (2,); ``None`` when the episode is over. See :meth:`Tour.frame`."""
        action = self._tour.frame(moment.frame, moment.vehicle, moment.collided, moment.crossings)
        if action is None and self._tour.complete:
            self._evaluations.complete()
        return action

    def abandon(self) -> None:
        """The episode was cut by a fault; its route comes again."""
        self._tour.abandon()


class NoEvaluations:
    """A reference driver is not evaluated while it drives."""

    tour: Tour | None = None

    def after_episode(self, steps: int) -> None:
        """Nothing is due."""

    def at_the_end(self, steps: int, updates: int) -> str:
        return ""

    def complete(self) -> None:
        """Nothing ends."""

    def beat(self) -> None:
        """Nothing goes on."""


class TrainingEvaluations:
    """At every interval of the training, and once more with its last weights.

    Args:
        node: whose publisher and log are used.
        run_directory: "" keeps neither results nor the best policy.
    """

    def __init__(
        self, node: Node, settings: Settings, chooser: LearnedChooser, actor: tuple[str, int], run_directory: str
    ) -> None:
        self._node, self._chooser = node, chooser
        self._actor_id, index = actor
        self._wanted = settings.evaluation.interval > 0 and index == 0
        self._actors = settings.run.num_actors
        self._interlude = Interlude(settings, Path(run_directory) if run_directory else None)
        self._steps = self._stamp_ns = 0
        self._evaluated = -1
        self._publisher = node.create_publisher(EvaluationSummary, "td3/evaluation", qos.EPISODE)

    @property
    def tour(self) -> Tour | None:
        return self._interlude.tour

    def after_episode(self, steps: int) -> None:
        self._interlude.resumed_at(self._chooser.first_step * self._actors)
        if self._wanted and self._interlude.due(steps * self._actors):
            self._begin(self._chooser.in_use, self._chooser.version or 0, steps)

    def at_the_end(self, steps: int, updates: int) -> str:
        version, weights = self._chooser.newest
        if not self._wanted or version == self._evaluated:
            return ""
        if version < updates:
            return f"the learner's last weights, those of update {updates}"
        self._begin(weights, version, steps)
        return ""

    def _begin(self, weights: bytes, version: int, steps: int) -> None:
        self._steps, self._evaluated = steps, version
        self._interlude.begin(weights, steps * self._actors)
        self.beat()

    def beat(self) -> None:
        if self.tour is not None:
            self._publish(EvaluationSummary(episodes=len(self.tour.results)))

    def complete(self) -> None:
        outcome = self._interlude.finish()
        self._node.get_logger().info(said(outcome))
        tags, values = list(outcome.values), list(outcome.values.values())
        self._publish(EvaluationSummary(episodes=outcome.episodes, best=outcome.best, tags=tags, values=values))

    def _publish(self, message: EvaluationSummary) -> None:
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.actor_id, message.step, message.policy_version = self._actor_id, self._steps, self._evaluated
        self._publisher.publish(message)


def make_evaluations(node: Node, settings: Settings, chooser: Chooser, own: Mapping[str, Any]) -> Evaluations:
    """What the policy node evaluates; ``own`` are its parameters beside the settings.

    Raises:
        SettingsError, CheckpointError, WeightsError, ValueError: what is to be evaluated cannot be used.
    """
    if own["evaluate"]:
        return OnlyEvaluation(settings, own)
    if isinstance(chooser, LearnedChooser):
        actor = own["actor_id"], own["actor_index"]
        return TrainingEvaluations(node, settings, chooser, actor, own["run_dir"])
    return NoEvaluations()


def said(outcome: Outcome) -> str:
    """The outcome in one line."""
    score, driven = outcome.values["eval/driving_score"], outcome.values["eval/route_completion"]
    best = ", the best so far" if outcome.best else ""
    return f"evaluation at step {outcome.step}: driving score {score:.1f} %, route completion {driven:.1f} %{best}"
