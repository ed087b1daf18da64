# SPDX-License-Identifier: Apache-2.0
"""Receives the learner's weights for a policy."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from td3_driving_msgs.msg import PolicyWeights

from td3_driving.driving import topics
from td3_driving.learning.acting import ActionSource, LearnedActionSource
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.training.weights_messages import policy_snapshot

OTHER_CONFIGURATION = "the learner runs with another configuration than this policy; start both from one config.yaml"


class WeightsIntake:
    """Passes weights to the action source: trained ones as they come, the encoder's frozen ones once.

    Args:
        config_hash: of this policy.
        proceed: called after new weights came.

    Attributes:
        subscription: to the trained weights.
    """

    def __init__(self, node: Node, action_source: ActionSource, config_hash: str, proceed: Callable[[], None]) -> None:
        self._node, self._action_source, self._config_hash, self._proceed = node, action_source, config_hash, proceed
        self.subscription: Subscription = node.create_subscription(
            PolicyWeights, topics.POLICY_WEIGHTS, lambda message: self._take(message, action_source.offer), qos.WEIGHTS
        )
        if isinstance(action_source, LearnedActionSource) and action_source.frozen:
            take = action_source.offer_frozen
            node.create_subscription(
                PolicyWeights, topics.FROZEN_WEIGHTS, lambda message: self._take(message, take), qos.WEIGHTS
            )

    def _take(self, message: PolicyWeights, take: Callable[..., None]) -> None:
        if message.config_hash != self._config_hash:
            raise RunEnd(2, OTHER_CONFIGURATION)
        try:
            take(policy_snapshot(message))
        except ValueError as error:
            self._node.get_logger().error(f"weights refused, going on with those in use: {error}")
            return
        self._proceed()
