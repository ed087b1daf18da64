# SPDX-License-Identifier: Apache-2.0
"""A flood of random and hostile input through the whole gate: no exception, no command outside the limits."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest

from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_types import CommandRequest, GateOutput, Instant, Mode
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving.action import Command
from td3_driving.driving.vehicle_state import VehicleState

from .gate_limits import LIMITS, ROUNDING, check_bounds

ODD = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 1e-7, 1.0 + 1e-12, 2.0, -2.0)
INPUTS = 120_000
PARTS = 4
EPISODE = 300
"""Inputs after which a new gate is put into the flood: one that stopped lets nothing through any more."""
HOSTILITY = (0.0, 0.003, 0.05, 0.5)
"""Shares of inputs with something odd about them; each episode has one."""


class Flood:
    """Inputs in random order, and a check of every output."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.modes: Counter[Mode] = Counter()
        self.inputs = self.outputs = self.resets = 0

    def run(self, inputs: int) -> None:
        """Several episodes."""
        for _ in range(inputs // EPISODE):
            self.begin()
            for _ in range(EPISODE):
                self.send()
                self.advance()
                if self.inputs % 2:
                    self.check(self.gate.tick(self.at()))

    def begin(self) -> None:
        """A new gate in a new world."""
        self.hostility = self.random.choice(HOSTILITY)
        self.reports = self.random.random() < 0.3
        self.gate = Gate(GateSettings(), needs_control_mode=self.reports)
        self.time, self.clock_ns, self.wall = 100.0, 10**11, 100.0
        self.speed = self.random.uniform(0.0, 35.0)

    def odd(self) -> bool:
        return self.random.random() < self.hostility

    def number(self, low: float, high: float) -> float:
        return self.random.choice(ODD) if self.odd() else self.random.uniform(low, high)

    def stamp(self) -> int:
        """Now; sometimes long ago, in the future, or the same again."""
        offset = self.random.choice((-0.01, 0.05, 0.2, -0.2, -30.0, 30.0)) if self.odd() else 0.0
        return self.clock_ns + round(offset * 1e9)

    def at(self) -> Instant:
        return Instant(self.time, self.clock_ns, self.wall)

    def advance(self) -> None:
        """Time goes on by 2 to 20 ms; a clock may jump."""
        dt = self.random.choice((0.002, 0.005, 0.01, 0.02))
        self.time, self.clock_ns, self.wall = self.time + dt, self.clock_ns + round(dt * 1e9), self.wall + dt
        if self.random.random() < 0.02 * self.hostility:
            clock = self.random.randrange(3)
            self.time += self.random.uniform(-50.0, 50.0) if clock == 0 else 0.0
            self.clock_ns += self.random.randrange(-(10**11), 10**11) if clock == 1 else 0
            self.wall += 5.0 if clock == 2 else 0.0

    def send(self) -> None:
        """One input; the three that the gate lives on come in turn."""
        self.inputs += 1
        kind = self.random.randrange(12) if self.odd() else self.inputs % 3
        gate, at = self.gate, self.at()
        command = Command(self.number(-0.2, 1.2), self.number(-1.2, 0.9), self.number(-0.4, 0.4))
        if kind in (0, 3, 4):
            gate.on_command(CommandRequest(command, self.stamp()), at)
        elif kind in (1, 5):
            gate.on_camera(self.stamp(), self.random.randrange(3) if self.odd() else self.inputs, at)
        elif kind in (2, 6):
            gate.on_odometry(self.state(), at)
        elif kind == 7:
            gate.on_manual(CommandRequest(command, self.stamp(), self.random.random() < 0.5), at)
        else:
            self.seldom(kind)
        if self.reports and self.inputs % 20 == 0:
            gate.on_control_mode(not self.odd(), at)
        if self.random.random() < 0.02:
            self.resets += gate.latched is not None and not gate.reset(at)

    def state(self) -> VehicleState:
        self.speed = min(max(self.speed + self.random.gauss(0.0, 0.1), -2.0), 45.0)
        if gate_stops(self.gate.mode):
            self.speed = max(self.speed - 0.5, 0.0)
        pose = self.number(-1e4, 1e4), self.number(-1e4, 1e4), 0.0, self.number(-4.0, 4.0)
        speed = self.number(-200.0, 200.0) if self.odd() else self.speed
        return VehicleState(self.stamp(), *pose, speed, 0.0, self.number(-1.0, 1.0))

    def seldom(self, kind: int) -> None:
        chance = self.random.random()
        if kind == 8:
            self.gate.set_override(chance < 0.2)
        elif kind == 9:
            self.gate.writers = 2 if chance < 0.2 else 1
        elif kind == 10 and chance < 0.2:
            self.gate.stop("button")

    def check(self, output: GateOutput) -> None:
        """Numbers, and the limits of the mode."""
        self.outputs += 1
        self.modes[output.mode] += 1
        if output.command is None:
            assert output.mode in (Mode.WAITING, Mode.DISENGAGED)
            return
        values = (output.command.steer, output.command.throttle, output.command.brake, output.acceleration)
        assert all(math.isfinite(value) for value in values), output
        assert abs(output.command.steer) <= 1.0 and output.command.throttle * output.command.brake == 0.0
        if output.mode in (Mode.ACTIVE, Mode.HOLDING):
            check_bounds(output.command, output.speed)
            assert not output.latched
        elif output.mode is not Mode.MANUAL:
            assert output.command.throttle == 0.0 <= output.command.brake <= 1.0
            assert abs(output.command.steer) <= LIMITS.at("steer", output.speed) + ROUNDING


def gate_stops(mode: Mode) -> bool:
    return mode in (Mode.COMFORTABLE_STOP, Mode.EMERGENCY_STOP)


@pytest.mark.parametrize("seed", range(PARTS))
def test_flood_of_inputs(seed: int) -> None:
    flood = Flood(seed)
    flood.run(INPUTS // PARTS)
    assert flood.inputs * PARTS == INPUTS
    assert set(flood.modes) == set(Mode), flood.modes
    assert flood.modes[Mode.ACTIVE] > 0.3 * flood.outputs, "a flood that only ever stops the gate tests little"
    assert flood.resets > 0
