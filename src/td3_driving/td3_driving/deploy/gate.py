# SPDX-License-Identifier: Apache-2.0
"""The command gate: the last stage before the vehicle, independent of the policy.

It lets a command through inside the limits, holds the last one for a bounded time when the next is late, and stops the
vehicle when that time is over or an input is faulty. A stop is latched: only :meth:`Gate.reset` ends it, only when the
vehicle stands and no fault is left. A person's override takes precedence at once.
"""

from __future__ import annotations

import math
from collections import deque

from td3_driving.deploy.gate_filter import Limited, Limiter
from td3_driving.deploy.gate_inputs import CameraInput, ClockWatch, CommandInput, ControlModeInput, Input, OdometryInput
from td3_driving.deploy.gate_types import CommandRequest, Fault, FaultSeverity, GateOutput, Instant, Mode, in_range
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving.action import Command
from td3_driving.driving.vehicle_state import VehicleState

STOPS = {FaultSeverity.COMFORTABLE: Mode.COMFORTABLE_STOP, FaultSeverity.EMERGENCY: Mode.EMERGENCY_STOP}
SILENT = (Mode.WAITING, Mode.DISENGAGED)
"""Modes in which the gate publishes nothing to the vehicle."""
LEAST_SPEED_FOR_YAW = 1.0
"""Below this speed the yaw rate does not determine the wheel angle [m/s]."""


