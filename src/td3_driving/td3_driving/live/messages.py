# SPDX-License-Identifier: Apache-2.0
"""From the fields of messages to what is drawn.

The functions read fields by their names alone, so they take messages of ROS and messages out of a bag alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from td3_driving.deploy.gate_types import Mode
from td3_driving.driving.image_formats import picture
from td3_driving.view.camera_model import CameraModel, rotation_matrix
from td3_driving.view.odom_frame import Transform
from td3_driving.view.scene import GateState
from td3_driving.view.shapes import OTHER, Box

SOLID_BOX = 1
"""``shape_msgs/SolidPrimitive.BOX``."""
GATE_MODES = {
    Mode.WAITING: ("STALE", "waiting"),
    Mode.ACTIVE: ("OK", "active"),
    Mode.HOLDING: ("WARN", "holding"),
    Mode.COMFORTABLE_STOP: ("ERROR", "comfortable stop"),
    Mode.EMERGENCY_STOP: ("ERROR", "emergency stop"),
    Mode.MANUAL: ("OK", "manual"),
    Mode.DISENGAGED: ("STALE", "disengaged"),
}
"""Mode -> level and word."""


def camera_model(intrinsics: Any, mount: Any) -> CameraModel:
    """The camera of a ``sensor_msgs/CameraInfo``; the ``geometry_msgs/TransformStamped`` leads from the vehicle's frame
    to the camera's optical one.

    Raises:
        ValueError: the camera is not calibrated, or ``mount`` holds no valid rotation.
    """
    if intrinsics.k[0] <= 0.0 or intrinsics.k[4] <= 0.0:
        raise ValueError("camera_info has no focal length")
    k, at, q = intrinsics.k, mount.transform.translation, mount.transform.rotation
    return CameraModel(k[0], k[4], k[2], k[5], rotation_matrix(q.x, q.y, q.z, q.w), np.array((at.x, at.y, at.z)))


def bgr_image(sent: Any) -> np.ndarray:
    """The pixels (height, width, 3) of an image, blue first; a view where the encoding allows it.

    Raises:
        ObservationError: unknown encoding, or sizes that do not fit the data.
    """
    pixels, encoding = picture(sent)
    if encoding == "mono8":
        return np.repeat(pixels[:, :, np.newaxis], 3, axis=2)
    return pixels[:, :, 2::-1] if encoding.startswith("rgb") else pixels[:, :, :3]


def gate_of(sent: Any) -> GateState:
    """Describe a ``td3_driving_msgs/GateStatus`` briefly; WARN also while a limit changes the commands."""
    level, word = GATE_MODES.get(sent.mode, ("ERROR", f"unknown mode {sent.mode}"))
    if sent.mode == Mode.ACTIVE:
        level = "WARN" if sent.filters else level
        age = f", {sent.age_ms:.0f} ms" if math.isfinite(sent.age_ms) else ""
        return GateState(level, f"{word}, {sent.filtered_share:.0%} filtered{age}")
    latched = " (latched)" if sent.latched else ""
    return GateState(level, f"{word}{latched}" + (f": {sent.reason}" if sent.reason else ""))


def traffic_boxes(objects: Any) -> list[Box]:
    """The boxes of a ``derived_object_msgs/ObjectArray``; their poses are on the ground."""
    boxes = []
    for entry in objects.objects:
        if entry.shape.type != SOLID_BOX or len(entry.shape.dimensions) != 3:
            continue
        at, q = entry.pose.position, entry.pose.orientation
        length, width, height = entry.shape.dimensions
        yaw = Transform(qx=q.x, qy=q.y, qz=q.z, qw=q.w).yaw
        boxes.append(Box("traffic", entry.id, at.x, at.y, at.z + height / 2.0, yaw, length, width, height, OTHER))
    return boxes


def points_of(path: Any) -> np.ndarray:
    """(N, 3) points of a ``nav_msgs/Path`` [m]."""
    places = [place.pose.position for place in path.poses]
    return np.array([(at.x, at.y, at.z) for at in places], dtype=np.float64).reshape(-1, 3)
