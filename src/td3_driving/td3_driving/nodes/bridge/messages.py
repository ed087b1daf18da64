# SPDX-License-Identifier: Apache-2.0
"""Converts a simulated frame to the messages of the CARLA bridge. Functions only: frame in, message out."""

from __future__ import annotations

import array
import math
from dataclasses import fields
from typing import Any

import numpy as np
from carla_msgs.msg import (
    CarlaActorInfo,
    CarlaCollisionEvent,
    CarlaEgoVehicleControl,
    CarlaEgoVehicleInfo,
    CarlaEgoVehicleInfoWheel,
    CarlaEgoVehicleStatus,
    CarlaLaneInvasionEvent,
)
from geometry_msgs.msg import PoseStamped, Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as Path
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Imu, NavSatFix
from td3_driving_msgs.msg import PolicyFrame

from td3_driving.driving.cameras import MountedCamera
from td3_driving.driving.drivers import Neighbours
from td3_driving.nodes.ros.conversions import MAP_FRAME, VEHICLE_FRAME, header, pose, quaternion
from td3_driving.sim.vehicle import GRAVITY, CarParameters, Control
from td3_driving.sim.world import EGO_ID, Collision, WorldFrame

OPTICAL = (-0.5, 0.5, -0.5, 0.5)
"""Rotation (x, y, z, w) from axes x forward, y left, z up to the camera's x right, y down, z forward."""
EARTH_RADIUS = 6378137.0
"""Radius of the earth in WGS 84, which CARLA's geographic reference uses [m]."""
SENSORS = (
    ("sensor.camera.rgb", "rgb_front"),
    ("sensor.other.imu", "imu"),
    ("sensor.other.gnss", "gnss"),
    ("sensor.other.collision", "collision"),
    ("sensor.other.lane_invasion", "lane_invasion"),
)
EGO_TYPE = "vehicle.tesla.model3"


def yaw_of(rotation: Quaternion) -> float:
    """Heading [rad] of a rotation."""
    q = rotation
    return math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))


def odometry(message: Odometry, frame: WorldFrame) -> Odometry:
    """Fill ``message``: pose in the map, twist in the vehicle's axes; covariances stay zero."""
    ego = frame.ego
    message.header = header(ego.stamp_ns, MAP_FRAME)
    message.child_frame_id = VEHICLE_FRAME
    message.pose.pose.position.x, message.pose.pose.position.y = ego.x, ego.y
    message.pose.pose.orientation = quaternion(ego.yaw)
    message.twist.twist.linear.x, message.twist.twist.linear.y = ego.speed, ego.lateral_speed
    message.twist.twist.angular.z = ego.yaw_rate
    return message


def spoil(message: Odometry) -> Odometry:
    """The fault ``nan_odometry``."""
    message.pose.pose.position.x = message.pose.pose.position.y = math.nan
    message.twist.twist.linear.x = math.nan
    return message


def policy_frame(frame: WorldFrame, seen: NDArray[np.uint8], neighbours: Neighbours) -> PolicyFrame:
    """The message for the policy of the run: to the bit what it would gather from the bridge's topics.

    Args:
        seen: what it sees, see :func:`td3_driving.driving.observation.frame_shape`.
        neighbours: the other vehicles as the object lists tell them.
    """
    ego = frame.ego
    others = np.concatenate([getattr(neighbours, row.name) for row in fields(Neighbours)])
    yaw = yaw_of(quaternion(ego.yaw))
    return PolicyFrame(
        header=header(ego.stamp_ns, MAP_FRAME),
        frame_height=seen.shape[-2],
        frame_width=seen.shape[-1],
        frame=array.array("B", seen.tobytes()),
        vehicle=np.array((ego.x, ego.y, ego.z, yaw, ego.speed, ego.lateral_speed, ego.yaw_rate)),
        others=array.array("d", others.tobytes()),
        collisions=len(frame.collisions),
        lane_invasions=len(frame.lane_invasions),
    )


