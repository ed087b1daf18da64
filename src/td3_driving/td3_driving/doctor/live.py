"""The run doctor during training: the same rules, asked again and again, with alarms that stay until they are reset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from td3_driving.doctor.engine import Engine
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.findings import Finding, Severity, number
from td3_driving.doctor.rules.quantities import actor_q

OK, WARN, ERROR, STALE = "OK", "WARN", "ERROR", "STALE"


@dataclass(frozen=True)
class Status:
    """One line of ``/diagnostics``: level OK, WARN, ERROR or STALE; keys carry their unit."""

    name: str
    level: str
    message: str
    values: dict[str, str]


@dataclass(frozen=True)
class Watch:
    """A status: the rules behind it, the series of which it needs any one, the series that it shows (with unit)."""

    name: str
    rules: tuple[int, ...]
    needs: tuple[str, ...]
    shows: dict[str, str]


WATCHES = (
    Watch(
        "learner: q health",
        (1, 2, 3, 29, 30, 32, 36),
        ("q1", "actor_q", "actor_loss"),
        {
            "q1": "q on replay actions",
            "critic_loss": "critic loss",
            "actor_loss": "actor loss",
            "updates": "updates (count)",
        },
    ),
    Watch(
        "learner: gradients",
        (5, 6, 7, 8, 14, 15, 37),
        ("grad_actor_pre", "grad_actor_mlp", "grad_critic_pre", "grad_critic_mlp"),
        {
            "grad_actor_pre": "actor norm before clipping",
            "grad_actor_post": "actor norm after clipping",
            "grad_critic_pre": "critic norm before clipping",
            "grad_critic_post": "critic norm after clipping",
            "clip_share_actor": "actor clip share (0..1)",
            "clip_share_critic": "critic clip share (0..1)",
        },
    ),
    Watch("reward: ledger", (24, 25, 26, 27), ("part_total", "step_reward"), {"part_total": "mean reward per step"}),
    Watch(
        "environment: liveness",
        (18, 19, 23),
        ("speed", "episode_length"),
        {"speed": "speed (km/h)", "episode_length": "last episode (steps)"},
    ),
    Watch(
        "config: honoured",
        (10, 12, 13, 38),
        ("updates",),
        {"lr_actor": "actor learning rate", "lr_critic": "critic learning rate"},
    ),
)
# A policy may stand for a while, or drive worse for a while, and learn after all: a verdict on these is for the end.
NEVER_ALARM = frozenset({19, 23})
ALERTS = {
    "alerts/q_ratio": (2,),
    "alerts/q_bound": (3,),
    "alerts/critic_divergence": (29, 38),
    "alerts/gradient_explosion": (37,),
    "alerts/gradient_bypass": (5,),
    "alerts/clip_always_active": (15,),
    "alerts/policy_frozen": (6,),
    "alerts/policy_saturated": (8,),
    "alerts/environment_dead": (18, 19),
    "alerts/reward_ledger": (27,),
    "alerts/reward_pays_violation": (24,),
    "alerts/config_not_honoured": (10, 12, 13),
    "alerts/learning_not_started": (32,),
    "alerts/nonfinite": (36,),
}
# Intervals of silence that count as a pause between two points.
PATIENCE = 3.0


@dataclass
class _Alarm:
    """What a status stays at until it is reset."""

    level: str = OK
    message: str = ""
    arrivals: int = 0
    fresh_at: float = 0.0
    interval: float = 0.0
    rules: set[int] = field(default_factory=set)


class LiveDoctor:
    """The rules that watch a run while it goes on.

    Args:
        expected: what was asked of the run, by our names (``gamma``, ``train_freq``, …) or as ``group.name``.
        stale_after: silence after which a status is stale [s]; a source that speaks more seldom gets three of its
        intervals.
    """

    def __init__(self, expected: Mapping[str, Any], stale_after: float = 5.0) -> None:
        self._expected = dict(expected)
        self._stale_after = stale_after
        self._now = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget all alarms and all samples; a fault that persists raises its alarm again."""
        self._engine = Engine(Expectations(self._expected, "settings"))
        self._alarms = {watch.name: _Alarm() for watch in WATCHES}
        self._raised: set[int] = set()
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
        """The five statuses at ``now`` [s], on the axis of the run's own clock."""
        self._now = now
        found = self.findings()
        return [self._status(watch, found, now) for watch in WATCHES]

    def alerts(self) -> dict[str, int]:
        """All alert series, 1 from the first critical finding of one of their rules until a reset, else 0."""
        self.findings()
        return {tag: int(any(rule in self._raised for rule in rules)) for tag, rules in ALERTS.items()}

    @property
    def critical(self) -> bool:
        """Whether an alarm is latched that a guard may act on."""
        self.findings()
        return any(rule in self._raised for watch in WATCHES for rule in watch.rules)

    def _is_alarm(self, finding: Finding) -> bool:
        return finding.severity is Severity.CRITICAL and finding.rule not in NEVER_ALARM

    def _status(self, watch: Watch, found: list[Finding], now: float) -> Status:
        alarm = self._alarms[watch.name]
        self._note_arrivals(watch, alarm, now)
        mine = [finding for finding in found if finding.rule in watch.rules and finding.severity is not Severity.INFO]
        for finding in mine:
            level = ERROR if self._is_alarm(finding) else WARN
            if (level == ERROR and alarm.level != ERROR) or alarm.level == OK:
                alarm.level, alarm.message = level, f"{finding.title}: {finding.evidence}"
            if level == ERROR:
                alarm.rules.add(finding.rule)
        level, message = self._level(watch, alarm, now)
        return Status(watch.name, level, message, self._values(watch, alarm, now))

    def _note_arrivals(self, watch: Watch, alarm: _Alarm, now: float) -> None:
        arrivals = sum(self._engine.history.get(name).count for name in watch.needs)
        if arrivals != alarm.arrivals:
            if alarm.arrivals:
                alarm.interval = max(0.9 * alarm.interval, now - alarm.fresh_at)
            alarm.arrivals, alarm.fresh_at = arrivals, now

    def _level(self, watch: Watch, alarm: _Alarm, now: float) -> tuple[str, str]:
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
        if watch.name == "learner: q health":
            values |= self._q_values()
        if watch.name == "config: honoured" and (rate := self._engine.rule(10)) is not None:
            measured = rate.measured()  # type: ignore[attr-defined]
            values["updates per step (measured)"] = "-" if measured is None else f"{measured[0]:.4f}"
            asked = history.expect.updates_per_step
            values["updates per step (asked)"] = "-" if asked is None else f"{asked:.4f}"
        values["environment step"] = f"{history.step:.0f}"
        values["age of the data (s)"] = f"{now - alarm.fresh_at:.1f}" if alarm.arrivals else "-"
        values["latched rules"] = ", ".join(map(str, sorted(alarm.rules))) or "none"
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
