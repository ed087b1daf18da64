# SPDX-License-Identifier: Apache-2.0
"""Drives a gate through simulated time, for its tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_types import CommandRequest, GateOutput, Instant, Mode
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving.action import Command
from td3_driving.driving.navigation import LocalisationError
from td3_driving.driving.vehicle_state import VehicleState

TICK = 0.02
PERIOD = 0.05
START = 1000.0
BRAKE_PER = 8.8290
"""Deceleration of the full brake at 5 m/s beyond that of coasting [m/s^2]: 8.9797 - 0.1507."""
COAST = 0.1507


def instant(time: float, shift: float = 0.0) -> Instant:
    """``time`` [s] on all clocks; the clock of the stamps is ``shift`` [s] ahead."""
    return Instant(time, round((time + shift) * 1e9), time)


def state(time: float, speed: float = 0.0, yaw_rate: float = 0.0) -> VehicleState:
    """A vehicle on the x axis."""
    return VehicleState(round(time * 1e9), 0.0, 0.0, 0.0, 0.0, speed, 0.0, yaw_rate)


@dataclass
class Course:
    """A healthy world around a gate; each test breaks what it is about.

    Attributes:
        command: what the policy asks for, at 20 Hz.
        speed: of the vehicle [m/s]; it stays as it is set.
        silent: inputs that do not come: ``command``, ``camera``, ``odometry``.
        image: content of the camera; None: another one every time.
        shift: of the clock of the stamps against time [s].
        error: of the positions in the odometry.
    """

    gate: Gate = field(default_factory=lambda: Gate(GateSettings()))
    command: Command = field(default_factory=lambda: Command(0.2, 0.0, 0.0))
    speed: float = 5.0
    time: float = START
    silent: set[str] = field(default_factory=set)
    image: int | None = None
    shift: float = 0.0
    error: LocalisationError | None = None
    outputs: list[GateOutput] = field(default_factory=list)
    _ticks: int = 0

    def at(self) -> Instant:
        return instant(self.time, self.shift)

    def inputs(self) -> None:
        """One frame: image, odometry, command, all with the same stamp."""
        at = self.at()
        if "camera" not in self.silent:
            self.gate.on_camera(at.clock_ns, self._ticks if self.image is None else self.image, at)
        if "odometry" not in self.silent:
            vehicle = replace(state(0.0, self.speed), stamp_ns=at.clock_ns)
            self.gate.on_odometry(vehicle if self.error is None else self.error.apply(vehicle), at)
        if "command" not in self.silent:
            self.gate.on_command(CommandRequest(self.command, at.clock_ns), at)

    def step(self) -> GateOutput:
        """10 ms: inputs every 50 ms, an output every 20 ms; the last output."""
        if self._ticks % 5 == 0:
            self.inputs()
        if self._ticks % 2 == 0:
            self.outputs.append(self.gate.tick(self.at()))
        self._ticks += 1
        self.time = START + 0.01 * self._ticks
        return self.outputs[-1]

    def run(self, seconds: float) -> GateOutput:
        """Several steps; the last output."""
        for _ in range(round(seconds * 100)):
            self.step()
        return self.outputs[-1]


def driving(**changes: object) -> Course:
    """A course on which the policy has been driving for a second."""
    course = Course(**changes)  # type: ignore[arg-type]
    assert course.run(1.0).mode is Mode.ACTIVE
    return course


def modes(course: Course, seconds: float) -> dict[Mode, float]:
    """Mode -> time [s] after now at which it was first seen."""
    begin = course.time
    seen: dict[Mode, float] = {}
    for _ in range(round(seconds * 100)):
        seen.setdefault(course.step().mode, round(course.time - 0.01 - begin, 3))
    return seen
