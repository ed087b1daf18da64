# SPDX-License-Identifier: Apache-2.0
"""Tracks the age and the faults of each input of the gate."""

from __future__ import annotations

import math
from collections import deque

from td3_driving.deploy.gate_types import CommandRequest, Fault, FaultSeverity, Instant
from td3_driving.deploy.limits import BudgetSettings, StopSettings
from td3_driving.driving.vehicle_state import VehicleState

TINY = 1e-6
"""Tolerance of budgets for rounding [s]."""
FASTEST = 150.0
"""A greater speed is refused as a measurement error [m/s]."""
REPEATS = 2
"""Repetitions after which a latched report is one that comes regularly."""


class Input:
    """One input: time of its last message, stamp of that message, refusals.

    Attributes:
        refusal: why the last message was not taken, "" when it was.
        refused: messages refused so far.
        hint: why none may come, "" where nothing is known.
    """

    def __init__(self, name: str, budget: BudgetSettings) -> None:
        self.name, self._budget = name, budget
        self._arrived: float | None = None
        self._stamp_ns: int | None = None
        self._event: Fault | None = None
        self.refusal = self.hint = ""
        self.refused = 0

    def take(self, stamp_ns: int, at: Instant) -> bool:
        """Note a message; False when it is refused or not new."""
        ahead = (stamp_ns - at.clock_ns) * 1e-9
        if self._budget.compare_stamps and ahead > self._budget.stamp_ahead:
            self.refuse(f"its stamp is {ahead:.2f} s ahead of the clock")
            return False
        back = 0.0 if self._stamp_ns is None else (self._stamp_ns - stamp_ns) * 1e-9
        if back > 0.0:
            self._event = Fault(self.name, f"its stamp went back by {back:.2f} s", FaultSeverity.COMFORTABLE)
        elif stamp_ns == self._stamp_ns:
            return False
        self._arrived, self._stamp_ns, self.refusal = at.time, stamp_ns, ""
        return True

    def refuse(self, why: str) -> None:
        """Note an unusable message."""
        self.refusal = why
        self.refused += 1

    def start_anew(self, at: Instant) -> None:
        """Restart after a clock jump: ages count from now, and any stamp is accepted."""
        self._arrived = None if self._arrived is None else at.time
        self._stamp_ns = None

    def age(self, at: Instant) -> float:
        """Time since the last usable message [s]: since it came or, if that is longer, since its stamp."""
        if self._arrived is None:
            return math.inf
        since = at.time - self._arrived
        if self._budget.compare_stamps and self._stamp_ns is not None:
            since = max(since, (at.clock_ns - self._stamp_ns) * 1e-9)
        return since

    def event(self) -> Fault | None:
        """Return a fault since the last call."""
        event, self._event = self._event, None
        return event

    def fault(self, at: Instant, warn: float, comfortable: float) -> Fault | None:
        """Return the fault of the input's age, given the ages [s] that begin a warning and a comfortable stop."""
        age = self.age(at)
        if age <= warn + TINY:
            return None
        text = "none yet" if age == math.inf else f"none for {age:.2f} s"
        text += f"; the last was refused: {self.refusal}" if self.refusal else ""
        text += f"; {self.hint}" if self.hint else ""
        if age > self._budget.emergency_after + TINY:
            return Fault(self.name, text, FaultSeverity.EMERGENCY)
        return Fault(self.name, text, FaultSeverity.COMFORTABLE if age > comfortable + TINY else FaultSeverity.WARN)


class CommandInput(Input):
    """The policy's commands.

    Attributes:
        request: the last usable one.
        fresh: whether no output was made from it yet.
    """

    def __init__(self, budget: BudgetSettings, stop: StopSettings) -> None:
        super().__init__("command", budget)
        self._stop = stop
        self._flips: deque[float] = deque()
        self.request: CommandRequest | None = None
        self.fresh = False

    def offer(self, request: CommandRequest, at: Instant) -> None:
        """Take a command, or refuse it: not finite, or computed from an image that counts as missing by now."""
        old = (at.clock_ns - request.stamp_ns) * 1e-9
        problem = request.problem()
        if not problem and self._budget.compare_stamps and old > self._budget.camera_age + TINY:
            problem = f"its image is {old:.2f} s old"
        if problem:
            self.refuse(problem)
        elif self.take(request.stamp_ns, at):
            self._count_flip(request, at)
            self.request, self.fresh = request, True

    def _count_flip(self, request: CommandRequest, at: Instant) -> None:
        before = self.request
        if before is not None and abs(request.command.steer - before.command.steer) >= self._stop.flip:
            self._flips.append(at.time)

    def flip_fault(self, at: Instant) -> Fault | None:
        """Return a fault when the steering flips from side to side."""
        while self._flips and not 0.0 <= at.time - self._flips[0] <= self._stop.flip_window:
            self._flips.popleft()
        if len(self._flips) < self._stop.flip_count:
            return None
        text = f"{len(self._flips)} steering changes of {self._stop.flip:g} or more in {self._stop.flip_window:g} s"
        return Fault("command", text, FaultSeverity.COMFORTABLE)


