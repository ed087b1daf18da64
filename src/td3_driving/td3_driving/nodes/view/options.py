# SPDX-License-Identifier: Apache-2.0
"""The parameters of the visualizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


@dataclass(frozen=True)
class Options:
    """What the visualizer shows, and how often.

    Attributes:
        rate: images and marker arrays per second of wall time [1/s].
        image_height: least height of the image [px].
        traffic: whether boxes are drawn around other vehicles.
        publish_tf: whether ``map -> odom_frame -> base_frame`` is published.
        actor_id: the actor whose reward is shown; "" for any actor.
    """

    rate: float
    image_height: int
    traffic: bool
    publish_tf: bool
    odom_frame: str
    base_frame: str
    actor_id: str


def read_options(node: Node) -> Options:
    """Declare and read the parameters.

    Raises:
        ParameterException: a value of a wrong type or out of its range.
    """

    def read(name: str, default: float | int | bool | str, meaning: str, **limits: Any) -> Any:
        descriptor = ParameterDescriptor(description=meaning, read_only=True, **limits)
        return node.declare_parameter(name, default, descriptor).value

    rate = [FloatingPointRange(from_value=0.2, to_value=60.0)]
    rows = [IntegerRange(from_value=36, to_value=2160)]
    return Options(
        rate=read("rate", 10.0, "images and marker arrays per second of wall time [1/s]", floating_point_range=rate),
        image_height=read("image_height", 432, "least height of the camera image [px]", integer_range=rows),
        traffic=read("traffic", True, "draw boxes around other vehicles"),
        publish_tf=read("publish_tf", True, "publish map -> odom_frame -> base_frame from odometry in the map"),
        odom_frame=read("odom_frame", "odom", "name of the frame without jumps"),
        base_frame=read("base_frame", "base_link", "name of the vehicle's own frame"),
        actor_id=read("actor_id", "", "whose reward is shown; empty: anybody's"),
    )
