# SPDX-License-Identifier: Apache-2.0
"""Where the vehicle is and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VehicleState:
    """Pose in the map frame and motion in the vehicle frame (REP-103: x forward, y left, counter-clockwise positive).

    Attributes:
        stamp_ns: simulation or sensor time [ns].
        x, y, z: position in the map frame [m].
        yaw: heading in the map frame [rad].
        speed: velocity along the vehicle's x axis, negative in reverse [m/s].
        lateral_speed: velocity along the vehicle's y axis, left positive [m/s].
        yaw_rate: left positive [rad/s].
    """

    stamp_ns: int
    x: float
    y: float
    z: float
    yaw: float
    speed: float
    lateral_speed: float
    yaw_rate: float

    def finite(self) -> bool:
        """Whether every number is finite."""
        motion = self.speed, self.lateral_speed, self.yaw_rate
        return all(map(math.isfinite, (self.x, self.y, self.z, self.yaw, *motion)))


def wrap_angle(angle: float) -> float:
    """``angle`` [rad] wrapped to [-pi, pi)."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi
