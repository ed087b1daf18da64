# SPDX-License-Identifier: Apache-2.0
"""Every setting of the command gate: typed, bounded, with its unit and meaning; the defaults suit a passenger car.

Tables go by speed: each lists one value for each entry of the ``speeds`` beside it, and is interpolated between them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Mapping

from td3_driving.bounded import Bounded, SettingsError, digest_of, flag, flattened, group_values, number


def interpolate(value: float, axis: Sequence[float], row: Sequence[float]) -> float:
    """``row`` at ``value``, between the entries of the rising ``axis``; beyond its ends the end counts.

    The same as ``numpy.interp``, which takes ten times as long for a single number.
    """
    above = bisect_right(axis, value)
    if above == 0:
        return row[0]
    if above == len(axis):
        return row[-1]
    low, high = axis[above - 1], axis[above]
    return row[above - 1] + (row[above] - row[above - 1]) * (value - low) / (high - low)


def table(default: tuple[float, ...], low: float, high: float, meaning: str, unit: str = "") -> Any:
    """A field of several numbers, each in ``[low, high]``."""
    meaning = f"{meaning}; each in {low:g} .. {high:g}"
    return field(default=default, metadata={"each": (low, high), "meaning": meaning, "unit": unit})


class Tabled(Bounded):
    """Settings with tables; checks every entry."""

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            if "each" in spec.metadata:
                value = _checked(f"{type(self).__name__}.{spec.name}", getattr(self, spec.name), spec.metadata)
                object.__setattr__(self, spec.name, value)
        super().__post_init__()

    def require_equal_lengths(self, first: str, *others: str) -> None:
        """All of these tables list as many values as ``first``, which rises.

        Raises:
            SettingsError: one does not.
        """
        axis = getattr(self, first)
        if any(after <= before for before, after in zip(axis, axis[1:])):
            raise SettingsError(f"{type(self).__name__}.{first}: {list(axis)} does not rise")
        for name in others:
            if len(getattr(self, name)) != len(axis):
                count = len(getattr(self, name))
                raise SettingsError(f"{type(self).__name__}.{name}: {count} values for {len(axis)} {first}")


def _checked(name: str, value: Any, metadata: Mapping[str, Any]) -> tuple[float, ...]:
    low, high = metadata["each"]
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise SettingsError(f"{name}: {value!r} is not a list of numbers")
    numbers = list(value)
    if not numbers or any(isinstance(entry, bool) or not isinstance(entry, (int, float)) for entry in numbers):
        raise SettingsError(f"{name}: {numbers!r} is not a list of numbers")
    for entry in numbers:
        if not low <= entry <= high:
            raise SettingsError(f"{name}: {entry!r} is outside {low:g} .. {high:g} {metadata['unit']}".rstrip())
    return tuple(float(entry) for entry in numbers)


@dataclass(frozen=True)
class LimitSettings(Tabled):
    """What a command may ask for. Steering and pedals as the policy gives them, the rest in physical units."""

    speeds: tuple[float, ...] = table((0.0, 5.0, 10.0, 20.0, 30.0), 0.0, 60.0, "speeds of the tables", "m/s")
    steer: tuple[float, ...] = table((1.0, 1.0, 0.5, 0.2, 0.1), 0.01, 1.0, "greatest steering to either side")
    throttle: tuple[float, ...] = table((1.0, 1.0, 1.0, 0.8, 0.6), 0.0, 1.0, "greatest throttle")
    brake: tuple[float, ...] = table((1.0, 1.0, 1.0, 1.0, 1.0), 0.0, 1.0, "greatest brake")
    acceleration: tuple[float, ...] = table((5.0, 5.0, 5.0, 4.0, 3.0), 0.1, 15.0, "greatest acceleration", "m/s^2")
    deceleration: tuple[float, ...] = table((8.0, 8.0, 8.0, 7.0, 6.0), 1.0, 15.0, "greatest deceleration", "m/s^2")
    jerk: tuple[float, ...] = table((20.0, 20.0, 15.0, 12.0, 10.0), 0.5, 100.0, "greatest change of that", "m/s^3")
    steer_rate: tuple[float, ...] = table(
        (2.0, 1.5, 1.0, 0.6, 0.4), 0.05, 10.0, "greatest change of the steering", "1/s"
    )
    lateral_acceleration: float = number(4.0, 0.5, 12.0, "greatest speed^2 times curvature", "m/s^2")
    lateral_jerk: float = number(7.0, 0.5, 50.0, "greatest change of that by steering", "m/s^3")

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ("steer", "throttle", "brake", "acceleration", "deceleration", "jerk", "steer_rate")
        self.require_equal_lengths("speeds", *names)

    def at(self, name: str, speed: float) -> float:
        """The entry of table ``name`` for a speed [m/s] of either sign; beyond its ends the end counts."""
        return interpolate(abs(speed), self.speeds, getattr(self, name))


@dataclass(frozen=True)
class BudgetSettings(Bounded):
    """How long something may be missing before the gate acts."""

    rate: float = number(50.0, 10.0, 200.0, "outputs of the gate", "1/s")
    policy_period: float = number(0.05, 0.005, 0.5, "time between two commands of the policy", "s")
    warn_ticks: int = number(2, 1, 50, "outputs without a new command that was due, after which that is a warning")
    comfortable_after: float = number(0.1, 0.02, 2.0, "age of command or odometry that begins a comfortable stop", "s")
    emergency_after: float = number(0.3, 0.05, 5.0, "age of any input that begins an emergency stop", "s")
    camera_age: float = number(0.15, 0.02, 2.0, "age from which an image counts as missing", "s")
    frozen_distance: float = number(1.0, 0.1, 20.0, "way over which the image may stay the same in every pixel", "m")
    manual_age: float = number(0.5, 0.05, 5.0, "age of a manual command that begins a comfortable stop", "s")
    control_mode_age: float = number(1.0, 0.1, 10.0, "age of the control mode that begins a comfortable stop", "s")
    clock_jump: float = number(0.05, 0.001, 5.0, "jump of the clock of the stamps that begins a comfortable stop", "s")
    clock_stall: float = number(2.0, 0.1, 60.0, "wall time that a simulated clock may stand still", "s")
    stamp_ahead: float = number(0.1, 0.0, 5.0, "how far a stamp may lie ahead of the clock", "s")
    compare_stamps: bool = flag(True, "take ages from the stamps too: sensors and this computer share a clock")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("comfortable_after", "camera_age"):
            if getattr(self, name) > self.emergency_after:
                late = f"{getattr(self, name)} s is later than emergency_after, {self.emergency_after} s"
                raise SettingsError(f"BudgetSettings.{name}: {late}")
        if self.policy_period >= self.comfortable_after:
            late = f"{self.comfortable_after} s leaves no time for a period of {self.policy_period} s"
            raise SettingsError(f"BudgetSettings.comfortable_after: {late}")


@dataclass(frozen=True)
class StopSettings(Bounded):
    """How the gate stops, and what makes it stop beside missing inputs."""

    comfortable: float = number(1.5, 0.3, 5.0, "deceleration of a comfortable stop", "m/s^2")
    comfortable_jerk: float = number(2.0, 0.3, 50.0, "how fast that deceleration is built up", "m/s^3")
    emergency: float = number(5.0, 1.0, 12.0, "deceleration of an emergency stop", "m/s^2")
    emergency_jerk: float = number(25.0, 1.0, 200.0, "how fast that deceleration is built up", "m/s^3")
    hold: float = number(2.0, 0.3, 10.0, "deceleration that the brake stands for while the vehicle stands", "m/s^2")
    standing_speed: float = number(0.1, 0.01, 1.0, "speed below which the vehicle counts as standing", "m/s")
    flip: float = number(0.8, 0.1, 2.0, "change of steering between two commands that no driver makes")
    flip_count: int = number(4, 2, 1000, "such changes within flip_window that begin a comfortable stop")
    flip_window: float = number(1.0, 0.1, 60.0, "time over which they are counted", "s")
    share_window: int = number(200, 10, 100_000, "commands over which the share of filtered ones is taken")
    share_warning: float = number(0.5, 0.0, 1.0, "share of filtered commands from which the gate warns")


@dataclass(frozen=True)
class VehicleSettings(Tabled):
    """The vehicle between steering and road; defaults: the Tesla Model 3 of CARLA and of the embedded simulator."""

    wheelbase: float = number(2.875, 0.2, 10.0, "distance of the axles", "m")
    max_wheel_angle: float = number(1.22173, 0.1, 1.4, "angle of the front wheels at steering 1", "rad")
    curve_speeds: tuple[float, ...] = table(
        (0.0, 5.5556, 16.6667, 33.3333), 0.0, 100.0, "speeds of the steering curve", "m/s"
    )
    curve_shares: tuple[float, ...] = table(
        (1.0, 0.9, 0.8, 0.7), 0.05, 1.0, "share of the wheel angle that steering 1 reaches at that speed"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_equal_lengths("curve_speeds", "curve_shares")

    def full_angle(self, speed: float) -> float:
        """Angle of the front wheels [rad] that full steering stands for at a speed [m/s]."""
        return self.max_wheel_angle * interpolate(abs(speed), self.curve_speeds, self.curve_shares)

    def wheel_angle(self, steer: float, speed: float) -> float:
        """Angle of the front wheels [rad], left positive, for a steering in [-1, 1], right positive."""
        return -steer * self.full_angle(speed)

    def steer(self, wheel_angle: float, speed: float) -> float:
        """Steering, right positive, for an angle of the front wheels [rad], left positive; may lie beyond [-1, 1]."""
        return -wheel_angle / self.full_angle(speed)

    def lateral(self, steer: float, speed: float) -> float:
        """Lateral acceleration [m/s^2] of a steering at a speed [m/s], right positive: speed^2 times curvature."""
        return speed * speed * math.tan(steer * self.full_angle(speed)) / self.wheelbase

    def steer_of_lateral(self, lateral: float, speed: float) -> float:
        """Inverse of :meth:`lateral`, for a speed other than 0; may lie beyond [-1, 1]."""
        return math.atan(lateral * self.wheelbase / (speed * speed)) / self.full_angle(speed)


@dataclass(frozen=True)
class PedalSettings(Tabled):
    """What the pedals do: acceleration by speed and by pedal (-1 full brake, 1 full throttle).

    The default was fitted on the embedded vehicle by ``td3-driving fit-pedals``, which prints the residuals.
    """

    speeds: tuple[float, ...] = table(
        (0.0, 5.0, 10.0, 15.0, 20.0, 22.0, 25.0, 30.0, 35.0), 0.0, 100.0, "speeds of the map", "m/s"
    )
    pedals: tuple[float, ...] = table((-1.0, -0.5, 0.0, 0.5, 1.0), -1.0, 1.0, "pedals of the map")
    accelerations: tuple[float, ...] = table(
        (
            *(-8.9754, -4.5609, -0.1464, 2.1571, 4.4606),
            *(-8.9797, -4.5652, -0.1507, 2.1529, 4.4564),
            *(-8.9924, -4.5779, -0.1634, 2.1400, 4.4433),
            *(-9.0135, -4.5990, -0.1845, 2.1195, 4.4236),
            *(-9.0434, -4.6289, -0.2144, 2.0871, 4.3885),
            *(-9.0582, -4.6437, -0.2292, 2.0875, 4.4041),
            *(-9.0815, -4.6670, -0.2525, 2.0068, 4.2662),
            *(-9.1280, -4.7135, -0.2990, 1.5660, 3.4309),
            *(-9.1832, -4.7687, -0.3542, 1.2534, 2.8609),
        ),
        *(-20.0, 20.0, "acceleration for each speed, and for each pedal at that speed", "m/s^2"),
    )


@dataclass(frozen=True)
class GateSettings:
    """The whole configuration of the gate."""

    limits: LimitSettings = field(default_factory=LimitSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    stop: StopSettings = field(default_factory=StopSettings)
    vehicle: VehicleSettings = field(default_factory=VehicleSettings)
    pedals: PedalSettings = field(default_factory=PedalSettings)

    def flat(self) -> dict[str, Any]:
        """The settings as ``{"group.name": value}``."""
        return flattened(self)

    def digest(self) -> str:
        """SHA-256 of all settings."""
        return digest_of(self.flat())


GATE_GROUPS: dict[str, type[Bounded]] = {
    name: type(getattr(GateSettings(), name)) for name in GateSettings.__dataclass_fields__
}


def gate_settings(values: Mapping[str, Any]) -> GateSettings:
    """Settings from ``{"group.name": value}`` on top of the defaults.

    Raises:
        SettingsError: a key is unknown, a value has the wrong type or is out of range.
    """
    return GateSettings(**group_values(values, GateSettings().flat(), GATE_GROUPS))
