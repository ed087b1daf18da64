# SPDX-License-Identifier: Apache-2.0
"""The gate's diagnostics: its lines of ``/diagnostics`` and the ages of its commands."""

from __future__ import annotations

from collections import deque

import numpy as np

from td3_driving.deploy.gate import Gate
from td3_driving.deploy.gate_types import Fault, FaultSeverity, GateOutput, Instant, Mode
from td3_driving.doctor.status import Status

LEVELS = {
    Mode.WAITING: "WARN",
    Mode.ACTIVE: "OK",
    Mode.HOLDING: "WARN",
    Mode.COMFORTABLE_STOP: "ERROR",
    Mode.EMERGENCY_STOP: "ERROR",
    Mode.MANUAL: "OK",
    Mode.DISENGAGED: "OK",
}
INPUTS = ("clock", "camera", "odometry", "control mode", "manual")
"""Sources of faults that belong to ``gate: inputs``."""


class Ages:
    """Ages of the last commands at their first output, from the stamp of the image on [s].

    Args:
        window: commands kept.
    """

    def __init__(self, window: int) -> None:
        self._ages: deque[float] = deque(maxlen=window)

    def add(self, age: float) -> None:
        """Add the age of one command."""
        self._ages.append(age)

    def values(self) -> dict[str, str]:
        """Count, median, 99th percentile and greatest, as diagnostics show them."""
        ages = 1e3 * np.array(self._ages)
        if not len(ages):
            return {"commands (count)": "0"}
        middle, late = np.percentile(ages, (50, 99))
        return {
            "commands (count)": str(len(ages)),
            "age of a command, median (ms)": f"{middle:.1f}",
            "age of a command, 99 % (ms)": f"{late:.1f}",
            "age of a command, greatest (ms)": f"{ages.max():.1f}",
        }


class GateReport:
    """Statuses of a gate.

    Args:
        gate: whose.
        window: commands over which ages are taken.
    """

    def __init__(self, gate: Gate, window: int = 1000) -> None:
        self._gate = gate
        self._ages = Ages(window)
        self._hash = gate.settings.digest()
        self._output: GateOutput | None = None

    @property
    def limits_hash(self) -> str:
        """SHA-256 of the gate's settings."""
        return self._hash

    def note(self, output: GateOutput, at: Instant) -> None:
        """Note a decision of the gate."""
        self._output = output
        if output.fresh and output.request is not None:
            self._ages.add((at.clock_ns - output.request.stamp_ns) * 1e-9)

    def statuses(self, at: Instant) -> list[Status]:
        """``gate: command``, ``gate: inputs``, ``gate: writer``, ``gate: age``."""
        if self._output is None:
            return [Status("gate: command", "STALE", "no output yet", {"limits": self._hash})]
        return [self._command(self._output), self._inputs(self._output, at), self._writer(self._output), self._age()]

    def _command(self, output: GateOutput) -> Status:
        share, stop = self._gate.filtered_share, self._gate.settings.stop
        level, text = LEVELS[output.mode], output.reason or "the policy drives"
        if output.mode is Mode.DISENGAGED and self._gate.control_mode.autonomous is None:
            level = "WARN"
        if level == "OK" and share > stop.share_warning:
            level, text = "WARN", f"{share:.0%} of the commands were changed by a limit: policy or limits are wrong"
        values = {
            "mode": output.mode.name.lower(),
            "latched": str(output.latched).lower(),
            "speed (m/s)": f"{output.speed:.2f}",
            "filtered commands (share)": f"{share:.3f}",
            "limits that act": ", ".join(output.filters) or "none",
            "refused commands (count)": str(self._gate.command.refused),
            "last refusal": self._gate.command.refusal or "none",
            "limits": self._hash,
        }
        return Status("gate: command", level, text, values)

    def _inputs(self, output: GateOutput, at: Instant) -> Status:
        gate = self._gate
        sources = (gate.command, gate.camera, gate.odometry)
        values = {f"age of {source.name} (s)": f"{source.age(at):.3f}" for source in sources}
        values |= {f"refused {source.name} (count)": str(source.refused) for source in sources}
        if gate.needs_control_mode:
            values["control mode"] = gate.control_mode.said
        return _worst("gate: inputs", [fault for fault in output.faults if fault.source in INPUTS], values)

    def _writer(self, output: GateOutput) -> Status:
        values = {"publishers of the vehicle's command (count)": str(self._gate.writers)}
        return _worst("gate: writer", [fault for fault in output.faults if fault.source == "writer"], values)

    def _age(self) -> Status:
        return Status("gate: age", "OK", "from the stamp of the image to the output of the gate", self._ages.values())


def _worst(name: str, faults: list[Fault], values: dict[str, str]) -> Status:
    if not faults:
        return Status(name, "OK", "as it should be", values)
    level = "WARN" if faults[0].severity is FaultSeverity.WARN else "ERROR"
    return Status(name, level, "; ".join(map(str, faults)), values)
