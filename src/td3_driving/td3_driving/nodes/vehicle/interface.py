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
        mode_topic: full name of the topic on which the vehicle reports its control mode; "" for none.
    """

    publisher: Any
    mode_topic: str

    def publish(self, output: GateOutput, stamp_ns: int) -> None:
        """Send an output that carries a command, stamped ``stamp_ns`` [ns]."""
        ...


OnMode = Callable[[bool, bool], None]
"""Called with whether the vehicle is in autonomous mode, and whether its report came latched."""
Maker = Callable[[Node, GateSettings, OnMode], VehicleInterface]
