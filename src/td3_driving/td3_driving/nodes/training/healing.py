# SPDX-License-Identifier: Apache-2.0
"""Sends steps again that the learner did not get."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus

from td3_driving.learning.resend import SentSteps


class Healing:
    """Heeds what the learner expects next of this actor.

    Args:
        node: whose log is used.
        identity: actor id and session id.
        again: publishes the bytes of a step.
    """

    def __init__(self, node: Node, identity: tuple[str, int], again: Callable[[bytes], None]) -> None:
        self._node, self._identity, self._again = node, identity, again
        self._steps = SentSteps()

    def keep(self, sent: bytes) -> None:
        """Keep a step that was sent."""
        if sent:
            self._steps.keep(sent)

    def heed(self, status: LearnerStatus) -> None:
        """Send again what the learner waits for."""
        streams = zip(status.stream_actors, status.stream_sessions, status.stream_expected)
        known = {(actor, session): expected for actor, session, expected in streams}
        expected = known.get(self._identity, 0)
        idle = status.updates >= status.updates_due
        due = self._steps.due(expected, idle, time.monotonic())
        if expected < self._steps.oldest:
            text = f"the learner waits for step {expected} of this session; those before {self._steps.oldest} are gone"
            self._node.get_logger().error(text, throttle_duration_sec=5.0)
        elif due:
            self._node.get_logger().warning(f"the learner did not get step {expected}: {len(due)} step(s) sent again")
        for data in due:
            self._again(data)
