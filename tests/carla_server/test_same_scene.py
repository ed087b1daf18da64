# SPDX-License-Identifier: Apache-2.0
"""One drive, twice: by the world that the simulator node shows on its topics, and by this server as the genuine client
sees it. Both are the same in the axes of the bridge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import carla
import pytest

from td3_driving.carla_server.axes import from_map
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World

messages = pytest.importorskip("td3_driving.nodes.bridge.messages", reason="ROS 2 is not in this environment")
CLOSE = 1e-4
PEDALS = (
    Control(throttle=0.8),
    Control(throttle=0.4, steer=0.05),
    Control(brake=0.4, steer=-0.1),
    Control(steer=-0.05),
)
FRAMES = 25
"""With each of these."""


def test_the_genuine_client_and_the_topics_show_the_same_drive(world: Any, spawned: Callable[..., Any]) -> None:
    shown = World(SimulatorSettings(map="town", vehicles=0, fixed_delta=0.05), seed=5)
    start = from_map(shown.car.x, shown.car.y, shown.car.yaw)
    pose = carla.Transform(carla.Location(*start.location), carla.Rotation(*start.rotation))
    car = spawned("vehicle.tesla.model3", pose)
    for pedals in PEDALS:
        shown.apply(pedals)
        car.apply_control(carla.VehicleControl(pedals.throttle, pedals.steer, pedals.brake))
        for _ in range(FRAMES):
            frame = shown.tick()
            world.tick()
            _same(messages.odometry(messages.Odometry(), frame), frame, car)
    assert math.hypot(shown.car.x - start.location.x, shown.car.y + start.location.y) > 10.0


def _same(odometry: Any, frame: Any, car: Any) -> None:
    """What the bridge makes of CARLA's numbers: y and angles change their sign, velocities turn with the vehicle."""
    pose, velocity, turning = car.get_transform(), car.get_velocity(), car.get_angular_velocity()
    place = odometry.pose.pose.position
    assert (pose.location.x, -pose.location.y) == pytest.approx((place.x, place.y), abs=CLOSE)
    heading = messages.yaw_of(odometry.pose.pose.orientation)
    assert math.remainder(-math.radians(pose.rotation.yaw) - heading, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-6)
    ahead, right = pose.get_forward_vector(), pose.get_right_vector()
    twist = odometry.twist.twist
    assert velocity.dot(ahead) == pytest.approx(twist.linear.x, abs=CLOSE)
    assert -velocity.dot(right) == pytest.approx(twist.linear.y, abs=CLOSE)
    assert -math.radians(turning.z) == pytest.approx(twist.angular.z, abs=CLOSE)
    push = car.get_acceleration()
    assert (push.x, -push.y) == pytest.approx(frame.acceleration, abs=1e-3)
