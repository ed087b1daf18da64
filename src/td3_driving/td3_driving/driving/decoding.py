# SPDX-License-Identifier: Apache-2.0
"""From the fields of messages to the types of the core.

The functions read fields by their names alone, so they take messages of ROS and messages out of a bag alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.experience import Experience
from td3_driving.driving.reward import RewardTerms
from td3_driving.driving.vehicle_state import VehicleState


def nanoseconds(stamp: Any) -> int:
    """A ``builtin_interfaces/Time`` as [ns]."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def vehicle_state(message: Any) -> VehicleState:
    """Pose in the map frame and twist in the vehicle frame of a ``nav_msgs/Odometry``."""
    pose, twist = message.pose.pose, message.twist.twist
    q = pose.orientation
    return VehicleState(
        stamp_ns=nanoseconds(message.header.stamp),
        x=pose.position.x,
        y=pose.position.y,
        z=pose.position.z,
        yaw=math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z)),
        speed=twist.linear.x,
        lateral_speed=twist.linear.y,
        yaw_rate=twist.angular.z,
    )


def experience(message: Any) -> Experience:
    """A ``td3_driving_msgs/Experience``; a frame that does not fit its bytes becomes an empty one: it is rejected."""
    shape = message.frame_height, message.frame_width
    closing = len(message.final_frame) > 0 or len(message.final_state) > 0
    return Experience(
        actor_id=message.actor_id,
        session_id=message.session_id,
        sequence=message.sequence,
        episode_id=message.episode_id,
        step_index=message.step_index,
        config_hash=message.config_hash,
        policy_version=message.policy_version,
        frame=_frame(message.frame, shape),
        state=_vector(message.state),
        action=_vector(message.action),
        reward=message.reward,
        reward_terms=np.array(message.reward_terms, dtype=np.float64),
        terminated=message.terminated,
        truncated=message.truncated,
        final_frame=_frame(message.final_frame, shape) if len(message.final_frame) else None,
        final_state=_vector(message.final_state) if len(message.final_state) else None,
        privileged=_vector(message.privileged),
        final_privileged=_vector(message.final_privileged) if closing else None,
        teacher_action=_vector(message.teacher_action) if len(message.teacher_action) else None,
        # A recording may have been made with a definition that lacks it.
        after_gap=bool(getattr(message, "after_gap", False)),
    )


def reward_terms(message: Any) -> RewardTerms:
    """The terms of the reward in a ``td3_driving_msgs/RewardTerms``."""
    return RewardTerms(tuple(message.names), np.array(message.values, dtype=np.float64))


def _vector(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def _frame(data: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The planes of a frame, (height, width) of one; an empty array where the bytes are not whole planes."""
    pixels = np.frombuffer(data, dtype=np.uint8)
    size = shape[0] * shape[1]
    if size and pixels.size == size:
        return pixels.reshape(shape)
    if size and pixels.size and pixels.size % size == 0:
        return pixels.reshape(-1, *shape)
    return np.zeros((0, 0), dtype=np.uint8)


def action_of(command: Any) -> NDArray[np.float32]:
    """The action (2,) float32 behind a command: the inverse of :func:`td3_driving.driving.action.to_command`."""
    drive = command.throttle if command.throttle > 0.0 else -command.brake
    return np.array((command.steer, drive), dtype=np.float32)
