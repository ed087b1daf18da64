# SPDX-License-Identifier: Apache-2.0
"""Evaluations in the policy node: during a training, or as its only task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rclpy.node import Node
from td3_driving_msgs.msg import EvaluationSummary

from td3_driving.driving import topics
from td3_driving.driving.drivers import parked
from td3_driving.driving.episode_driver import EpisodeDriver
from td3_driving.evaluation.during_training import EvaluationOutcome, Evaluations, TrainingEvaluations
from td3_driving.learning.acting import ActionSource, LearnedActionSource, make_action_source
from td3_driving.learning.driver_source import DriverActionSource
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.only_evaluation import OnlyEvaluation
from td3_driving.settings import Settings


class PublishedEvaluations(TrainingEvaluations):
    """Evaluates at every interval of the training and once with the last weights; publishes the results.

    Args:
        node: whose clock and log are used.
        trust: seals the results.
        actor: its id and its number; only actor number 0 evaluates.
        run_directory: "" keeps neither results nor the best policy.
    """

    def __init__(
        self,
        node: Node,
        trust: Trust,
        settings: Settings,
        action_source: LearnedActionSource,
        actor: tuple[str, int],
        run_directory: str,
    ) -> None:
        super().__init__(settings, Path(run_directory) if run_directory else None)
        self._node, self._action_source = node, action_source
        self._actor_id, index = actor
        self._wanted = settings.evaluation.interval > 0 and index == 0
        self._actors = settings.run.num_actors
        self._steps = 0
        self._evaluated = -1
        self._publisher = trust.sealed_publisher(EvaluationSummary, topics.EVALUATION, qos.EPISODE)

    def after_episode(self, steps: int) -> None:
        self.resumed_at(self._action_source.first_step * self._actors)
        if self._wanted and self.due(steps * self._actors):
            self._begin(self._action_source.weights_in_use, self._action_source.version or 0, steps)

    def at_the_end(self, steps: int, updates: int) -> str:
        version = self._action_source.newest_version
        if not self._wanted or version == self._evaluated:
            return ""
        if version < updates:
            return f"the learner's last weights, those of update {updates}"
        self._begin(self._action_source.newest_weights, version, steps)
        return ""

    def _begin(self, weights: bytes, version: int, steps: int) -> None:
        self._steps, self._evaluated = steps, version
        self.begin(weights, steps * self._actors)
        self.beat()

    def beat(self) -> None:
        if self.tour is not None:
            self._publish(EvaluationSummary(episodes=len(self.tour.results)))

    def complete(self) -> None:
        outcome = self.finish()
        self._node.get_logger().info(said(outcome))
        tags, values = list(outcome.values), list(outcome.values.values())
        self._publish(EvaluationSummary(episodes=outcome.episodes, best=outcome.best, tags=tags, values=values))

    def _publish(self, message: EvaluationSummary) -> None:
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.actor_id, message.step, message.policy_version = self._actor_id, self._steps, self._evaluated
        self._publisher.publish(message)


def source_of(settings: Settings, own: Mapping[str, Any]) -> ActionSource:
    """Return the source of the training's actions; a node that only evaluates never asks it.

    Raises:
        SettingsError: there is no driver of that name.
    """
    if own["evaluate"]:
        return DriverActionSource(settings, EpisodeDriver(lambda _: parked()), steps=0)
    source = make_action_source(settings, own["driver"], own["actor_index"])
    if isinstance(source, LearnedActionSource) and own["begun_at"] >= 0:
        source.begin_at(own["begun_at"], own["done"])
    return source


def make_evaluations(
    node: Node, trust: Trust, settings: Settings, action_source: ActionSource, own: Mapping[str, Any]
) -> Evaluations:
    """Make the policy node's evaluations; ``own`` holds its parameters beside the settings.

    Raises:
        SettingsError, CheckpointError, WeightsError, ValueError: what is to be evaluated cannot be used.
    """
    if own["evaluate"]:
        return OnlyEvaluation(settings, own)
    if isinstance(action_source, LearnedActionSource):
        actor = own["actor_id"], own["actor_index"]
        return PublishedEvaluations(node, trust, settings, action_source, actor, own["run_dir"])
    return Evaluations()


def said(outcome: EvaluationOutcome) -> str:
    """Return the outcome as one line of text."""
    score, driven = outcome.values["eval/driving_score"], outcome.values["eval/route_completion"]
    best = ", the best so far" if outcome.best else ""
    return f"evaluation at step {outcome.step}: driving score {score:.1f} %, route completion {driven:.1f} %{best}"
