# SPDX-License-Identifier: Apache-2.0
"""Converts ROS messages to the types of the core and back. Only this module knows both."""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Time
from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, Quaternion
from nav_msgs.msg import Path
from numpy.typing import NDArray
from std_msgs.msg import Header
from td3_driving_msgs import msg as messages

from td3_driving.doctor.status import Status
from td3_driving.driving.action import Command
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.experience import Experience
from td3_driving.driving.pilot import Scored
from td3_driving.driving.route import Route

MAP_FRAME = "map"
VEHICLE_FRAME = "ego_vehicle"
LEVELS = {
    "OK": DiagnosticStatus.OK,
    "WARN": DiagnosticStatus.WARN,
    "ERROR": DiagnosticStatus.ERROR,
    "STALE": DiagnosticStatus.STALE,
}


def time_message(stamp_ns: int) -> Time:
    """[ns] as a stamp."""
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header of ``stamp_ns`` [ns] in ``frame_id``."""
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def route_points(message: Path) -> NDArray[np.float64]:
    """(N, 2) points of a path [m]."""
    return path_points(message)[:, :2]


def path_points(message: Path) -> NDArray[np.float64]:
    """(N, 3) points of a path [m]."""
    points = [(place.x, place.y, place.z) for place in (pose.pose.position for pose in message.poses)]
    return np.array(points).reshape(-1, 3)


def quaternion(yaw: float) -> Quaternion:
    """Rotation about the vertical by ``yaw`` [rad]."""
    return Quaternion(x=0.0, y=0.0, z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0))


def pose(x: float, y: float, yaw: float) -> Pose:
    """A pose on the ground of the map, [m] and [rad]."""
    return Pose(position=Point(x=float(x), y=float(y), z=0.0), orientation=quaternion(float(yaw)))


def control_message(command: Command, stamp_ns: int) -> CarlaEgoVehicleControl:
    """The command for the frame stamped ``stamp_ns`` [ns]."""
    return CarlaEgoVehicleControl(
        header=header(stamp_ns, VEHICLE_FRAME), throttle=command.throttle, brake=command.brake, steer=command.steer
    )


def _bytes(frame: NDArray[np.uint8] | None) -> array.array[int]:
    return array.array("B", b"" if frame is None else frame.tobytes())


def _floats(vector: NDArray[np.float32] | None) -> array.array[float]:
    return array.array("f", b"" if vector is None else vector.astype(np.float32).tobytes())


def experience_message(experience: Experience, stamp_ns: int) -> messages.Experience:
    """The message for the step that started at ``stamp_ns`` [ns]."""
    height, width = experience.frame.shape[-2:]
    return messages.Experience(
        header=header(stamp_ns, VEHICLE_FRAME),
        actor_id=experience.actor_id,
        session_id=experience.session_id,
        sequence=experience.sequence,
        episode_id=experience.episode_id,
        step_index=experience.step_index,
        config_hash=experience.config_hash,
        policy_version=experience.policy_version,
        frame_height=height,
        frame_width=width,
        frame=_bytes(experience.frame),
        state=_floats(experience.state),
        action=experience.action.astype(np.float32),
        reward=experience.reward,
        reward_terms=experience.reward_terms,
        terminated=experience.terminated,
        truncated=experience.truncated,
        final_frame=_bytes(experience.final_frame),
        final_state=_floats(experience.final_state),
        privileged=_floats(experience.privileged),
        final_privileged=_floats(experience.final_privileged),
        teacher_action=_floats(experience.teacher_action),
        after_gap=experience.after_gap,
    )


def reward_message(scored: Scored, bounds: tuple[float, float], step: int) -> messages.RewardTerms:
    """The reward of the step that ``scored`` describes; ``step`` counts the actor's steps, this one included."""
    terms, time_step, sent = scored.terms, scored.time_step, scored.experience
    return messages.RewardTerms(
        header=header(time_step.vehicle.stamp_ns, VEHICLE_FRAME),
        actor_id=sent.actor_id,
        session_id=sent.session_id,
        step=step,
        episode_id=sent.episode_id,
        step_index=sent.step_index,
        names=list(terms.names),
        values=terms.values,
        total=terms.total,
        total_min=bounds[0],
        total_max=bounds[1],
        speed=time_step.vehicle.speed,
        lateral_error=time_step.place.lateral,
        heading_error=time_step.place.heading_error,
        action=sent.action.astype(np.float32),
    )


def episode_message(
    record: EpisodeRecord, sent: Experience, stamp_ns: int, step: int, noise: float
) -> messages.EpisodeSummary:
    """The summary of a finished episode; ``sent`` is its last experience."""
    assert record.exit_reason is not None
    return messages.EpisodeSummary(
        header=header(stamp_ns, VEHICLE_FRAME),
        actor_id=sent.actor_id,
        session_id=sent.session_id,
        step=step,
        episode_id=record.episode_id,
        scenario=record.scenario,
        seed=record.seed,
        length=record.length,
        terminated=record.exit_reason.terminated,
        truncated=not record.exit_reason.terminated,
        exit_reason=int(record.exit_reason),
        episode_return=record.episode_return,
        term_names=list(record.term_returns.names),
        term_returns=record.term_returns.values,
        route_completion=record.route_completion,
        route_length=record.route_length,
        collisions=record.collisions,
        lane_invasions=record.lane_invasions,
        mean_speed=record.mean_speed,
        exploration_noise=noise,
        policy_version=sent.policy_version,
    )


def start_message(
    record: EpisodeRecord, route: Route, stamp_ns: int, identity: tuple[str, int], steps: tuple[int, int]
) -> messages.EpisodeStart:
    """The beginning of an episode.

    Args:
        route: the route of the episode.
        stamp_ns: of the first frame that can belong to the episode [ns].
        identity: actor id and session id.
        steps: steps that the actor has taken in this session, and how many it takes in all.
    """
    return messages.EpisodeStart(
        header=header(stamp_ns, MAP_FRAME),
        actor_id=identity[0],
        session_id=identity[1],
        episode_id=record.episode_id,
        sequence=steps[0],
        session_steps=steps[1],
        scenario=record.scenario,
        seed=record.seed,
        route_x=array.array("d", route.points[:, 0]),
        route_y=array.array("d", route.points[:, 1]),
    )


def diagnostic_status(status: Status, hardware_id: str) -> DiagnosticStatus:
    """A status of the core as a diagnostic message."""
    return DiagnosticStatus(
        level=LEVELS[status.level],
        name=status.name,
        message=status.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
    )
