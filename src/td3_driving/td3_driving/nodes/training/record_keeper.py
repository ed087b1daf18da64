# SPDX-License-Identifier: Apache-2.0
"""Makes the record of a run begin with its first step, in whatever order its processes discover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

KEEPER = "diagnostics"
"""Name of the node that writes the event file from the topics of the run."""
PATIENCE = 5.0
"""Wall time that the first step and the first weights wait for the record keeper [s]; then the run goes on without."""


class RecordKeeper:
    """Tells whether the record keeper receives the topics of a policy or a learner.

    Two runs of one seed must leave equal records, and a subscriber misses what was published before its discovery.

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
        """Return what the first step waits for; empty once the keeper and all other known subscribers are connected.

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
