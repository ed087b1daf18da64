# SPDX-License-Identifier: Apache-2.0
"""The interface of the gate node to a vehicle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rclpy.node import Node

from td3_driving.deploy.gate_types import GateOutput
from td3_driving.deploy.limits import GateSettings


class VehicleInterface(Protocol):
    """Publishes the gate's decisions as messages of one kind of vehicle.

    Attributes:
        publisher: of the vehicle's command; it must be the only one.
        needs_control_mode: whether the vehicle reports its control mode.
    """

    publisher: Any
    needs_control_mode: bool

    def publish(self, output: GateOutput, stamp_ns: int) -> None:
        """Send an output that carries a command, stamped ``stamp_ns`` [ns]."""
        ...


OnMode = Callable[[bool], None]
"""Called with whether the vehicle is in autonomous mode."""
Maker = Callable[[Node, GateSettings, OnMode], VehicleInterface]