class CameraInput(Input):
    """The camera: its age, and whether its images still change while the vehicle moves."""

    def __init__(self, budget: BudgetSettings) -> None:
        super().__init__("camera", budget)
        self._fingerprint: int | None = None
        self._changed_at = 0.0
        self._way = 0.0

    def see(self, stamp_ns: int, fingerprint: int, at: Instant) -> None:
        """Take an image by its stamp and a hash of its content."""
        if self.take(stamp_ns, at) and fingerprint != self._fingerprint:
            self._fingerprint, self._changed_at, self._way = fingerprint, at.time, 0.0

    def move(self, way: float) -> None:
        """The vehicle drove ``way`` [m]."""
        self._way += way

    def frozen_fault(self, at: Instant) -> Fault | None:
        """Return a fault when the same image repeats while the vehicle moves."""
        since = 0.0 if self._fingerprint is None else at.time - self._changed_at
        if self._way <= self._budget.frozen_distance or since <= self._budget.camera_age + TINY:
            return None
        text = f"frozen: the same image for {since:.2f} s and {self._way:.1f} m"
        late = since > self._budget.emergency_after + TINY and self._way > 2.0 * self._budget.frozen_distance
        return Fault("camera", text, FaultSeverity.EMERGENCY if late else FaultSeverity.COMFORTABLE)

    def start_anew(self, at: Instant) -> None:
        """Restart after a clock jump: time without a change counts from now, too."""
        super().start_anew(at)
        self._changed_at = at.time


class OdometryInput(Input):
    """Pose and motion of the vehicle.

    Attributes:
        state: the last usable one.
        acceleration: along the vehicle, from the last two [m/s^2].
    """

    def __init__(self, budget: BudgetSettings) -> None:
        super().__init__("odometry", budget)
        self.state: VehicleState | None = None
        self.acceleration = 0.0

    def measure(self, state: VehicleState, at: Instant) -> float:
        """Take or refuse a state; return the distance [m] driven since the state before."""
        if not state.finite():
            self.refuse("it is not finite")
            return 0.0
        if abs(state.speed) > FASTEST:
            self.refuse(f"its speed is {state.speed:.0f} m/s")
            return 0.0
        before = self.state
        if not self.take(state.stamp_ns, at):
            return 0.0
        self.state = state
        dt = 0.0 if before is None else (state.stamp_ns - before.stamp_ns) * 1e-9
        if before is None or dt <= 0.0 or dt > self._budget.emergency_after:
            self.acceleration = 0.0
            return 0.0
        self.acceleration = min(max((state.speed - before.speed) / dt, -10.0), 10.0)
        return abs(state.speed) * dt


class ControlModeInput(Input):
    """The vehicle's reports of who drives it.

    Some vehicles repeat the report, and their silence is a fault. Others send it latched, once per change: it holds,
    however old, as long as its publisher is there. A latched report that repeats itself unchanged is of the first kind.

    Attributes:
        autonomous: the last report; None before the first.
        reporters: publishers of the report at present.
    """

    def __init__(self, budget: BudgetSettings) -> None:
        super().__init__("control mode", budget)
        self.autonomous: bool | None = None
        self.reporters = 1
        self._latched: tuple[bool, float] | None = None
        self._repeats = 0

    def report(self, autonomous: bool, at: Instant, latched: bool) -> None:
        """Take a report."""
        if latched:
            before, self._latched = self._latched, (autonomous, at.time)
            again = before is not None and before[0] == autonomous
            soon = before is not None and at.time - before[1] <= self._budget.control_mode_age
            self._repeats = self._repeats + 1 if again and soon else 0
        self.take(at.clock_ns, at)
        self.autonomous = autonomous

    @property
    def said(self) -> str:
        """What is known of the control mode, in words."""
        if self.autonomous is None:
            return "the vehicle has not reported its control mode yet"
        return f"the vehicle is {'' if self.autonomous else 'not '}in autonomous mode"

    def silence(self, at: Instant) -> Fault | None:
        """Return a fault when autonomous mode is not reported any longer."""
        age, text = self.age(at), ""
        if not self.autonomous:
            return None
        if self._latched is None or self._repeats >= REPEATS:
            text = f"no report for {age:.2f} s" if age > self._budget.control_mode_age else ""
        elif self.reporters < 1:
            text = "the publisher of the latched report is gone"
        return Fault(self.name, text, FaultSeverity.COMFORTABLE) if text else None


class ClockWatch:
    """Checks that the clocks advance evenly."""

    def __init__(self, budget: BudgetSettings) -> None:
        self._budget = budget
        self._last: Instant | None = None
        self._moved = 0.0

    def step(self, at: Instant) -> tuple[float, Fault | None, bool]:
        """Return the time since the last step [s], never negative; a fault or None; whether a clock jumped."""
        last, self._last = self._last, at
        if last is None:
            self._moved = at.wall
            return 0.0, None, False
        dt = at.time - last.time
        drift = (at.clock_ns - last.clock_ns) * 1e-9 - dt
        self._moved = at.wall if dt != 0.0 else self._moved
        if dt < 0.0:
            return 0.0, Fault("clock", f"it went back by {-dt:.2f} s", FaultSeverity.COMFORTABLE), True
        if abs(drift) > self._budget.clock_jump + TINY:
            return dt, Fault("clock", f"it jumped by {drift:+.2f} s", FaultSeverity.COMFORTABLE), True
        if at.wall - self._moved > self._budget.clock_stall:
            stood = at.wall - self._moved
            return dt, Fault("clock", f"it stands still since {stood:.1f} s", FaultSeverity.EMERGENCY), False
        return dt, None, False
