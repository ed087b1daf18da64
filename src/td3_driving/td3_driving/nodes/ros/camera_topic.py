# SPDX-License-Identifier: Apache-2.0
"""Listens to a camera whether it sends plain or compressed images, and names topics of other types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

KINDS: dict[str, Any] = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
"""Types of camera topics that can be read; see :mod:`td3_driving.driving.image_formats`."""


class CameraTopic:
    """A subscription whose type is that of the publisher.

    Args:
        kind: type until a publisher is found.
    """

    def __init__(self, node: Node, kind: Any, topic: str, callback: Callable[[Any], None], profile: QoSProfile) -> None:
        self._node, self._topic, self._callback, self._profile = node, topic, callback, profile
        self.subscription = self._listen(kind)

    def type_problems(self, served: list[Subscription]) -> list[str]:
        """Call :meth:`adapt`; return one sentence for each of the served topics that carries another type."""
        problems = [self.adapt(served), *(foreign_type(self._node, heard) for heard in served)]
        return list(dict.fromkeys(filter(None, problems)))

    def adapt(self, served: list[Subscription]) -> str:
        """Listen to the published type; return one sentence where it is no type of images, else "".

        Args:
            served: a replaced subscription is replaced in this list.
        """
        published = _published(self._node, self.subscription)
        there = [name for name in KINDS if name in published]
        if there and kind_of(self.subscription) not in there:
            self._replace(KINDS[there[0]], served)
        return foreign_type(self._node, self.subscription)

    def _replace(self, kind: Any, served: list[Subscription]) -> None:
        before = self.subscription
        # The old one goes first: a process may have one type of a topic at a time.
        self._node.destroy_subscription(before)
        self.subscription = self._listen(kind)
        if before in served:
            served[served.index(before)] = self.subscription

    def _listen(self, kind: Any) -> Subscription:
        return self._node.create_subscription(kind, self._topic, self._callback, self._profile)


def foreign_type(node: Node, subscription: Subscription) -> str:
    """Return one sentence where a topic is published, but in no type that can be read, else ""."""
    published, wanted = _published(node, subscription), kind_of(subscription)
    readable = tuple(KINDS) if wanted in KINDS else (wanted,)
    if not published or published & set(readable):
        return ""
    return f"topic {subscription.topic_name} is {' and '.join(sorted(published))}, not {' or '.join(readable)}"


def kind_of(subscription: Subscription) -> str:
    """Name of a subscription's type: ``package/msg/Name``."""
    package = subscription.msg_type.__module__.partition(".")[0]
    return f"{package}/msg/{subscription.msg_type.__name__}"


def _published(node: Node, subscription: Subscription) -> set[str]:
    return {end.topic_type for end in node.get_publishers_info_by_topic(subscription.topic_name)}
