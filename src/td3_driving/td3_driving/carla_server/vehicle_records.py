# SPDX-License-Identifier: Apache-2.0
"""The records of vehicles and walkers; see :mod:`td3_driving.carla_server.records`."""

from __future__ import annotations

from typing import NamedTuple

from td3_driving.carla_server.records import I32, Vector2D, Vector3D


class VehicleControl(NamedTuple):
    """Pedals in [0, 1], steering in [-1, 1], right positive."""

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: I32 = 0


class AckermannControl(NamedTuple):
    """Wheel angle [rad], right positive; speed [m/s]; acceleration [m/s²]."""

    steer: float = 0.0
    steer_speed: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0


class AckermannSettings(NamedTuple):
    """Gains of the controllers of speed and acceleration."""

    speed_kp: float = 0.15
    speed_ki: float = 0.0
    speed_kd: float = 0.25
    accel_kp: float = 0.01
    accel_ki: float = 0.0
    accel_kd: float = 0.01


class WalkerControl(NamedTuple):
    """Where a person walks, and how fast [m/s]."""

    direction: Vector3D = Vector3D(1.0, 0.0, 0.0)
    speed: float = 0.0
    jump: bool = False


class Gear(NamedTuple):
    """A gear."""

    ratio: float = 1.0
    down_ratio: float = 0.5
    up_ratio: float = 0.65


class Wheel(NamedTuple):
    """A wheel: angle [deg], radius and world position in centimetres, torques [N m]."""

    tire_friction: float = 3.5
    damping_rate: float = 0.25
    max_steer_angle: float = 70.0
    radius: float = 35.5
    max_brake_torque: float = 1500.0
    max_handbrake_torque: float = 3000.0
    lat_stiff_max_load: float = 2.0
    lat_stiff_value: float = 17.0
    long_stiff_value: float = 1000.0
    position: Vector3D = Vector3D()


class PhysicsControl(NamedTuple):
    """Physics parameters of a vehicle."""

    torque_curve: list[Vector2D] = [Vector2D(0.0, 500.0), Vector2D(5000.0, 500.0)]  # noqa: RUF012
    max_rpm: float = 5000.0
    moi: float = 1.0
    damping_rate_full_throttle: float = 0.15
    damping_rate_zero_throttle_clutch_engaged: float = 2.0
    damping_rate_zero_throttle_clutch_disengaged: float = 0.35
    use_gear_autobox: bool = True
    gear_switch_time: float = 0.5
    clutch_strength: float = 10.0
    final_ratio: float = 4.0
    forward_gears: list[Gear] = []  # noqa: RUF012
    mass: float = 1000.0
    drag_coefficient: float = 0.3
    center_of_mass: Vector3D = Vector3D()
    steering_curve: list[Vector2D] = []  # noqa: RUF012
    wheels: list[Wheel] = []  # noqa: RUF012
    use_sweep_wheel_collision: bool = False


class WheelTelemetry(NamedTuple):
    """Telemetry of one wheel; what the embedded model lacks is 0."""

    friction: float = 0.0
    lateral_slip: float = 0.0
    longitudinal_slip: float = 0.0
    omega: float = 0.0
    tire_load: float = 0.0
    normalized_tire_load: float = 0.0
    torque: float = 0.0
    longitudinal_force: float = 0.0
    lateral_force: float = 0.0
    normalized_longitudinal_force: float = 0.0
    normalized_lateral_force: float = 0.0


class Telemetry(NamedTuple):
    """Telemetry of a vehicle."""

    speed: float
    steer: float
    throttle: float
    brake: float
    engine_rpm: float
    gear: I32
    drag: float
    wheels: list[WheelTelemetry]
