# SPDX-License-Identifier: Apache-2.0
"""Converts the gate's decision to a motion, for interfaces without pedals."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.deploy.gate_types import GateOutput, Mode
from td3_driving.deploy.limits import VehicleSettings

HORIZON = 0.5
"""Look-ahead: the requested speed is the one after this time of the requested acceleration [s]."""


@dataclass(frozen=True, slots=True)
class MotionCommand:
    """A motion command; ROS axes (REP 103).

    Attributes:
        wheel_angle: of one virtual front wheel [rad], left positive.
        wheel_rate: its greatest rate of change [rad/s].
        speed: to be reached [m/s], negative in reverse; 0 in a stop.
        acceleration: along the direction of travel [m/s^2], negative when braking.
    """

    wheel_angle: float
    wheel_rate: float
    speed: float
    acceleration: float


def motion(output: GateOutput, vehicle: VehicleSettings, steer_rate: float) -> MotionCommand:
    """The motion of an output that carries a command.

    Args:
        steer_rate: greatest rate of the steering at the output's speed [1/s].

    Raises:
        ValueError: the output carries none.
    """
    if output.command is None:
        raise ValueError(f"an output of mode {output.mode.name} carries no command")
    stops = output.mode in (Mode.COMFORTABLE_STOP, Mode.EMERGENCY_STOP)
    ahead = 0.0 if stops else max(abs(output.speed) + output.acceleration * HORIZON, 0.0)
    return MotionCommand(
        wheel_angle=vehicle.wheel_angle(output.command.steer, output.speed),
        wheel_rate=steer_rate * vehicle.full_angle(output.speed),
        speed=-ahead if output.reverse else ahead,
        acceleration=output.acceleration,
    )
