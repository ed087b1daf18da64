# SPDX-License-Identifier: Apache-2.0
"""Receives the learner's weights for a policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from td3_driving_msgs.msg import PolicyWeights

from td3_driving.driving import decoding, topics
from td3_driving.learning.acting import ActionSource, LearnedActionSource
from td3_driving.learning.weights import FitWeights, PolicySnapshot
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.aside import Aside
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.weights_messages import policy_snapshot

OTHER_CONFIGURATION = "the learner runs with another configuration than this policy; start both from one config.yaml"


class WeightsIntake:
    """Passes weights to the action source: trained ones as they come, the encoder's frozen ones once.

    Args:
        trust: whose weights are believed.
        config_hash: of this policy.
        proceed: called after new weights came.
        aside: checks and reads them, so that no frame waits for that; without it the thread of the node does.

    Attributes:
        subscription: to the trained weights.
    """

    def __init__(
        self,
        node: Node,
        trust: Trust,
        action_source: ActionSource,
        config_hash: str,
        proceed: Callable[[], None],
        aside: Aside | None = None,
    ) -> None:
        self._node, self._action_source, self._config_hash, self._proceed = node, action_source, config_hash, proceed
        self._aside = aside
        self._newest = (-1, -1)
        self.subscription: Subscription = trust.sealed_subscription(
            PolicyWeights, topics.POLICY_WEIGHTS, self._take_trained, qos.WEIGHTS, aside
        )
        if isinstance(action_source, LearnedActionSource) and action_source.frozen:
            trust.sealed_subscription(PolicyWeights, topics.FROZEN_WEIGHTS, self._take_frozen, qos.WEIGHTS)

    def _take_trained(self, message: PolicyWeights) -> None:
        """Take weights, unless they are a repetition of earlier ones.

        A learner that was started anew goes back to the version of its checkpoint, at a later time.
        """
        newest = (message.version, decoding.nanoseconds(message.header.stamp))
        if self._repeated(newest):
            return
        self._check_configuration(message)
        if self._aside is None or not isinstance(self._action_source, LearnedActionSource):
            self._offer(newest, lambda: (policy_snapshot(message),))
        else:
            source = self._action_source
            self._aside.do(lambda: _read(source, message), partial(self._offer, newest))

    def _offer(self, newest: tuple[int, int], outcome: Callable[[], tuple[Any, ...]]) -> None:
        """Offer what was read to the action source; ``newest``: version and stamp [ns].

        Newer ones may have been taken while these were read beside the thread of the node.
        """
        if not self._repeated(newest) and self._take(lambda: self._action_source.offer(*outcome())):
            self._newest = newest

    def _repeated(self, weights: tuple[int, int]) -> bool:
        """Refuse weights of that version and stamp [ns] if they are older than those taken; whether they are."""
        repeated = weights[0] < self._newest[0] and weights[1] < self._newest[1]
        if repeated:
            self._refuse(f"version {weights[0]} was sent before version {self._newest[0]}")
        return repeated

    def _take_frozen(self, message: PolicyWeights) -> None:
        self._check_configuration(message)
        source = self._action_source
        assert isinstance(source, LearnedActionSource)
        self._take(lambda: source.offer_frozen(policy_snapshot(message)))

    def _check_configuration(self, message: PolicyWeights) -> None:
        if message.config_hash != self._config_hash:
            raise RunEnd(2, OTHER_CONFIGURATION)

    def _take(self, take: Callable[[], None]) -> bool:
        try:
            take()
        except ValueError as error:
            self._refuse(str(error))
            return False
        self._proceed()
        return True

    def _refuse(self, reason: str) -> None:
        self._node.get_logger().error(
            f"weights refused, going on with those in use: {reason}", throttle_duration_sec=2.0
        )


def _read(source: LearnedActionSource, message: PolicyWeights) -> tuple[PolicySnapshot, FitWeights | None]:
    snapshot = policy_snapshot(message)
    return snapshot, source.read(snapshot)
