# SPDX-License-Identifier: Apache-2.0
"""A passenger car as a single-track model with CARLA's control meaning.

State: pose of the vehicle's origin (on the ground below the middle of the body, as CARLA's actors have it), speed of
the rear axle, wheel angle. The rear axle does not slip sideways (kinematic single-track model: Rajamani, Vehicle
Dynamics and Control, 2nd ed., section 2.2), and the curvature is bounded by what the tyres hold, so that the car
understeers instead of turning on the spot at speed. Longitudinally: traction bounded by force and power, brakes, drag
and rolling resistance (ibid., section 4.1).

Signs: ROS axes for pose and rates (left positive), CARLA's for the command (steer right positive).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from td3_driving.driving.vehicle_state import wrap_angle

GRAVITY = 9.81
AIR_DENSITY = 1.225
SUBSTEP = 0.01
"""Longest step of the integration [s]."""


@dataclass(frozen=True, slots=True)
class Control:
    """A command in CARLA's meaning.

    Attributes:
        throttle, brake: pedal positions in [0, 1].
        steer: share of the greatest wheel angle in [-1, 1], right positive.
        hand_brake: full force on the rear wheels.
        reverse: drive backwards.
        manual_gear_shift: whether ``gear`` counts.
        gear: -1 reverse, 0 neutral, 1 and more forward.
    """

    throttle: float = 0.0
    brake: float = 0.0
    steer: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: int = 0

    def finite(self) -> bool:
        """Return whether pedals and wheel are finite."""
        return all(math.isfinite(value) for value in (self.throttle, self.brake, self.steer))

    def clipped(self) -> Control:
        """Pedals and wheel brought into their range."""
        throttle, brake = (min(max(value, 0.0), 1.0) for value in (self.throttle, self.brake))
        return replace(self, throttle=throttle, brake=brake, steer=min(max(self.steer, -1.0), 1.0))

    def direction(self) -> int:
        """Where traction pushes: 1 forward, -1 backward, 0 in neutral."""
        if self.manual_gear_shift:
            return (self.gear > 0) - (self.gear < 0)
        return -1 if self.reverse else 1


@dataclass(frozen=True)
class CarParameters:
    """CARLA's default ego, a Tesla Model 3.

    Wheelbase and drag: the manufacturer's data (2,875 mm; Cd 0.23 on 2.22 m²). Mass, extent, wheel angle and steering
    curve: CARLA 0.9's blueprint ``vehicle.tesla.model3``. Force and power give 0 to 100 km/h in about 6 s, as
    published for the rear-wheel drive. Friction: dry asphalt; rolling resistance: Rajamani, section 4.1.4.
    """

    mass: float = 1845.0
    """[kg]"""
    wheelbase: float = 2.875
    """[m]"""
    rear_axle: float = 1.45
    """Distance from the rear axle to the vehicle's origin [m]."""
    length: float = 4.79
    """[m]"""
    width: float = 2.16
    """Over the mirrors [m]."""
    height: float = 1.49
    """[m]"""
    wheel_radius: float = 0.355
    """[m]"""
    max_wheel_angle: float = math.radians(70.0)
    """[rad]"""
    steer_rate: float = 2.5
    """Full wheel angles per second, as the PhysX vehicle of Unreal Engine 4 smooths its steering input [1/s]."""
    steering_curve: tuple[tuple[float, float], ...] = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))
    """Share of the wheel angle that is left at a speed [km/h]."""
    max_force: float = 8500.0
    """Traction at the wheels [N]."""
    max_power: float = 208e3
    """[W]"""
    drag_area: float = 0.23 * 2.22
    """Drag coefficient times frontal area [m²]."""
    rolling_resistance: float = 0.015
    """Share of the weight."""
    friction: float = 0.9
    """Friction between tyre and road; it bounds braking and cornering."""
    hand_brake_share: float = 0.5
    """Share of the full braking force that the rear wheels transmit."""

    def steering_limit(self, speed: float) -> float:
        """Share of the wheel angle available at ``speed`` [m/s]."""
        kmh, curve = abs(speed) * 3.6, self.steering_curve
        for (low, before), (high, after) in zip(curve, curve[1:]):
            if kmh < high:
                return before + (after - before) * (kmh - low) / (high - low)
        return curve[-1][1]


@dataclass(slots=True)
class Car:
    """The moving state of one car.

    Attributes:
        x, y: origin in the map frame [m].
        yaw: heading [rad].
        speed: along the body's x axis [m/s].
        wheel: steering position in [-1, 1] after smoothing, right positive.
        yaw_rate: left positive [rad/s].
    """

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    speed: float = 0.0
    wheel: float = 0.0
    yaw_rate: float = 0.0

    def lateral_speed(self, parameters: CarParameters) -> float:
        """Velocity of the origin along the body's y axis [m/s]."""
        return parameters.rear_axle * self.yaw_rate


def advance(car: Car, control: Control, dt: float, parameters: CarParameters) -> None:
    """Move ``car`` by ``dt`` [s] under a clipped ``control``."""
    count = max(1, math.ceil(dt / SUBSTEP - 1e-9))
    for _ in range(count):
        _substep(car, control, dt / count, parameters)


def _substep(car: Car, control: Control, dt: float, parameters: CarParameters) -> None:
    reach = parameters.steer_rate * dt
    car.wheel += min(max(control.steer - car.wheel, -reach), reach)
    before = car.speed
    car.speed = next_speed(before, control, dt, parameters)
    mean = 0.5 * (before + car.speed)
    turn = mean * curvature(car.wheel, mean, parameters)
    _move(car, mean, turn, dt, parameters.rear_axle)
    car.yaw_rate = car.speed * curvature(car.wheel, car.speed, parameters)


def curvature(wheel: float, speed: float, parameters: CarParameters) -> float:
    """Curvature of the rear axle's path, left positive [1/m], for a steering position and a speed [m/s]."""
    angle = -wheel * parameters.max_wheel_angle * parameters.steering_limit(speed)
    bound = parameters.friction * GRAVITY / max(speed * speed, 1e-6)
    return min(max(math.tan(angle) / parameters.wheelbase, -bound), bound)


def next_speed(speed: float, control: Control, dt: float, parameters: CarParameters) -> float:
    """Speed [m/s] after ``dt`` [s]: traction may change its sign, resistance and brakes only end it."""
    power_bound = parameters.max_power / max(abs(speed), 1e-3)
    force = control.throttle * min(parameters.max_force, power_bound)
    traction = control.direction() * force / parameters.mass * dt
    braking = max(control.brake, parameters.hand_brake_share if control.hand_brake else 0.0)
    drag = 0.5 * AIR_DENSITY * parameters.drag_area * speed * speed / parameters.mass
    resisting = (drag + GRAVITY * (parameters.rolling_resistance + braking * parameters.friction)) * dt
    pushed = speed + traction
    return math.copysign(max(abs(pushed) - resisting, 0.0), pushed)


def _move(car: Car, speed: float, yaw_rate: float, dt: float, rear_axle: float) -> None:
    """Exact motion of the rear axle along a circle, then back to the origin."""
    x = car.x - rear_axle * math.cos(car.yaw)
    y = car.y - rear_axle * math.sin(car.yaw)
    half = 0.5 * yaw_rate * dt
    chord = speed * dt * (math.sin(half) / half if abs(half) > 1e-9 else 1.0)
    x += chord * math.cos(car.yaw + half)
    y += chord * math.sin(car.yaw + half)
    car.yaw = wrap_angle(car.yaw + 2.0 * half)
    car.x = x + rear_axle * math.cos(car.yaw)
    car.y = y + rear_axle * math.sin(car.yaw)
