# SPDX-License-Identifier: Apache-2.0
"""The record of a run begins with its first step, whichever of its processes finds the others first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

KEEPER = "diagnostics"
"""Name of the node that writes the event file from what it hears."""
PATIENCE = 5.0
"""Wall time that the first step, and the first weights, wait for it [s]: a run without a record goes on."""


class RecordKeeper:
    """Whether the record keeper hears what a policy or a learner says.

    Two runs of one seed are to leave equal records; what is published before a listener is found, it never gets.

    Args:
        node: the policy or the learner.
        publishers: of the topics that the record is made of.
    """

    def __init__(self, node: Node, publishers: Sequence[Publisher[Any]]) -> None:
        self._node = node
        self._publishers = publishers
        self._asked_since: float | None = None
        self._settled = not publishers

    def missing(self, now: float) -> str:
        """What the first step still waits for; empty from when the keeper and all other known listeners are reached.

        Args:
            now: monotonic time [s]; :data:`PATIENCE` counts from the first call.
        """
        if self._asked_since is None:
            self._asked_since = now
        if not self._settled:
            self._settled = now - self._asked_since > PATIENCE or all(map(self._reached, self._publishers))
        return "" if self._settled else f"the {KEEPER} node to listen"

    def _reached(self, publisher: Publisher[Any]) -> bool:
        known = self._node.get_subscriptions_info_by_topic(publisher.topic_name)
        kept = any(endpoint.node_name == KEEPER for endpoint in known)
        return kept and publisher.get_subscription_count() >= len(known)
