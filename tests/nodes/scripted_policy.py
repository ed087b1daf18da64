# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the drive node: a lane keeper that publishes ``policy/command``, and misbehaves on request.

``test/mode`` (std_msgs/String, latched) says how: ``drive``, ``nan`` (steering that is no number), ``flip`` (full
steering, to the other side with every command).
"""

from __future__ import annotations

import math

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import String

from td3_driving.driving import decoding
from td3_driving.driving.action import to_command
from td3_driving.driving.drivers import LaneKeeper, Situation
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes.ros import conversions, qos

EGO = "carla/ego_vehicle"
TARGET_SPEED = 8.0


class ScriptedPolicy(Node):
    """One command per image, from the newest odometry."""

    def __init__(self) -> None:
        super().__init__("scripted_policy")
        self._route: Route | None = None
        self._vehicle: VehicleState | None = None
        self._mode, self._side = "drive", 1.0
        self._keeper = LaneKeeper(TARGET_SPEED, frame_time=0.05)
        self._command = self.create_publisher(CarlaEgoVehicleControl, "policy/command", qos.BRIDGE)
        self.create_subscription(Path, f"{EGO}/waypoints", self._on_route, qos.BRIDGE_LATCHED_ONE)
        self.create_subscription(String, "test/mode", self._on_mode, qos.BRIDGE_LATCHED_ONE)
        self.create_subscription(Odometry, f"{EGO}/odometry", self._on_odometry, qos.BRIDGE)
        self.create_subscription(Image, f"{EGO}/rgb_front/image", self._on_image, qos.BRIDGE)

    def _on_route(self, message: Path) -> None:
        self._route = Route(conversions.route_points(message))

    def _on_mode(self, message: String) -> None:
        self._mode = message.data

    def _on_odometry(self, message: Odometry) -> None:
        vehicle = decoding.vehicle_state(message)
        self._vehicle = vehicle if vehicle.finite() else self._vehicle

    def _on_image(self, message: Image) -> None:
        if self._route is None or self._vehicle is None:
            return
        situation = Situation(self._vehicle, self._route.locate(self._vehicle), self._route)
        command = to_command(self._keeper.act(situation))
        sent = conversions.control_message(command, decoding.nanoseconds(message.header.stamp))
        if self._mode == "nan":
            sent.steer = math.nan
        elif self._mode == "flip":
            self._side = -self._side
            sent.steer = self._side
        self._command.publish(sent)


def main() -> None:
    """Drive until the process ends."""
    rclpy.init()
    rclpy.spin(ScriptedPolicy())


if __name__ == "__main__":
    main()
