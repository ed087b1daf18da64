# SPDX-License-Identifier: Apache-2.0
"""Who sent a message: the publisher's GUID comes with it, the name of its node from the graph."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

GUID_LENGTH = 16
MOST_NAMES = 256
"""Names that are remembered."""
UNKNOWN = "_UNKNOWN_"
"""Part of what ROS 2 calls a node whose publisher was seen before its name."""
GONE = "a publisher that has left"
LOOK_PERIOD = 1.0
"""Wall time between two looks for one and the same name [s]."""


def sender_of(info: Mapping[str, Any]) -> bytes | None:
    """The GUID of the publisher, out of what comes beside a message; ``None`` where this ROS 2 does not tell."""
    gid = info.get("publisher_gid")
    return bytes(gid["data"][:GUID_LENGTH]) if gid else None


def info_of(guid: bytes | None) -> Mapping[str, Any]:
    """The part of what comes beside a message that :func:`sender_of` reads."""
    return {} if guid is None else {"publisher_gid": {"data": guid}}


def guid_text(guid: bytes) -> str:
    """A GUID in hexadecimal, ``01.0f…``."""
    return ".".join(f"{byte:02x}" for byte in guid)


def guid_of(endpoint: Any) -> str:
    """The GUID of a DDS endpoint in hexadecimal."""
    return guid_text(bytes(endpoint.endpoint_gid[:GUID_LENGTH]))


def full_name(name: str, space: str) -> str:
    """``/space/name``."""
    return f"{space.rstrip('/')}/{name}"


class Senders:
    """Names senders; looks at the graph once for each.

    Args:
        node: whose view of the graph is used.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._nodes: dict[bytes, str] = {}
        self._looked: dict[bytes, float] = {}

    def node_of(self, topic: str, guid: bytes) -> str:
        """Full name of the node that publishes on ``topic`` with this GUID; "" while it is not known."""
        now = time.monotonic()
        if guid not in self._nodes and now - self._looked.get(guid, -LOOK_PERIOD) >= LOOK_PERIOD:
            self._look(topic)
            self._looked[guid] = now
        return self._nodes.get(guid, "")

    def text(self, topic: str, guid: bytes | None) -> str:
        """``/stranger (GUID 01.0f…)``; without a name where it came and went too fast for one."""
        if guid is None:
            return f"a publisher of {topic}"
        return f"{self.node_of(topic, guid) or GONE} (GUID {guid_text(guid)})"

    def _look(self, topic: str) -> None:
        if len(self._nodes) > MOST_NAMES:
            self._nodes.clear()
        if len(self._looked) > MOST_NAMES:
            self._looked.clear()
        for end in self._node.get_publishers_info_by_topic(topic):
            if UNKNOWN not in end.node_name:
                guid = bytes(end.endpoint_gid[:GUID_LENGTH])
                self._nodes[guid] = full_name(end.node_name, end.node_namespace)
