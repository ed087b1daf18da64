# SPDX-License-Identifier: Apache-2.0
"""What a policy finds out about others who write where it reads or commands, and how it tells the diagnostics."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from rclpy.node import Node
from td3_driving_msgs.msg import Refusals

from td3_driving.doctor.status import ERROR, OK, Status
from td3_driving.driving import topics
from td3_driving.monitor.bounds import MOST_WRITERS
from td3_driving.monitor.writers import NAMELESS
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.ros.senders import Senders, full_name
from td3_driving.nodes.training.census import publishers

NAME = "policy: strangers"
PERIOD = 1.0
"""Wall time between two reports without news [s]."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A publisher whose name decides whether it may write there.

    Attributes:
        allowed: full names of the nodes that may.
        since: wall time of its first message [s].
    """

    allowed: Collection[str]
    since: float


class Intruders:
    """Keeps who else wrote, until the node ends.

    Args:
        node: the policy.
        trust: what it refused, and the seal of what it tells.
        session: of the policy.
    """

    def __init__(self, node: Node, trust: Trust, session: int = 0) -> None:
        self._node, self._trust, self._session = node, trust, session
        self._name = full_name(node.get_name(), node.get_namespace())
        self.senders = Senders(node)
        self._suspects: dict[tuple[str, bytes], _Suspect] = {}
        self._found: dict[tuple[str, bytes], str] = {}
        self._told_at, self._told = 0.0, (0, 0)
        self._publisher = trust.sealed_publisher(Refusals, topics.REFUSALS, qos.EPISODE)

    def suspect(self, topic: str, guid: bytes | None, allowed: Collection[str] = ()) -> None:
        """Somebody wrote on ``topic``; nodes ``allowed`` may. A name may come later than the message."""
        if guid is None:
            for end in publishers(self._node, topic):
                if end.node not in allowed:
                    self.suspect(topic, end.bytes, allowed)
            return
        if (topic, guid) not in self._found and len(self._suspects) + len(self._found) < MOST_WRITERS:
            before = self._suspects.get((topic, guid))
            # Who may is judged by the last suspicion: an owner's name that is there twice excuses nobody.
            self._suspects[topic, guid] = _Suspect(allowed, before.since if before else time.monotonic())
            self._settle()

    def tell(self) -> None:
        """Publish what is known, if there is news or a second has passed."""
        self._settle()
        now, known = time.monotonic(), (self._trust.strangers.total, len(self._found))
        if known == self._told and now - self._told_at < PERIOD:
            return
        self._told_at, self._told = now, known
        message = Refusals(
            node=self._name, session_id=self._session, strangers=known[0], stranger=self._trust.strangers.last
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.topics = [topic for topic, _ in self._found]
        message.writers = list(self._found.values())
        self._publisher.publish(message)

    def status(self) -> Status:
        """The status ``policy: strangers``."""
        strangers = self._trust.strangers
        said = [f"{who} published on {topic}" for (topic, _), who in self._found.items()]
        if strangers.total:
            said.append(f"{strangers.total} message(s) of strangers refused; the last one: {strangers.last}")
        counts = {sender: str(count) for sender, count in strangers.by_sender().items()}
        return Status(NAME, ERROR if said else OK, "; ".join(said) or "nobody else wrote", counts)

    def _settle(self) -> None:
        """Decide about the suspects whose names have come, and about those whose names never will."""
        now = time.monotonic()
        for (topic, guid), suspect in list(self._suspects.items()):
            name = self.senders.node_of(topic, guid)
            if not name and now - suspect.since < NAMELESS and self._there(topic, guid):
                continue
            del self._suspects[topic, guid]
            if name not in suspect.allowed:
                self._found[topic, guid] = self.senders.text(topic, guid)
                self._node.get_logger().error(f"{self._found[topic, guid]} publishes on {topic}, which is not its own")

    def _there(self, topic: str, guid: bytes) -> bool:
        return any(end.bytes == guid for end in publishers(self._node, topic))
