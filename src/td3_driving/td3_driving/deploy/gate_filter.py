# SPDX-License-Identifier: Apache-2.0
"""The limits of the gate: bounds by speed, rate of the steering, jerk.

A credit of time limits the rates: it grows with time up to one period of the policy, and every change spends what it
takes at the greatest rate. So over any interval the command changes by no more than the rate times the interval and one
period, and a policy that asks for that much from one command to the next gets it at once, not in steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.deploy.gate_types import in_range
from td3_driving.deploy.limits import GateSettings
from td3_driving.deploy.pedals import PedalMap
from td3_driving.driving.action import Command


@dataclass(frozen=True, slots=True)
class Limited:
    """A command inside the limits, the acceleration [m/s^2] it stands for, and the limits that changed it."""

    command: Command
    acceleration: float
    filters: tuple[str, ...]


class Limiter:
    """Keeps commands inside the limits.

    Attributes:
        steer: last steering, right positive.
        acceleration: last acceleration asked of the pedals [m/s^2].
    """

    def __init__(self, settings: GateSettings) -> None:
        self._limits, self._vehicle, self._stop = settings.limits, settings.vehicle, settings.stop
        self._pedals = PedalMap(settings.pedals)
        self._most_credit = settings.budget.policy_period
        self.restart(0.0, 0.0)

    def restart(self, steer: float, acceleration: float) -> None:
        """Restart from the vehicle's present motion, whatever was sent before."""
        self.steer, self.acceleration = min(max(steer, -1.0), 1.0), acceleration
        self._steer_credit = self._jerk_credit = 0.0

    def follow(self, command: Command, speed: float) -> None:
        """Follow another driver's command, so that limits later continue from it."""
        self.restart(command.steer, self._pedals.acceleration(command.throttle - command.brake, speed))

    def advance(self, dt: float) -> None:
        """Advance the time by ``dt`` [s]."""
        self._steer_credit = min(self._steer_credit + dt, self._most_credit)
        self._jerk_credit = min(self._jerk_credit + dt, self._most_credit)

    def limit(self, asked: Command, speed: float) -> Limited:
        """The nearest command to ``asked`` (finite) that the limits allow at ``speed`` [m/s]."""
        command = in_range(asked)
        filters = [] if command == asked else ["range"]
        steer = self._limit_steer(command.steer, speed, filters)
        pedal, before = command.throttle - command.brake, len(filters)
        acceleration = self._limit_acceleration(pedal, speed, filters)
        if len(filters) > before:
            pedal = self._pedal(acceleration, speed)
        return Limited(Command(max(pedal, 0.0), max(-pedal, 0.0), steer), acceleration, tuple(filters))

    def stop(self, deceleration: float, jerk: float, speed: float) -> Limited:
        """Throttle off at once, then brake with ``deceleration`` [m/s^2], built up at ``jerk`` [m/s^3].

        It never brakes less than before, and holds the wheel.
        """
        filters: list[str] = []
        steer = self._limit_steer(self.steer, speed, filters)
        standing = abs(speed) < self._stop.standing_speed
        wanted = -max(deceleration, self._stop.hold) if standing else -deceleration
        self.acceleration = min(self.acceleration, self._pedals.acceleration(0.0, speed))
        change = min(max(self.acceleration - wanted, 0.0), jerk * self._jerk_credit)
        self.acceleration -= change
        self._jerk_credit -= change / jerk
        pedal = min(self._pedals.pedal(self.acceleration, speed), 0.0)
        return Limited(Command(0.0, -pedal, steer), self.acceleration, tuple(filters))

    def brake(self, deceleration: float, speed: float) -> Limited:
        """Brake with ``deceleration`` [m/s^2], at once; keep a stronger braking already in force; hold the wheel."""
        self.acceleration = min(self.acceleration, -max(deceleration, self._stop.hold))
        pedal = self._pedals.pedal(self.acceleration, speed)
        return Limited(Command(0.0, max(-pedal, 0.0), self.steer), self.acceleration, ())

    def _limit_steer(self, wanted: float, speed: float, filters: list[str]) -> float:
        low, high = self._steer_reach(speed)
        steer = _clip(wanted, low, high, "steer rate", filters)
        bound = self._limits.at("steer", speed)
        if abs(speed) >= self._stop.standing_speed:
            bound = min(bound, self._vehicle.steer_of_lateral(self._limits.lateral_acceleration, speed))
        steer = _clip(steer, -bound, bound, "steer limit", filters)
        spent = max(
            abs(steer - self.steer) / self._limits.at("steer_rate", speed),
            abs(self._vehicle.lateral(steer, speed) - self._vehicle.lateral(self.steer, speed))
            / self._limits.lateral_jerk,
        )
        self._steer_credit = max(self._steer_credit - spent, 0.0)
        self.steer = steer
        return steer

    def _steer_reach(self, speed: float) -> tuple[float, float]:
        """Return the present range of the steering by its own rate and by the lateral jerk."""
        change = self._limits.at("steer_rate", speed) * self._steer_credit
        low, high = self.steer - change, self.steer + change
        if abs(speed) < self._stop.standing_speed:
            return low, high
        lateral = self._vehicle.lateral(self.steer, speed)
        change = self._limits.lateral_jerk * self._steer_credit
        to_left, to_right = (self._vehicle.steer_of_lateral(lateral + by, speed) for by in (-change, change))
        return min(max(low, to_left), self.steer), max(min(high, to_right), self.steer)

    def _limit_acceleration(self, pedal: float, speed: float, filters: list[str]) -> float:
        least, most = -self._limits.at("brake", speed), self._limits.at("throttle", speed)
        pedal = _clip(pedal, least, most, "pedal limit", filters)
        wanted, before = self._pedals.acceleration(pedal, speed), self.acceleration
        if abs(speed) < self._stop.standing_speed and wanted > before:
            # A standing vehicle does not decelerate, however hard it brakes.
            before = max(before, min(wanted, 0.0))
        change = self._limits.at("jerk", speed) * self._jerk_credit
        acceleration = _clip(wanted, before - change, before + change, "jerk", filters)
        low = max(-self._limits.at("deceleration", speed), self._pedals.acceleration(least, speed))
        high = min(self._limits.at("acceleration", speed), self._pedals.acceleration(most, speed))
        acceleration = _clip(acceleration, low, high, "acceleration limit", filters)
        spent = abs(acceleration - before) / self._limits.at("jerk", speed)
        self._jerk_credit = max(self._jerk_credit - spent, 0.0)
        self.acceleration = acceleration
        return acceleration

    def _pedal(self, acceleration: float, speed: float) -> float:
        least, most = -self._limits.at("brake", speed), self._limits.at("throttle", speed)
        return min(max(self._pedals.pedal(acceleration, speed), least), most)


def _clip(value: float, low: float, high: float, name: str, filters: list[str]) -> float:
    """``value`` in ``[low, high]``; ``name`` is noted where that changed it."""
    clipped = min(max(value, low), high)
    if clipped != value:
        filters.append(name)
    return clipped
