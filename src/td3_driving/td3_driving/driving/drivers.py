"""Reference drivers: what a learned policy is measured against, and what the preflight ranks the reward with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState


@dataclass(frozen=True, slots=True)
class Situation:
    """What a reference driver looks at."""

    vehicle: VehicleState
    place: RoutePlace
    route: Route


class Driver(Protocol):
    """Chooses an action (2,) in [-1, 1]: steer (right positive) and drive."""

    def act(self, situation: Situation) -> np.ndarray:
        """The action for this frame."""
        ...


@dataclass
class LaneKeeper:
    """Pure pursuit for the wheel (Coulter 1992, eq. 6) and a PI controller for the speed.

    Args:
        target_speed: [m/s].
        frame_time: time between two actions [s].
        wheelbase: [m]; max_steer: wheel angle at steer = 1 [rad].
        lateral_acceleration: bound that slows the vehicle down before a bend [m/s^2].
    """

    target_speed: float
    frame_time: float
    wheelbase: float = 2.875
    max_steer: float = math.radians(70.0)
    lateral_acceleration: float = 2.0
    look_ahead_time: float = 0.6
    least_look_ahead: float = 3.5
    gain: float = 0.5
    integral_gain: float = 0.1
    _integral: float = 0.0

    def act(self, situation: Situation) -> np.ndarray:
        """Steer towards a point ahead on the route; hold the speed that the bends ahead allow."""
        return np.array([self._steer(situation), self._drive(situation)], dtype=np.float32)

    def _steer(self, situation: Situation) -> float:
        distance = max(self.least_look_ahead, self.look_ahead_time * situation.vehicle.speed)
        x, y = situation.route.ahead(situation.vehicle, situation.place.s, 1, distance)[0]
        wheel_angle = math.atan2(2.0 * self.wheelbase * y, x * x + y * y)
        return max(-1.0, min(1.0, -wheel_angle / self.max_steer))

    def _drive(self, situation: Situation) -> float:
        error = self._allowed_speed(situation) - situation.vehicle.speed
        # Integrating only near the target keeps the start from winding the controller up.
        self._integral = self._integral + error * self.frame_time if abs(error) < 1.0 else 0.0
        return max(-1.0, min(1.0, self.gain * error + self.integral_gain * self._integral))

    def _allowed_speed(self, situation: Situation) -> float:
        points = situation.route.ahead(situation.vehicle, situation.place.s, 8, 2.0)
        headings = np.unwrap(np.arctan2(*np.diff(points, axis=0).T[::-1]))
        curvature = float(np.max(np.abs(np.diff(headings)))) / 2.0
        return min(self.target_speed, math.sqrt(self.lateral_acceleration / max(curvature, 1e-6)))


@dataclass(frozen=True)
class ConstantDriver:
    """Always the same action: parked (0, -1), or off the road (1, 0.5)."""

    steer: float
    drive: float

    def act(self, situation: Situation) -> np.ndarray:
        """The constant action."""
        return np.array([self.steer, self.drive], dtype=np.float32)


@dataclass(frozen=True)
class RandomDriver:
    """Uniform over the whole action space, each dimension drawn on its own."""

    generator: np.random.Generator

    def act(self, situation: Situation) -> np.ndarray:
        """A fresh random action."""
        return self.generator.uniform(-1.0, 1.0, size=2).astype(np.float32)


def parked() -> ConstantDriver:
    """Stands still with the brake on."""
    return ConstantDriver(steer=0.0, drive=-1.0)


def off_road() -> ConstantDriver:
    """Leaves the lane to the right as soon as it can."""
    return ConstantDriver(steer=1.0, drive=0.5)
