# SPDX-License-Identifier: Apache-2.0
"""Reads the other vehicles of each frame from the bridge's object lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from td3_driving.driving import topics
from td3_driving.driving.decoding import nanoseconds
from td3_driving.driving.drivers import Neighbours
from td3_driving.driving.object_list import neighbours_of, read_list
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.privileged import WHO_NEEDS_OTHERS
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.optional_messages import message

OWN_LIST = topics.OBJECTS
"""The list of objects without the ego."""
FULL_LIST = topics.ALL_OBJECTS
"""The list that includes the ego; used where the other one has no publisher."""
PATIENCE = 2.0
"""Wall time for which the full list must be the only one before it is used [s]."""


class ObjectSource:
    """Listens to one of the two object lists.

    Args:
        on_objects: gets the stamp [ns] and the objects of each list, and what ROS tells of the message.
        on_fault: gets the reason why a list is unusable.

    Raises:
        MissingPackageError: derived_object_msgs is not installed.
    """

    def __init__(
        self,
        node: Node,
        on_objects: Callable[[int, Neighbours, Mapping[str, Any]], None],
        on_fault: Callable[[str], None],
    ) -> None:
        self._node = node
        self._kind: Any = message("derived_object_msgs", "ObjectArray")
        self._on_objects, self._on_fault = on_objects, on_fault
        self._alone_since: float | None = None
        self._found = False
        self.subscription = self._listen(OWN_LIST)

    def missing(self, now: float) -> str:
        """Return what is missing until a publisher is found; ``now``: monotonic time [s].

        Replaces :attr:`subscription` where only the full list is published.
        """
        if self._found or self._published(self.subscription.topic_name):
            self._found = True
            return ""
        if not self._published(FULL_LIST):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since >= PATIENCE:
            self._node.destroy_subscription(self.subscription)
            self.subscription = self._listen(FULL_LIST)
        return f"objects: nobody publishes {OWN_LIST} or {FULL_LIST}, which {WHO_NEEDS_OTHERS} needs"

    def _published(self, topic: str) -> bool:
        return self._node.count_publishers(topic) > 0

    def _listen(self, topic: str) -> Subscription:
        # Raw bytes: reading them takes a tenth of the time of deserialising the messages.
        return self._node.create_subscription(self._kind, topic, self._on_bytes, qos.BRIDGE, raw=True)

    def _on_bytes(self, data: bytes, info: Mapping[str, Any]) -> None:
        try:
            found = read_list(data)
            if found is None:
                filled = deserialize_message(data, self._kind)
                found = nanoseconds(filled.header.stamp), neighbours_of(filled)
        except (ObservationError, RuntimeError) as error:
            # Bytes that are no list make the middleware raise a RuntimeError.
            self._on_fault(f"unusable object list: {error}")
            return
        self._on_objects(*found, info)