class Gate:
    """Decides the vehicle's commands. The caller passes in the inputs and the time and publishes the outputs.

    Args:
        settings: limits, budgets, stops, vehicle.
        needs_control_mode: the vehicle reports whether it is in autonomous mode, and the gate acts in that mode only.
    """

    def __init__(self, settings: GateSettings, needs_control_mode: bool = False) -> None:
        self.settings = settings
        budget, stop = settings.budget, settings.stop
        self.command, self.camera = CommandInput(budget, stop), CameraInput(budget)
        self.odometry, self.control_mode = OdometryInput(budget), ControlModeInput(budget)
        self.manual = Input("manual", budget)
        self.writers = 1
        self.mode = Mode.WAITING
        self.needs_control_mode = needs_control_mode
        self._override = False
        self._manual_request: CommandRequest | None = None
        self._latched: Fault | None = None
        self._severity = FaultSeverity.WARN
        self._events: list[Fault] = []
        self._clock = ClockWatch(budget)
        self._limiter = Limiter(settings)
        self._speed = 0.0
        self._filtered: deque[bool] = deque(maxlen=settings.stop.share_window)

    # Inputs.

    def on_command(self, request: CommandRequest, at: Instant) -> None:
        """A command of the policy."""
        self.command.offer(request, at)

    def on_camera(self, stamp_ns: int, fingerprint: int, at: Instant) -> None:
        """Take an image, by its stamp [ns] and a hash of its content."""
        self.camera.see(stamp_ns, fingerprint, at)

    def on_odometry(self, state: VehicleState, at: Instant) -> None:
        """Pose and motion of the vehicle."""
        self.camera.move(self.odometry.measure(state, at))

    def on_manual(self, request: CommandRequest, at: Instant) -> None:
        """A command of a person; it counts while the override is on."""
        if request.problem():
            self.manual.refuse(request.problem())
            return
        self.manual.take(at.clock_ns, at)
        self._manual_request = request

    def set_override(self, on: bool) -> None:
        """Switch the override of a person on or off."""
        self._override = on

    def on_control_mode(self, autonomous: bool, at: Instant, latched: bool = False) -> None:
        """The vehicle's own report of who drives it; ``latched`` where its publisher keeps it for late listeners."""
        self.control_mode.report(autonomous, at, latched)

    def stop(self, reason: str) -> None:
        """Request an emergency stop; it waits for the end of an override."""
        self._events.append(Fault("operator", reason, FaultSeverity.EMERGENCY))

    def reset(self, at: Instant) -> str:
        """End a latched stop; returns "" when done, else the reason why not."""
        if self._latched is None:
            return ""
        wrong = [fault for fault in self._faults(at) if fault.severity > FaultSeverity.WARN]
        if wrong:
            return f"not yet: {wrong[0]}"
        if abs(self._speed) >= self.settings.stop.standing_speed:
            return f"not yet: the vehicle moves at {self._speed:.1f} m/s"
        self._latched = None
        self.mode = Mode.ACTIVE
        return ""

    # Outputs.

    @property
    def filtered_share(self) -> float:
        """Share of the last commands that a limit changed."""
        return sum(self._filtered) / len(self._filtered) if self._filtered else 0.0

    @property
    def latched(self) -> Fault | None:
        """First cause of the latched stop."""
        return self._latched

    def tick(self, at: Instant) -> GateOutput:
        """Decide the vehicle's present command."""
        self._advance(at)
        faults = self._faults(at)
        self._events.clear()
        self.mode, reason = self._next_mode(at, faults)
        request = self.command.request
        limited = self._drive(request)
        driven = self.mode in (Mode.ACTIVE, Mode.HOLDING)
        fresh, self.command.fresh = driven and self.command.fresh, False
        if fresh and limited is not None:
            self._filtered.append(bool(limited.filters))
        manual = self._manual_request if self.mode is Mode.MANUAL else None
        return GateOutput(
            mode=self.mode,
            command=None if limited is None else limited.command,
            acceleration=math.nan if limited is None else limited.acceleration,
            speed=self._speed,
            reverse=manual is not None and manual.reverse,
            latched=self._latched is not None,
            reason=reason,
            faults=faults,
            filters=() if limited is None else limited.filters,
            request=request if driven else None,
            fresh=fresh,
        )

    def farewell(self) -> GateOutput | None:
        """Return the last output before the gate ends; it stops even a vehicle that holds it for ever.

        None where no command was in force. The brake comes at once, because no later output can build it up.
        """
        if self.mode in SILENT:
            return None
        stop = self.settings.stop
        hard = self.mode is Mode.EMERGENCY_STOP
        limited = self._limiter.brake(stop.emergency if hard else stop.comfortable, self._speed)
        mode = Mode.EMERGENCY_STOP if hard else Mode.COMFORTABLE_STOP
        return GateOutput(
            mode, limited.command, limited.acceleration, self._speed, latched=True, reason="the gate ends"
        )

    def _advance(self, at: Instant) -> None:
        dt, fault, jumped = self._clock.step(at)
        if fault is not None:
            self._events.append(fault)
        if jumped:
            for source in (self.command, self.camera, self.odometry, self.control_mode, self.manual):
                source.start_anew(at)
        self._limiter.advance(dt)
        state = self.odometry.state
        if state is not None and self.odometry.age(at) <= self.settings.budget.comfortable_after:
            self._speed = state.speed
        else:
            slower = min(self._limiter.acceleration, 0.0) * dt
            self._speed = math.copysign(max(abs(self._speed) + slower, 0.0), self._speed)

    def _faults(self, at: Instant) -> tuple[Fault, ...]:
        """Return all present faults, the worst first."""
        budget = self.settings.budget
        late = min(budget.policy_period + budget.warn_ticks / budget.rate, budget.comfortable_after)
        found = [
            *self._events,
            *(source.event() for source in (self.command, self.camera, self.odometry)),
            self.command.fault(at, late, budget.comfortable_after),
            self.camera.fault(at, budget.camera_age, budget.camera_age),
            self.odometry.fault(at, late, budget.comfortable_after),
            self.command.flip_fault(at),
            self.camera.frozen_fault(at),
            self._writer_fault(),
        ]
        if self.needs_control_mode:
            found.append(self.control_mode.silence(at))
        return tuple(sorted((fault for fault in found if fault is not None), key=lambda fault: -fault.severity))

    def _writer_fault(self) -> Fault | None:
        if self.writers <= 1:
            return None
        return Fault("writer", f"{self.writers} publishers command the vehicle instead of one", FaultSeverity.EMERGENCY)

    def _next_mode(self, at: Instant, faults: tuple[Fault, ...]) -> tuple[Mode, str]:
        """The mode from now on, and why it is not ACTIVE."""
        worst = faults[0] if faults else None
        for fault in faults:
            if fault.source == "operator":
                self._latch(fault)
        if self._override:
            return self._manual_mode(at)
        if self.needs_control_mode and not self.control_mode.autonomous:
            return Mode.DISENGAGED, self.control_mode.said
        grave = worst is not None and worst.severity > FaultSeverity.WARN
        if self._latched is None and self.mode in SILENT and grave:
            return Mode.WAITING, "; ".join(map(str, faults))
        if grave and worst is not None:
            self._latch(worst)
        if self._latched is not None:
            return STOPS[self._severity], str(self._latched)
        return (Mode.ACTIVE, "") if worst is None else (Mode.HOLDING, str(worst))

    def _manual_mode(self, at: Instant) -> tuple[Mode, str]:
        age = self.manual.age(at)
        if age <= self.settings.budget.manual_age:
            return Mode.MANUAL, "a person drives"
        text = "none yet" if age == math.inf else f"none for {age:.2f} s"
        return Mode.COMFORTABLE_STOP, f"manual: {text}"

    def _latch(self, fault: Fault) -> None:
        if self._latched is None:
            self._latched, self._severity = fault, fault.severity
        self._severity = max(self._severity, fault.severity)

    def _drive(self, request: CommandRequest | None) -> Limited | None:
        """The command of the mode; None where nothing may be published."""
        stop = self.settings.stop
        if self.mode in SILENT:
            self._limiter.restart(self._measured_steer(), self.odometry.acceleration)
            return None
        if self.mode is Mode.MANUAL:
            return self._drive_manually()
        if self.mode is Mode.COMFORTABLE_STOP:
            return self._limiter.stop(stop.comfortable, stop.comfortable_jerk, self._speed)
        if self.mode is Mode.EMERGENCY_STOP or request is None:
            return self._limiter.stop(stop.emergency, stop.emergency_jerk, self._speed)
        return self._limiter.limit(request.command, self._speed)

    def _drive_manually(self) -> Limited:
        manual = self._manual_request
        command = in_range(manual.command if manual is not None else Command(0.0, 0.0, self._limiter.steer))
        self._limiter.follow(command, self._speed)
        return Limited(command, self._limiter.acceleration, ())

    def _measured_steer(self) -> float:
        """Return the steering from yaw rate and speed; the last steering at walking pace, where they are unreliable."""
        state, vehicle = self.odometry.state, self.settings.vehicle
        if state is None or abs(state.speed) < LEAST_SPEED_FOR_YAW:
            return self._limiter.steer
        return vehicle.steer(math.atan(vehicle.wheelbase * state.yaw_rate / state.speed), state.speed)
