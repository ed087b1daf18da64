# SPDX-License-Identifier: Apache-2.0
"""What a policy hears from the learner's status and from the guard of the run."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from td3_driving_msgs.msg import Guard, LearnerStatus

from td3_driving.driving import decoding, topics
from td3_driving.monitor.bounds import RunBounds
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.ros.sealed import Trust

STOPPED_BY_GUARD = 3
"""Exit code when the guard ended the run."""


class Orders:
    """Keeps the newest status and the guard's last order; raises :class:`RunEnd` when the run is over for this node.

    Args:
        bounds: of the status.
        on_guard: called after every order of the guard.
        on_status: called with every status.

    Attributes:
        learner_state, learner_updates: of the newest status.
        paused_by: why the guard holds the vehicle; empty where it does not.
    """

    def __init__(
        self, node: Node, bounds: RunBounds, on_guard: Callable[[], None], on_status: Callable[[LearnerStatus], None]
    ) -> None:
        self._node, self._bounds, self._on_guard_order, self._on_status = node, bounds, on_guard, on_status
        self._guard_stamp = -1
        self.learner_state: int = LearnerStatus.WAITING
        self.learner_updates = 0
        self.paused_by = ""

    def listen(self, trust: Trust) -> None:
        """Subscribe to both."""
        trust.sealed_subscription(LearnerStatus, topics.LEARNER_STATUS, self.status, qos.STATUS)
        trust.sealed_subscription(Guard, topics.GUARD, self.guard, qos.WEIGHTS)

    def status(self, message: LearnerStatus) -> None:
        """Take a status of the learner."""
        fault = self._bounds.status_fault(message)
        if fault:
            self._node.get_logger().error(f"status refused: {fault}", throttle_duration_sec=2.0)
            return
        self.learner_state, self.learner_updates = message.state, message.updates
        if message.state == LearnerStatus.FAILED:
            raise RunEnd(1, f"the learner failed: {message.reason}")
        self._on_status(message)

    def guard(self, message: Guard) -> None:
        """Take an order of the guard, unless it is none or a repetition of an earlier one."""
        stamp = decoding.nanoseconds(message.header.stamp)
        if message.order > Guard.STOP or stamp < self._guard_stamp:
            self._node.get_logger().error(f"order {message.order} refused: unknown, or older than the last one")
            return
        self._guard_stamp = stamp
        if message.order == Guard.STOP:
            raise RunEnd(STOPPED_BY_GUARD, f"the guard stopped the run: {message.reason}")
        self.paused_by = message.reason or "no reason given" if message.order == Guard.PAUSE else ""
        self._on_guard_order()
