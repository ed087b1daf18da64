# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs of the command gate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from td3_driving.driving.action import Command


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on the three clocks of the gate.

    Attributes:
        time: clock of budgets and rates [s]: monotonic; simulated where the whole system is.
        clock_ns: clock of the stamps [ns].
        wall: monotonic time of this computer [s].
    """

    time: float
    clock_ns: int
    wall: float


class Mode(IntEnum):
    """The gate's mode; numbers as in ``td3_driving_msgs/GateStatus``."""

    WAITING = 0
    ACTIVE = 1
    HOLDING = 2
    COMFORTABLE_STOP = 3
    EMERGENCY_STOP = 4
    MANUAL = 5
    DISENGAGED = 6


class FaultSeverity(IntEnum):
    """The gate's response to a fault."""

    WARN = 1
    COMFORTABLE = 2
    EMERGENCY = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: source (``command``, ``camera``, ``odometry``, ``clock``, ``writer``, …), text and severity."""

    source: str
    text: str
    severity: FaultSeverity

    def __str__(self) -> str:
        return f"{self.source}: {self.text}"


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A requested command.

    Attributes:
        command: pedals and steering; may hold any number, also NaN.
        stamp_ns: of the camera image that it was computed from [ns].
        reverse: drive backwards; the gate accepts that from a person only.
    """

    command: Command
    stamp_ns: int
    reverse: bool = False

    def problem(self) -> str:
        """Return why the command is unusable, "" when it is usable."""
        for name in ("steer", "throttle", "brake"):
            value = getattr(self.command, name)
            if not math.isfinite(value):
                return f"{name} is {value}"
        return ""


def in_range(command: Command) -> Command:
    """Finite pedals and steering brought into [0, 1] and [-1, 1]; where both pedals are down, the brake counts."""
    brake = min(max(command.brake, 0.0), 1.0)
    throttle = 0.0 if brake > 0.0 else min(max(command.throttle, 0.0), 1.0)
    return Command(throttle=throttle, brake=brake, steer=min(max(command.steer, -1.0), 1.0))


@dataclass(frozen=True, slots=True)
class GateOutput:
    """The gate's decision at one moment.

    Attributes:
        mode: the gate's mode.
        command: for the vehicle; None: publish nothing to it.
        acceleration: that the pedals stand for [m/s^2].
        speed: speed for which the limits were read [m/s].
        reverse: drive backwards.
        latched: whether only a reset ends the stop.
        reason: why the mode is not ACTIVE, "" when it is.
        faults: all present faults.
        filters: the limits that changed the command.
        request: the policy's command behind this one; None where another source decided.
        fresh: whether this is the first output made from ``request``.
    """

    mode: Mode
    command: Command | None
    acceleration: float
    speed: float
    reverse: bool = False
    latched: bool = False
    reason: str = ""
    faults: tuple[Fault, ...] = ()
    filters: tuple[str, ...] = ()
    request: CommandRequest | None = None
    fresh: bool = False