def control_message(control: Control) -> CarlaEgoVehicleControl:
    """The applied command with an empty header, as the bridge echoes it."""
    return CarlaEgoVehicleControl(
        throttle=control.throttle,
        brake=control.brake,
        steer=control.steer,
        hand_brake=control.hand_brake,
        reverse=control.reverse,
        gear=control.gear,
        manual_gear_shift=control.manual_gear_shift,
    )


def control(message: CarlaEgoVehicleControl) -> Control:
    """Return the command in a message; ignores the header."""
    return Control(
        throttle=message.throttle,
        brake=message.brake,
        steer=message.steer,
        hand_brake=message.hand_brake,
        reverse=message.reverse,
        manual_gear_shift=message.manual_gear_shift,
        gear=message.gear,
    )


def vehicle_status(frame: WorldFrame) -> CarlaEgoVehicleStatus:
    """Unsigned speed, acceleration in map axes, the command that was in force."""
    ego = frame.ego
    message = CarlaEgoVehicleStatus(header=header(ego.stamp_ns, MAP_FRAME))
    message.velocity = math.hypot(ego.speed, ego.lateral_speed)
    message.acceleration.linear.x, message.acceleration.linear.y = frame.acceleration
    message.orientation = quaternion(ego.yaw)
    message.control = control_message(frame.control)
    return message


def vehicle_info(car: CarParameters) -> CarlaEgoVehicleInfo:
    """Fixed properties of the ego; engine and clutch are CARLA's defaults, which the model does not use."""
    brake_torque = car.friction * car.mass * GRAVITY * car.wheel_radius / 4.0
    wheels = []
    for x in (car.wheelbase - car.rear_axle, -car.rear_axle):
        for y in (0.79, -0.79):
            front = x > 0.0
            wheels.append(
                CarlaEgoVehicleInfoWheel(
                    tire_friction=car.friction,
                    damping_rate=0.25,
                    max_steer_angle=car.max_wheel_angle if front else 0.0,
                    radius=car.wheel_radius * 100.0,
                    max_brake_torque=brake_torque,
                    max_handbrake_torque=0.0 if front else 2.0 * brake_torque * car.hand_brake_share,
                    position=Vector3(x=x, y=y, z=car.wheel_radius),
                )
            )
    return CarlaEgoVehicleInfo(
        id=EGO_ID,
        type=EGO_TYPE,
        rolename=VEHICLE_FRAME,
        wheels=wheels,
        max_rpm=15000.0,
        moi=1.0,
        damping_rate_full_throttle=0.15,
        damping_rate_zero_throttle_clutch_engaged=2.0,
        damping_rate_zero_throttle_clutch_disengaged=0.35,
        use_gear_autobox=True,
        gear_switch_time=0.0,
        clutch_strength=10.0,
        mass=car.mass,
        drag_coefficient=0.23,
        center_of_mass=Vector3(x=0.0, y=0.0, z=0.5),
    )


def camera_info(width: int, height: int, fov: float) -> CameraInfo:
    """Pinhole of a horizontal field of view ``fov`` [deg]; the header is left to the caller."""
    focal = width / (2.0 * math.tan(math.radians(fov) / 2.0))
    centre_x, centre_y = width / 2.0, height / 2.0
    return CameraInfo(
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[focal, 0.0, centre_x, 0.0, focal, centre_y, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, centre_x, 0.0, 0.0, focal, centre_y, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def vehicle_transform(frame: WorldFrame) -> TransformStamped:
    """Map to vehicle."""
    ego = frame.ego
    message = TransformStamped(header=header(ego.stamp_ns, MAP_FRAME), child_frame_id=VEHICLE_FRAME)
    message.transform.translation.x, message.transform.translation.y = ego.x, ego.y
    message.transform.rotation = quaternion(ego.yaw)
    return message


def mount_transform(stamp_ns: int, sensor: str) -> TransformStamped:
    """Vehicle to a sensor at its origin."""
    message = TransformStamped(header=header(stamp_ns, VEHICLE_FRAME), child_frame_id=f"{VEHICLE_FRAME}/{sensor}")
    message.transform.rotation = quaternion(0.0)
    return message


def camera_transform(stamp_ns: int, place: MountedCamera) -> TransformStamped:
    """Vehicle to camera, with the axes of an image: x right, y down, z forward."""
    message = mount_transform(stamp_ns, place.name)
    where = message.transform.translation
    where.x, where.y, where.z = place.x, place.y, place.z
    x, y, z, w = OPTICAL
    # The turn by the yaw comes after the change of axes: q = q_yaw * q_optical.
    cosine, sine = math.cos(place.yaw / 2.0), math.sin(place.yaw / 2.0)
    turned = cosine * x - sine * y, cosine * y + sine * x, cosine * z + sine * w, cosine * w - sine * z
    message.transform.rotation = Quaternion(**dict(zip("xyzw", turned)))
    return message


def imu(frame: WorldFrame) -> Imu:
    """Specific force and turn rate in the vehicle's axes; gravity reads +9.81 at rest."""
    ego, (ax, ay) = frame.ego, frame.acceleration
    cosine, sine = math.cos(ego.yaw), math.sin(ego.yaw)
    message = Imu(header=header(ego.stamp_ns, f"{VEHICLE_FRAME}/imu"), orientation=quaternion(ego.yaw))
    message.linear_acceleration.x = ax * cosine + ay * sine
    message.linear_acceleration.y = ay * cosine - ax * sine
    message.linear_acceleration.z = GRAVITY
    message.angular_velocity.z = ego.yaw_rate
    return message


def gnss(frame: WorldFrame, offset: tuple[float, float]) -> NavSatFix:
    """The origin of the map's file is at 0 N 0 E, x points east, y north.

    Args:
        offset: what was subtracted from x and y of the file [m].
    """
    ego, (left, down) = frame.ego, offset
    return NavSatFix(
        header=header(ego.stamp_ns, f"{VEHICLE_FRAME}/gnss"),
        latitude=math.degrees(2.0 * math.atan(math.exp((ego.y + down) / EARTH_RADIUS)) - math.pi / 2.0),
        longitude=math.degrees((ego.x + left) / EARTH_RADIUS),
        altitude=ego.z,
    )


def collision(contact: Collision, stamp_ns: int) -> CarlaCollisionEvent:
    """One contact. The bridge passes the impulse on in CARLA's axes, where y points right."""
    stamped = header(stamp_ns, f"{VEHICLE_FRAME}/collision")
    message = CarlaCollisionEvent(header=stamped, other_actor_id=contact.actor_id)
    message.normal_impulse.x, message.normal_impulse.y = contact.impulse[0], -contact.impulse[1]
    return message


def lane_invasion(frame: WorldFrame) -> CarlaLaneInvasionEvent:
    """The markings crossed in this frame."""
    return CarlaLaneInvasionEvent(
        header=header(frame.ego.stamp_ns, f"{VEHICLE_FRAME}/lane_invasion"),
        crossed_lane_markings=list(frame.lane_invasions),
    )


def path(route: NDArray[np.float64], stamp_ns: int) -> Path:
    """A route (N, 3 or more) of x, y [m], heading [rad]; only the path itself has a header, as the bridge leaves it."""
    points: list[Any] = [PoseStamped(pose=pose(x, y, yaw)) for x, y, yaw in route[:, :3]]
    return Path(header=header(stamp_ns, MAP_FRAME), poses=points)


def actors(frame: WorldFrame, types: tuple[str, ...]) -> list[CarlaActorInfo]:
    """The ego, its sensors, and the traffic; ``types`` are the blueprints that ``frame.vehicles.kind`` counts."""
    found = [CarlaActorInfo(id=EGO_ID, parent_id=0, type=EGO_TYPE, rolename=VEHICLE_FRAME)]
    for offset, (kind, name) in enumerate(SENSORS, start=1):
        found.append(CarlaActorInfo(id=EGO_ID + offset, parent_id=EGO_ID, type=kind, rolename=name))
    for number, kind in zip(frame.vehicles.ids.tolist(), frame.vehicles.kind.tolist()):
        found.append(CarlaActorInfo(id=number, parent_id=0, type=types[kind], rolename="autopilot"))
    return found
