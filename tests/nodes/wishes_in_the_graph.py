# SPDX-License-Identifier: Apache-2.0
"""Whether a running graph has what a layout asks of it."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from .layouts import Wish, leaf_type

NUMBERS = {"boolean", "double", "float", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


def check(wish: Wish, node: Node) -> None:
    """A wish is fulfilled by the graph."""
    offered = dict(node.get_topic_names_and_types())
    assert wish.topic in offered, f"nobody knows {wish.topic}"
    (kind,) = offered[wish.topic]
    assert not wish.types or kind in wish.types, f"{wish.topic} is of type {kind}"
    if wish.field:
        leaf = leaf_type(kind, wish.field)
        assert leaf in NUMBERS, f"{wish.topic} {wish.field} is of type {leaf}, which is no number"
    for publisher in node.get_publishers_info_by_topic(wish.topic) if wish.qos else ():
        asked, given = dict(wish.qos), publisher.qos_profile
        if asked["Reliability Policy"] == "Reliable":
            assert given.reliability == ReliabilityPolicy.RELIABLE, f"{wish.topic} is best effort"
        if asked["Durability Policy"] == "Transient Local":
            assert given.durability == DurabilityPolicy.TRANSIENT_LOCAL, f"{wish.topic} is not latched"
        else:
            assert given.durability == DurabilityPolicy.VOLATILE, f"{wish.topic} is latched: RViz would miss the first"
