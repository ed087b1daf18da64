# SPDX-License-Identifier: Apache-2.0
"""Where the vehicle goes if the current action is held."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.vehicle_state import VehicleState

WHEELBASE = 2.875
MAX_WHEEL_ANGLE = math.radians(70.0)
FULL_ACCELERATION = 3.0
"""Rough acceleration at full throttle, deceleration at half brake: the path is a picture, not a controller [m/s^2]."""
GRIP = 8.0
"""Greatest lateral acceleration that tyres hold on a dry road [m/s^2]: a wheel that asks for more slips."""


def predicted_path(
    vehicle: VehicleState, steer: float, drive: float, horizon: float = 2.0, count: int = 21
) -> NDArray[np.float64]:
    """(count, 2) points in the map frame [m] over the next ``horizon`` [s], kinematic bicycle with the action held,
    within the grip of its tyres.

    Args:
        steer: right positive, in [-1, 1]; drive: throttle positive, brake negative.
    """
    dt = horizon / (count - 1)
    x, y, yaw, speed = vehicle.x, vehicle.y, vehicle.yaw, vehicle.speed
    asked = math.tan(-steer * MAX_WHEEL_ANGLE) / WHEELBASE
    points = [(x, y)]
    for _ in range(count - 1):
        speed = max(speed + drive * FULL_ACCELERATION * dt, 0.0)
        held = GRIP / max(speed * speed, 1e-6)
        yaw += speed * min(max(asked, -held), held) * dt
        x, y = x + speed * math.cos(yaw) * dt, y + speed * math.sin(yaw) * dt
        points.append((x, y))
    return np.array(points)
