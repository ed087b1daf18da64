# SPDX-License-Identifier: Apache-2.0
"""What a frame looks like on the bridge's topics, by numbers that can be worked out by hand.

The car faces north (the map's +y) at 10 m/s and turns left with 0.3 rad/s; everything is stated in the map frame, as
the conversion of the CARLA bridge leaves it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from derived_object_msgs.msg import Object, ObjectArray
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message

from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes.bridge import messages as convert
from td3_driving.nodes.bridge.objects import ObjectLists
from td3_driving.sim.vehicle import CarParameters, Control
from td3_driving.sim.world import Collision, Vehicles, WorldFrame

NORTH = math.pi / 2.0
HALF = math.sqrt(0.5)
EMPTY = Vehicles(*([np.zeros(0)] * 10))
FRAME = WorldFrame(
    number=7,
    elapsed=12.35,
    ego=VehicleState(12_349_999_999, 3.0, 4.0, 0.0, NORTH, 10.0, 0.5, 0.3),
    acceleration=(-3.0, 2.0),
    control=Control(throttle=0.5, steer=0.25),
    wheel=0.25,
    vehicles=EMPTY,
    collisions=(Collision(99, (1200.0, -300.0)),),
    lane_invasions=(2, 10),
)


def test_odometry_is_a_pose_in_the_map_and_a_twist_in_the_vehicle() -> None:
    message = convert.odometry(Odometry(), FRAME)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 349_999_999)
    position, rotation = message.pose.pose.position, message.pose.pose.orientation
    assert (position.x, position.y) == (3.0, 4.0)
    assert (rotation.z, rotation.w) == pytest.approx((HALF, HALF))
    assert (message.twist.twist.linear.x, message.twist.twist.linear.y) == (10.0, 0.5)
    assert message.twist.twist.angular.z == 0.3


def test_vehicle_status_has_no_sign_and_accelerates_in_the_map() -> None:
    message = convert.vehicle_status(FRAME)
    assert message.velocity == pytest.approx(math.hypot(10.0, 0.5))
    assert (message.acceleration.linear.x, message.acceleration.linear.y) == (-3.0, 2.0)
    assert (message.control.throttle, message.control.steer) == (0.5, 0.25)


def test_imu_measures_in_the_vehicle() -> None:
    """Facing north, the map's x is to the right and its y ahead: 2 m/s² ahead, 3 m/s² to the left."""
    message = convert.imu(FRAME)
    force = message.linear_acceleration
    assert (force.x, force.y, force.z) == pytest.approx((2.0, 3.0, 9.81))
    assert message.angular_velocity.z == 0.3


def test_collision_impulse_stays_in_the_axes_of_carla() -> None:
    message = convert.collision(FRAME.collisions[0], FRAME.ego.stamp_ns)
    assert (message.normal_impulse.x, message.normal_impulse.y) == (1200.0, 300.0)
    assert message.other_actor_id == 99


def told(data: bytes) -> list[Object]:
    """The objects of a serialised list."""
    return list(deserialize_message(data, ObjectArray).objects)


def test_objects_move_in_the_map_and_turn_to_the_left() -> None:
    lists = ObjectLists(CarParameters())
    lists.update(FRAME)
    (ego,) = told(lists.all(FRAME))
    assert (ego.twist.linear.x, ego.twist.linear.y) == pytest.approx((-0.5, 10.0))
    assert ego.twist.angular.z == 0.3
    assert (ego.accel.linear.x, ego.accel.linear.y) == (-3.0, 2.0)
    assert (ego.detection_level, ego.object_classified, ego.classification_certainty) == (0, True, 255)
    assert told(lists.others(FRAME)) == []


def vehicles(*rows: tuple[float, ...]) -> Vehicles:
    """Traffic of rows (id, x, y, yaw, speed, acceleration, kind, length, width, height)."""
    return Vehicles(*np.array(rows).T)


def test_objects_are_filled_anew_with_every_frame_and_forgotten_when_they_are_gone() -> None:
    lists = ObjectLists(CarParameters())
    here, other = (5, 1.0, 2.0, NORTH, 8.0, -1.0, 0, 4.0, 2.0, 1.5), (6, 9.0, 9.0, 0.0, 0.0, 0.0, 0, 4.0, 2.0, 1.5)
    later = (5, 1.0, 2.4, 0.0, 4.0, 0.0, 0, 5.0, 2.0, 1.5)
    frames = [replace(FRAME, vehicles=vehicles(*rows)) for rows in ((here, other), (later,), (later, other))]
    lists.update(frames[0])
    first, second = told(lists.others(frames[0]))
    assert (first.id, second.id, first.pose.position.y, first.classification_age) == (5, 6, 2.0, 1)
    assert (first.pose.orientation.z, first.pose.orientation.w) == pytest.approx((HALF, HALF))
    assert (first.twist.linear.x, first.twist.linear.y, first.accel.linear.y) == pytest.approx((0.0, 8.0, -1.0))
    lists.update(frames[1])
    (first,) = told(lists.others(frames[1]))
    assert (first.pose.position.y, first.pose.orientation.w, first.twist.linear.x) == (2.4, 1.0, 4.0)
    assert (list(first.shape.dimensions), first.classification_age) == ([5.0, 2.0, 1.5], 2)
    lists.update(frames[2])
    assert [thing.classification_age for thing in told(lists.all(frames[2]))] == [3, 1, 3]
