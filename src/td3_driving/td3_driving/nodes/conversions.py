"""ROS messages <-> the types of the core. Nothing else knows both."""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Time
from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from nav_msgs.msg import Odometry, Path
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from td3_driving_msgs import msg as messages

from td3_driving.doctor.live import Status
from td3_driving.driving.action import Command
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import decode_image
from td3_driving.driving.pilot import Scored
from td3_driving.driving.vehicle_state import VehicleState

MAP_FRAME = "map"
VEHICLE_FRAME = "ego_vehicle"
LEVELS = {
    "OK": DiagnosticStatus.OK,
    "WARN": DiagnosticStatus.WARN,
    "ERROR": DiagnosticStatus.ERROR,
    "STALE": DiagnosticStatus.STALE,
}


def nanoseconds(stamp: Time) -> int:
    """A stamp as [ns]."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def time_message(stamp_ns: int) -> Time:
    """[ns] as a stamp."""
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header of ``stamp_ns`` [ns] in ``frame_id``."""
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def image_array(message: Image) -> np.ndarray:
    """The pixels (height, width[, channels]) uint8 without a copy.

    Raises:
        ObservationError: unknown encoding, or sizes that do not fit the data.
    """
    return decode_image(memoryview(message.data), message.width, message.height, message.step, message.encoding)


def vehicle_state(message: Odometry) -> VehicleState:
    """Pose in the map frame and twist in the vehicle frame."""
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


def route_points(message: Path) -> np.ndarray:
    """(N, 2) points of a path [m]."""
    return np.array([(pose.pose.position.x, pose.pose.position.y) for pose in message.poses]).reshape(-1, 2)


def control_message(command: Command, stamp_ns: int) -> CarlaEgoVehicleControl:
    """The command for the frame stamped ``stamp_ns`` [ns]."""
    return CarlaEgoVehicleControl(
        header=header(stamp_ns, VEHICLE_FRAME), throttle=command.throttle, brake=command.brake, steer=command.steer
    )


def _bytes(frame: np.ndarray | None) -> array.array[int]:
    return array.array("B", b"" if frame is None else frame.tobytes())


def experience_message(experience: Experience, stamp_ns: int) -> messages.Experience:
    """The message for the step that started at ``stamp_ns`` [ns]."""
    height, width = experience.frame.shape
    final_state = experience.final_state
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
        state=array.array("f", experience.state),
        action=experience.action.astype(np.float32),
        reward=experience.reward,
        reward_parts=experience.reward_parts,
        terminated=experience.terminated,
        truncated=experience.truncated,
        final_frame=_bytes(experience.final_frame),
        final_state=array.array("f", () if final_state is None else final_state),
    )


def experience(message: messages.Experience) -> Experience:
    """The experience in a message; a frame that does not fit its bytes becomes an empty one, which is rejected."""
    shape = message.frame_height, message.frame_width
    return Experience(
        actor_id=message.actor_id,
        session_id=message.session_id,
        sequence=message.sequence,
        episode_id=message.episode_id,
        step_index=message.step_index,
        config_hash=message.config_hash,
        policy_version=message.policy_version,
        frame=_frame(message.frame, shape),
        state=np.array(message.state, dtype=np.float32),
        action=np.array(message.action, dtype=np.float32),
        reward=message.reward,
        reward_parts=np.array(message.reward_parts, dtype=np.float64),
        terminated=message.terminated,
        truncated=message.truncated,
        final_frame=_frame(message.final_frame, shape) if len(message.final_frame) else None,
        final_state=np.array(message.final_state, dtype=np.float32) if len(message.final_state) else None,
    )


def _frame(data: array.array[int], shape: tuple[int, int]) -> np.ndarray:
    pixels = np.frombuffer(data, dtype=np.uint8)
    return pixels.reshape(shape) if pixels.size == shape[0] * shape[1] else np.zeros((0, 0), dtype=np.uint8)


def reward_message(scored: Scored, bounds: tuple[float, float], step: int) -> messages.RewardComponents:
    """The reward of the step that ``scored`` describes; ``step`` counts the actor's steps, this one included."""
    terms, sight, sent = scored.terms, scored.sight, scored.experience
    return messages.RewardComponents(
        header=header(sight.vehicle.stamp_ns, VEHICLE_FRAME),
        actor_id=sent.actor_id,
        session_id=sent.session_id,
        step=step,
        episode_id=sent.episode_id,
        step_index=sent.step_index,
        efficiency=terms.efficiency,
        lane_keeping=terms.lane_keeping,
        comfort=terms.comfort,
        safety=terms.safety,
        progress=terms.progress,
        total=terms.total,
        total_min=bounds[0],
        total_max=bounds[1],
        speed=sight.vehicle.speed,
        lateral_error=sight.place.lateral,
        heading_error=sight.place.heading_error,
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
        episode_return=float(record.return_parts.sum()),
        return_parts=record.return_parts,
        route_completion=record.route_completion,
        route_length=record.route_length,
        collisions=record.collisions,
        lane_invasions=record.lane_invasions,
        mean_speed=record.mean_speed,
        exploration_noise=noise,
        policy_version=sent.policy_version,
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
