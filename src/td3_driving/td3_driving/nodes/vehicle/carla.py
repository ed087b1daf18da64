# SPDX-License-Identifier: Apache-2.0
"""The gate's output for CARLA's ROS bridge and for the embedded simulator."""

from __future__ import annotations

from rclpy.node import Node

from td3_driving.deploy.gate_types import GateOutput
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving import topics
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import control_message
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.vehicle.interface import OnMode


class CarlaVehicle:
    """Pedals and steering, as the bridge takes them.

    Raises:
        MissingPackageError: carla_msgs is not installed.
    """

    mode_topic = ""

    def __init__(self, node: Node, settings: GateSettings, on_mode: OnMode) -> None:
        self.publisher = node.create_publisher(
            message("carla_msgs", "CarlaEgoVehicleControl"), topics.COMMAND, qos.BRIDGE
        )

    def publish(self, output: GateOutput, stamp_ns: int) -> None:
        """Send a command."""
        if output.command is not None:
            sent = control_message(output.command, stamp_ns)
            sent.reverse = output.reverse
            self.publisher.publish(sent)
