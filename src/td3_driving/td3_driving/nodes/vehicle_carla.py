"""The gate's output for CARLA's ROS bridge and for the embedded simulator."""

from __future__ import annotations

from rclpy.node import Node

from td3_driving.deploy.gate_types import Output
from td3_driving.deploy.limits import GateSettings
from td3_driving.nodes import qos
from td3_driving.nodes.conversions import control_message
from td3_driving.nodes.optional_messages import message
from td3_driving.nodes.vehicle_interface import OnMode

TOPIC = "carla/ego_vehicle/vehicle_control_cmd"


class CarlaVehicle:
    """Pedals and steering, as the bridge takes them.

    Raises:
        MissingPackageError: carla_msgs is not installed.
    """

    needs_control_mode = False

    def __init__(self, node: Node, settings: GateSettings, on_mode: OnMode) -> None:
        self.publisher = node.create_publisher(message("carla_msgs", "CarlaEgoVehicleControl"), TOPIC, qos.BRIDGE)

    def publish(self, output: Output, stamp_ns: int) -> None:
        """Send a command."""
        if output.command is not None:
            sent = control_message(output.command, stamp_ns)
            sent.reverse = output.reverse
            self.publisher.publish(sent)
