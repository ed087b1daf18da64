# SPDX-License-Identifier: Apache-2.0
"""What goes into the command gate and what comes out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from td3_driving.driving.action import Command


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on the three clocks that the gate looks at.

    Attributes:
        time: by which budgets and rates are counted [s]: monotonic; simulated where the whole system is.
        clock_ns: the clock that stamps are taken from [ns].
        wall: monotonic time of this computer [s].
    """

    time: float
    clock_ns: int
    wall: float


class Mode(IntEnum):
    """What the gate does; numbers as in ``td3_driving_msgs/GateStatus``."""

    WAITING = 0
    ACTIVE = 1
    HOLDING = 2
    COMFORTABLE_STOP = 3
    EMERGENCY_STOP = 4
    MANUAL = 5
    DISENGAGED = 6


class FaultSeverity(IntEnum):
    """What follows from a fault."""

    WARN = 1
    COMFORTABLE = 2
    EMERGENCY = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong: where (``command``, ``camera``, ``odometry``, ``clock``, ``writer``, …), what, how bad."""

    source: str
    text: str
    severity: FaultSeverity

    def __str__(self) -> str:
        return f"{self.source}: {self.text}"


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command that somebody asks for.

    Attributes:
        command: pedals and steering; may hold any number, or none.
        stamp_ns: of the camera image that it was computed from [ns].
        reverse: drive backwards; the gate passes that on for a person only.
    """

    command: Command
    stamp_ns: int
    reverse: bool = False

    def problem(self) -> str:
        """Why it cannot be used, "" when it can."""
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
    """What the gate decided at one moment.

    Attributes:
        mode: what it does.
        command: for the vehicle; None: nothing may be published to it.
        acceleration: that the pedals stand for [m/s^2].
        speed: at which the limits were taken [m/s].
        reverse: drive backwards.
        latched: whether only a reset ends the stop.
        reason: why the mode is not ACTIVE, "" when it is.
        faults: everything that is wrong now.
        filters: the limits that changed the command.
        request: the policy's command behind this one; None where it has no part in it.
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
