# SPDX-License-Identifier: Apache-2.0
"""What every command of a gate with its default settings must keep."""

from __future__ import annotations

from td3_driving.deploy.limits import GateSettings
from td3_driving.deploy.pedals import PedalMap
from td3_driving.driving.action import Command

LIMITS, VEHICLE = GateSettings().limits, GateSettings().vehicle
PEDALS = PedalMap(GateSettings().pedals)
ROUNDING = 1e-9


def check_bounds(command: Command, speed: float) -> None:
    """No command outside the limits."""
    assert abs(command.steer) <= LIMITS.at("steer", speed) + ROUNDING
    assert abs(VEHICLE.lateral(command.steer, speed)) <= LIMITS.lateral_acceleration + 1e-6 or abs(speed) < 0.1
    assert -ROUNDING <= command.throttle <= LIMITS.at("throttle", speed) + ROUNDING
    assert -ROUNDING <= command.brake <= LIMITS.at("brake", speed) + ROUNDING
    assert command.throttle == 0.0 or command.brake == 0.0
    acceleration = PEDALS.acceleration(command.throttle - command.brake, speed)
    assert -LIMITS.at("deceleration", speed) - 1e-6 <= acceleration <= LIMITS.at("acceleration", speed) + 1e-6
