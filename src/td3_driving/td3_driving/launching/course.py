# SPDX-License-Identifier: Apache-2.0
"""Decides how a run goes on when one of its processes ends.

This module touches no process. A starter reports exits and carries out the decisions, so all starters behave alike.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from td3_driving.launching.node_table import ProcessSpec
from td3_driving.processes.exit_codes import BAD_INPUT, INTERRUPTED, LOST_RANK, PLUGIN_FAILED

RESPAWNS = 5
"""Times that one process is started again within :data:`RESPAWN_WINDOW` before the run is given up."""
RESPAWN_WINDOW = 60.0
"""Wall time [s]."""

INTERRUPTED_ONCE, INTERRUPTED_TWICE = "interrupted", "interrupted twice"
"""Reasons of an :class:`End` with code 130."""


@dataclass(frozen=True)
class Restart:
    """Start the process again."""

    name: str


@dataclass(frozen=True)
class Stop:
    """Wait ``after`` seconds for the process to end by itself, then stop it."""

    name: str
    after: float


@dataclass(frozen=True)
class Say:
    """Print a line for the user."""

    text: str


@dataclass(frozen=True)
class End:
    """Every process has ended; ``reason`` is empty when the run went well."""

    code: int
    reason: str


Decision = Restart | Stop | Say | End


class Course:
    """Follows the processes of one run from the first start to the last exit."""

    def __init__(self, specs: Iterable[ProcessSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._alive = set(self._specs)
        self._mains = {spec.name for spec in self._specs.values() if spec.on_exit == "main"}
        self._deaths: dict[str, deque[float]] = {name: deque() for name in self._specs}
        self._ending = False
        self._code = 0
        self._reason = ""

    def exited(self, name: str, code: int, now: float) -> list[Decision]:
        """Return what to do after process ``name`` ended.

        Args:
            name: of the process.
            code: exit code; minus the signal number when a signal ended it.
            now: monotonic wall time [s].
        """
        self._alive.discard(name)
        decisions = [] if self._ending else self._react(self._specs[name], code, now)
        return decisions + self._end_if_all_gone()

    def interrupt(self) -> list[Decision]:
        """Return what to do when the user stops the run; nothing when it ends already."""
        if self._ending:
            self._reason = INTERRUPTED_TWICE if self._code == INTERRUPTED else self._reason
            return []
        begun = self._begin_end(INTERRUPTED, INTERRUPTED_ONCE, drain=False)
        return [Say("stopping"), *begun, *self._end_if_all_gone()]

    def _react(self, spec: ProcessSpec, code: int, now: float) -> list[Decision]:
        if spec.on_exit == "last":
            return [Say(f"{spec.name} ended ({describe(code)})")] if code < 0 else []
        if spec.on_exit == "optional":
            return [Say(f"{spec.name} ended ({describe(code)}); the run goes on without it")]
        if spec.on_exit == "respawn" and code == 0 and not spec.endless:
            return []
        if spec.on_exit == "respawn" and code not in (BAD_INPUT, LOST_RANK, PLUGIN_FAILED):
            return self._respawn(spec.name, code, now)
        if spec.on_exit == "main" and code == 0:
            self._mains.discard(spec.name)
            return [] if self._mains else self._begin_end(0, "", drain=True)
        return self._fail(f"{spec.name} ended the run ({describe(code)})", code)

    def _respawn(self, name: str, code: int, now: float) -> list[Decision]:
        deaths = self._deaths[name]
        deaths.append(now)
        while now - deaths[0] > RESPAWN_WINDOW:
            deaths.popleft()
        if len(deaths) > RESPAWNS:
            return self._fail(f"{name} died {len(deaths)} times within {RESPAWN_WINDOW:.0f} s ({describe(code)})", code)
        self._alive.add(name)
        return [Say(f"{name} died ({describe(code)}); start {len(deaths)} of {RESPAWNS} anew"), Restart(name)]

    def _fail(self, reason: str, code: int) -> list[Decision]:
        return [Say(reason), *self._begin_end(BAD_INPUT if code == BAD_INPUT else 1, reason, drain=False)]

    def _begin_end(self, code: int, reason: str, drain: bool) -> list[Decision]:
        self._ending, self._code, self._reason = True, code, reason
        specs = [spec for spec in self._specs.values() if spec.name in self._alive]
        return [Stop(spec.name, spec.drain if drain else 0.0) for spec in specs]

    def _end_if_all_gone(self) -> list[Decision]:
        return [] if self._alive else [End(self._code, self._reason)]


def describe(code: int) -> str:
    """``exit code 7`` or ``killed by SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
