# SPDX-License-Identifier: Apache-2.0
"""Sends steps again that the learner did not get."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus

from td3_driving.learning.resend import KEPT_BYTES, SentSteps


class Healing:
    """Heeds what the learner expects next of this actor.

    Args:
        node: whose log is used.
        identity: actor id and session id.
        again: publishes the bytes of a step; told whether it comes after a gap that nobody can fill.
        on_gone: called with the steps of this session that the learner will never have.
        most: bytes of steps to keep.
    """

    def __init__(
        self,
        node: Node,
        identity: tuple[str, int],
        again: Callable[[bytes, bool], None],
        on_gone: Callable[[int], None],
        most: int = KEPT_BYTES,
    ) -> None:
        self._node, self._identity, self._again, self._on_gone = node, identity, again, on_gone
        self._steps = SentSteps(most)

    def keep(self, sent: bytes) -> None:
        """Keep a step that was sent."""
        if sent:
            self._steps.keep(sent)

    def heed(self, status: LearnerStatus) -> None:
        """Send again what the learner waits for."""
        streams = zip(status.stream_actors, status.stream_sessions, status.stream_expected, status.stream_gone)
        known = {(actor, session): (expected, gone) for actor, session, expected, gone in streams}
        expected, gone = known.get(self._identity, (0, 0))
        if gone <= expected <= self._steps.sent:
            self._on_gone(gone)
        idle = status.updates >= status.updates_due
        due = self._steps.due(expected, idle, time.monotonic())
        missing = max(self._steps.oldest - expected, 0)
        if due and missing:
            text = (
                f"the learner did not get step {expected}; {missing} step(s) are lost for good, those after them follow"
            )
            self._node.get_logger().error(text)
        elif due:
            self._node.get_logger().warning(f"the learner did not get step {expected}: {len(due)} step(s) sent again")
        for number, data in enumerate(due):
            self._again(data, missing > 0 and number == 0)
