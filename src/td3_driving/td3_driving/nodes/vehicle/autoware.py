# SPDX-License-Identifier: Apache-2.0
"""The gate's output for Autoware: wheel angle and acceleration, in autonomous mode only."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from td3_driving.deploy.gate_types import GateOutput
from td3_driving.deploy.interfaces.motion import motion
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving import topics
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import time_message
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.vehicle.interface import OnMode

MODE_TOPIC = "vehicle/status/control_mode"


class AutowareVehicle:
    """``autoware_control_msgs/Control``, as long as ``autoware_vehicle_msgs/ControlModeReport`` says AUTONOMOUS.

    Raises:
        MissingPackageError: one of the two packages is not installed.
    """

    def __init__(self, node: Node, settings: GateSettings, on_mode: OnMode) -> None:
        self._settings, self._on_mode = settings, on_mode
        self._control = message("autoware_control_msgs", "Control")
        self._report = message("autoware_vehicle_msgs", "ControlModeReport")
        self.publisher = node.create_publisher(self._control, topics.AUTOWARE_COMMAND, qos.VEHICLE_COMMAND)
        # A report is heard from every publisher, and from a latched one also if it came before the gate.
        heard = node.create_subscription(self._report, MODE_TOPIC, self._on_report, qos.NEWEST)
        node.create_subscription(self._report, MODE_TOPIC, self._on_latched_report, qos.BRIDGE_LATCHED_ONE)
        self.mode_topic: str = heard.topic_name

    def _on_report(self, report: Any) -> None:
        self._on_mode(report.mode == self._report.AUTONOMOUS, False)

    def _on_latched_report(self, report: Any) -> None:
        self._on_mode(report.mode == self._report.AUTONOMOUS, True)

    def publish(self, output: GateOutput, stamp_ns: int) -> None:
        """Send a command; every part carries the stamp."""
        asked = motion(output, self._settings.vehicle, self._settings.limits.at("steer_rate", output.speed))
        sent = self._control()
        sent.stamp = sent.lateral.stamp = sent.longitudinal.stamp = time_message(stamp_ns)
        sent.lateral.steering_tire_angle = asked.wheel_angle
        sent.lateral.steering_tire_rotation_rate = asked.wheel_rate
        sent.lateral.is_defined_steering_tire_rotation_rate = True
        sent.longitudinal.velocity = asked.speed
        sent.longitudinal.acceleration = asked.acceleration
        sent.longitudinal.is_defined_acceleration = True
        self.publisher.publish(sent)
