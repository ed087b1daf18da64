# SPDX-License-Identifier: Apache-2.0
"""Converts the visualizer's types to messages."""

from __future__ import annotations

from geometry_msgs.msg import TransformStamped
from std_msgs.msg import Header

from td3_driving.view.odom_frame import Transform


def stamped(header: Header, parent: str, child: str, transform: Transform) -> TransformStamped:
    """A transform with the stamp of ``header``, between two named frames."""
    filled = TransformStamped(child_frame_id=child)
    filled.header.stamp, filled.header.frame_id = header.stamp, parent
    at, rotation = filled.transform.translation, filled.transform.rotation
    at.x, at.y, at.z = transform.x, transform.y, transform.z
    rotation.x, rotation.y, rotation.z, rotation.w = transform.qx, transform.qy, transform.qz, transform.qw
    return filled
