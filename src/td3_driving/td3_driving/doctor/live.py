# SPDX-License-Identifier: Apache-2.0
"""The run doctor during training: the same rules, asked again and again, with alarms that stay until a reset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from td3_driving.doctor.engine import Engine
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.findings import Finding, Severity, number
from td3_driving.doctor.rulebook import Rulebook, standard_rules
from td3_driving.doctor.rules.honoured import measured_updates
from td3_driving.doctor.rules.quantities import actor_q
from td3_driving.doctor.status import ERROR, OK, STALE, WARN, Status
from td3_driving.doctor.watches import CONFIG, Q_HEALTH, WATCHES, Watch

# So many intervals of silence are a pause; more are stale.
PATIENCE = 3.0


@dataclass
class _Alarm:
    """The level that a status keeps until a reset."""

    level: str = OK
    message: str = ""
    arrivals: int = 0
    fresh_at: float = 0.0
    interval: float = 0.0
    rules: set[str] = field(default_factory=set)


class LiveDoctor:
    """Watches a run with the rules while it goes on.

    Args:
        expected: what was asked of the run, by our names (``gamma``, ``train_freq``, …) or as ``group.name``.
        stale_after: silence after which a status is stale [s]; a source with longer
            intervals gets three of them.
        rulebook: the rules; the standard ones if left out.
    """

    def __init__(self, expected: Mapping[str, Any], stale_after: float = 5.0, rulebook: Rulebook | None = None) -> None:
        self._expected = dict(expected)
        self._stale_after = stale_after
        self._rulebook = rulebook or standard_rules()
        self._rules = {watch.name: self._rulebook.of_status(watch.name) for watch in WATCHES}
        self._now = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget all alarms and samples. A fault that persists raises its alarm again."""
        self._engine = Engine(Expectations(self._expected, "settings"), rulebook=self._rulebook)
        self._alarms = {watch.name: _Alarm() for watch in WATCHES}
        self._raised: set[str] = set()
        self._judged_at = -1
        self._found: list[Finding] = []

    def feed(self, tag: str, step: int, value: float, now: float | None = None) -> None:
        """Take one sample; ``now`` [s] is its time, that of the last :meth:`statuses` if left out."""
        self._now = self._now if now is None else now
        self._engine.feed(tag, step, value, self._now)

    def findings(self) -> list[Finding]:
        """All findings at this moment."""
        if self._judged_at != self._engine.history.samples:
            self._found = self._engine.findings()
            self._judged_at = self._engine.history.samples
            self._raised |= {finding.rule for finding in self._found if self._is_alarm(finding)}
        return self._found

    def statuses(self, now: float) -> list[Status]:
        """The statuses at ``now`` [s], by the run's own clock."""
        self._now = now
        found = self.findings()
        return [self._status(watch, found, now) for watch in WATCHES]

    def alerts(self) -> dict[str, int]:
        """All alert series, 1 from the first critical finding of one of their rules until a reset, else 0."""
        self.findings()
        return {tag: int(not rules.isdisjoint(self._raised)) for tag, rules in self._rulebook.alerts().items()}

    @property
    def critical(self) -> bool:
        """Whether an alarm is latched; a guard may act on it."""
        self.findings()
        return any(not rules.isdisjoint(self._raised) for rules in self._rules.values())

    def _is_alarm(self, finding: Finding) -> bool:
        return finding.critical and finding.rule not in self._rulebook.silent

    def _status(self, watch: Watch, found: list[Finding], now: float) -> Status:
        alarm = self._alarms[watch.name]
        self._note_arrivals(watch, alarm, now)
        rules = self._rules[watch.name]
        for finding in found:
            if finding.rule not in rules or finding.severity is Severity.INFO:
                continue
            level = ERROR if self._is_alarm(finding) else WARN
            if (level == ERROR and alarm.level != ERROR) or alarm.level == OK:
                alarm.level, alarm.message = level, f"{finding.rule}: {finding.evidence}"
            if level == ERROR:
                alarm.rules.add(finding.rule)
        level, message = self._level(alarm, now)
        return Status(watch.name, level, message, self._values(watch, alarm, now))

    def _note_arrivals(self, watch: Watch, alarm: _Alarm, now: float) -> None:
        arrivals = sum(self._engine.history.get(name).count for name in watch.needs)
        if arrivals != alarm.arrivals:
            if alarm.arrivals:
                alarm.interval = max(0.9 * alarm.interval, now - alarm.fresh_at)
            alarm.arrivals, alarm.fresh_at = arrivals, now

    def _level(self, alarm: _Alarm, now: float) -> tuple[str, str]:
        if alarm.level == ERROR:
            return ERROR, alarm.message
        if alarm.arrivals == 0:
            return STALE, "no data yet"
        silence = now - alarm.fresh_at
        if silence > max(self._stale_after, PATIENCE * alarm.interval):
            return STALE, f"no data for {silence:.0f} s"
        return alarm.level, alarm.message or "as it should be"

    def _values(self, watch: Watch, alarm: _Alarm, now: float) -> dict[str, str]:
        history = self._engine.history
        values = {
            text: number(value) for name, text in watch.shows.items() if (value := history.last(name)) is not None
        }
        if watch.name == Q_HEALTH:
            values |= self._q_values()
        if watch.name == CONFIG:
            measured, asked = measured_updates(history), history.expect.updates_per_step
            values["updates per step (measured)"] = "-" if measured is None else f"{measured[0]:.4f}"
            values["updates per step (asked)"] = "-" if asked is None else f"{asked:.4f}"
        values["environment step"] = f"{history.step:.0f}"
        values["age of the data (s)"] = f"{now - alarm.fresh_at:.1f}" if alarm.arrivals else "-"
        values["latched rules"] = ", ".join(sorted(alarm.rules)) or "none"
        return values

    def _q_values(self) -> dict[str, str]:
        history = self._engine.history
        latest = {name: value for name in ("actor_q", "actor_loss") if (value := history.last(name)) is not None}
        aq, q = actor_q(history, latest), history.last("q1")
        if aq is None:
            return {}
        values = {"aq, as the actor sees it": number(aq)}
        if q:
            values["aq / q (ratio)"] = f"{aq / q:.3f}"
        return values
