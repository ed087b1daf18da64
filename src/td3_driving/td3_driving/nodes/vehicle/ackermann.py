# SPDX-License-Identifier: Apache-2.0
"""The gate's output for vehicles that take stamped Ackermann commands."""

from __future__ import annotations

from rclpy.node import Node

from td3_driving.deploy.gate_types import GateOutput
from td3_driving.deploy.interfaces.motion import motion
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving import topics
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.vehicle.interface import OnMode

FRAME = "base_link"
LEAST_ACCELERATION = 0.01
"""0 would mean "as quickly as possible" [m/s^2]."""


class AckermannVehicle:
    """``ackermann_msgs/AckermannDriveStamped``: a speed to reach, and how quickly.

    Raises:
        MissingPackageError: ackermann_msgs is not installed.
    """

    mode_topic = ""

    def __init__(self, node: Node, settings: GateSettings, on_mode: OnMode) -> None:
        self._settings = settings
        self._stamped = message("ackermann_msgs", "AckermannDriveStamped")
        self.publisher = node.create_publisher(self._stamped, topics.ACKERMANN_COMMAND, qos.VEHICLE_COMMAND)

    def publish(self, output: GateOutput, stamp_ns: int) -> None:
        """Send a command; the acceleration is a magnitude."""
        asked = motion(output, self._settings.vehicle, self._settings.limits.at("steer_rate", output.speed))
        sent = self._stamped(header=header(stamp_ns, FRAME))
        sent.drive.steering_angle = asked.wheel_angle
        sent.drive.steering_angle_velocity = asked.wheel_rate
        sent.drive.speed = asked.speed
        sent.drive.acceleration = max(abs(asked.acceleration), LEAST_ACCELERATION)
        self.publisher.publish(sent)
