"""Rules about the course of a run and what is known of it: 28, 32-36."""

from __future__ import annotations

from typing import Iterable

from td3_driving.doctor.findings import Finding, Rule, Severity, number
from td3_driving.doctor.history import LOSSES
from td3_driving.doctor.learning import LEAST_STEPS, learning_of, settled
from td3_driving.doctor.learning_curve import Learned
from td3_driving.doctor.scope import ABSENT, scope_of

LOSS_WORDS = ("loss", "q1", "q_value", "qf", "td_error", "critic", "n_updates")


class PhaseFlag(Rule):
    """Rule 28."""

    id = 28
    title = "phase flag"
    meaning = "The flag for the training phase does not tell whether updates are done."
    refuted_by = "-"
    needs = ("is_training", "updates")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        updates = dict(zip(*self.history.get("updates").columns()[:2]))
        steps, flags, _ = self.history.get("is_training").columns()
        wrong = [step for step, flag in zip(steps, flags) if step in updates and (flag > 0) != (updates[step] > 0)]
        if not wrong:
            return []
        return [
            self.find(
                Severity.INFO,
                float(wrong[0]),
                f"is_training contradicts the update counter at {len(wrong)} of {len(steps)} points",
            )
        ]


class Alive(Rule):
    """Rule 32."""

    id = 32
    title = "alive at all"
    meaning = "No update was ever done: whatever the episodes show is not learned."
    refuted_by = "a loss logged under a name that the doctor does not know"
    MANY_STEPS, MANY_EPISODES = 2000.0, 50

    def _learned(self) -> bool:
        updates = self.history.get("updates").highest
        return self.history.first_loss is not None or (updates is not None and updates.value > 0)

    def _only_episodes(self) -> bool:
        """Whether the log is one of episodes alone, as a monitor of the environment writes it."""
        known = [name for name in self.history.series if self.history.has(name) and name != "episode_start"]
        about = ("episode_", "eval_", "success", "steps_per_second")
        return bool(known) and all(name.startswith(about) for name in known) and not self.history.ours

    def _unknown_losses(self) -> list[str]:
        return [tag for tag in self.history.unknown if any(word in tag.lower() for word in LOSS_WORDS)]

    def missing(self) -> str:
        losses = self._unknown_losses()
        if self._only_episodes():
            return "only episodes were logged, nothing of the learner"
        if self._learned() or not losses:
            return ""
        return f"no loss under a known name, but {', '.join(losses[:3])}"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        step, start = self.history.step, self.history.expect.number("learning_starts")
        planned = self.history.expect.number("steps")
        if start is not None and planned is not None and start >= planned:
            text = f"learning starts at {start:,.0f}, the run ends at {planned:,.0f}"
            return [self.find(Severity.CRITICAL, 0.0, text, ("learning_not_started",))]
        if self._learned() or self._unknown_losses() or self._only_episodes() or learning_of(self.history).kind.good:
            return []
        slack = 10.0 * (self.history.expect.number("train_freq") or 1.0) + 2.0 * (
            self.history.expect.number("log_period") or 50.0
        )
        late = step > max(start, self._begin()) + slack if start is not None else self._long_run()
        if not late:
            return []
        asked = "" if start is None else f", learning asked to start at {start:,.0f}"
        text = (
            f"{step:,.0f} steps, {len(self.history.tags) + len(self.history.unknown)} series and not one loss, Q"
            f" value or update among them{asked}"
        )
        return [self.find(Severity.CRITICAL, start, text, ("learning_not_started",))]

    def _begin(self) -> float:
        """First environment step heard of; a continued run, or alarms that were reset, begin in the middle."""
        return min((series.first.step for series in self.history.series.values() if series.first), default=0.0)

    def _long_run(self) -> bool:
        return self.history.step >= self.MANY_STEPS or self.history.get("episode_return").count >= self.MANY_EPISODES


class Completeness(Rule):
    """Rule 33. A run of another library that learned is judged by what it has; that it was cut short is a warning."""

    id = 33
    title = "completeness"
    meaning = "The run did not reach its end; what would have come is unknown."
    refuted_by = "the rest of its event files"
    TOLERANCE = 0.99

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.damage = ""

    def _planned(self) -> float | None:
        """Environment steps that were planned, where the log is known to count these."""
        dated = ("episode_length", "episode_return", "episode_length_mean", "episode_return_mean", "eval_return")
        known = self.history.ours or any(self.history.has(name) for name in (*dated, "updates", "buffer_size"))
        return self.history.expect.number("steps") if known else None

    @property
    def finished(self) -> bool:
        """Whether the end marker of our own runs is there."""
        return (self.history.last("finished") or 0.0) > 0

    def missing(self) -> str:
        if self._planned() is None and self.history.expect.number("steps") is not None and not self.damage:
            return "no episode tells whether the log counts environment steps, as the plan does"
        known = self.history.expect.number("steps") is not None or self.history.ours or self.damage
        return "" if known else f"plan unknown (--expect steps=…); the last step is {self.history.step:,.0f}"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        planned, step = self._planned(), self.history.step
        reasons = []
        if planned is not None and step < self.TOLERANCE * planned and not self.finished:
            reasons.append(f"the last step is {step:,.0f} of {planned:,.0f}")
        if self.history.ours and not self.finished:
            reasons.append("the end marker is absent")
        if self.damage and not self.finished:
            reasons.append(self.damage)
        if not reasons:
            return []
        known = learning_of(self.history).kind.good and not self.history.ours
        severity = Severity.WARN if known else Severity.INSUFFICIENT
        return [self.find(severity, step, "; ".join(reasons), ("run_incomplete",), last_step=step)]


class FlatSeries(Rule):
    """Rule 35."""

    id = 35
    title = "flat series"
    meaning = "A quantity that must vary does not."
    refuted_by = "a counter, or a setting that is logged as if it were measured"
    MUST_VARY = ("critic_loss", "q1", "q2", "td_error", "target_q", "actor_loss", "actor_q", "batch_reward_mean")
    LEAST_POINTS = 10

    def missing(self) -> str:
        return "" if any(self.history.has(name) for name in self.MUST_VARY) else "none of the series that must vary"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        flat = [name for name in self.MUST_VARY if self._is_flat(name)]
        if not flat:
            return []
        values = ", ".join(f"{name} always {number(self.history.last(name) or 0.0)}" for name in flat)
        return [self.find(Severity.WARN, None, f"{values}, over {self.LEAST_POINTS} points or more")]

    def _is_flat(self, name: str) -> bool:
        series = self.history.get(name)
        return series.count >= self.LEAST_POINTS and series.constant


class NonFinite(Rule):
    """Rule 36: NaN or infinite values that stay, in a series that tells of the learner.

    A mean over nothing is written as NaN, mostly at the first point; what is followed by finite values lost nothing.
    """

    id = 36
    title = "non-finite values"
    meaning = "A NaN or an infinity: from there on every value that depends on it is lost."
    refuted_by = "a mean over nothing, written as NaN"
    LEARNER = (
        "actor_loss",
        "critic_loss",
        "critic_loss_2",
        "q1",
        "q2",
        "actor_q",
        "target_q",
        "td_error",
        "value_loss",
    )
    MORE = ("policy_loss", "grad_", "param_", "batch_reward", "step_reward", "part_")
    RETURNS = ("episode_return", "eval_return")
    RECOVERED, LEAST_RETURNS = 3, 3

    def missing(self) -> str:
        return "" if self.history.samples else "no samples"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        bad = {tag: step for tag, step in self.history.nonfinite.items() if not tag.startswith("alerts/")}
        groups: dict[Severity, list[str]] = {}
        for tag in sorted(bad, key=lambda tag: bad[tag]):
            groups.setdefault(self._weight(tag), []).append(tag)
        return [self._found(severity, tags, bad) for severity, tags in groups.items()]

    def _weight(self, tag: str) -> Severity:
        name = next((name for name, used in self.history.tags.items() if used == tag), "")
        series, stays = self.history.get(name), self.history.finite_since[tag] == 0
        if name in self.LEARNER or name.startswith(self.MORE):
            if stays:
                return Severity.CRITICAL
            later = self.history.nonfinite[tag] > 0 and series.nonfinite > 1
            return Severity.WARN if later or self.history.finite_since[tag] < self.RECOVERED else Severity.INFO
        lost = name.startswith(self.RETURNS) and stays and series.nonfinite >= self.LEAST_RETURNS and series.count > 0
        return Severity.CRITICAL if lost else Severity.INFO

    def _found(self, severity: Severity, tags: list[str], bad: dict[str, float]) -> Finding:
        first = tags[0]
        text = f"{first} at step {bad[first]:,.0f}" + (f", and {len(tags) - 1} other series" if len(tags) > 1 else "")
        if severity is Severity.CRITICAL:
            return self.find(severity, bad[first], text + ", to the end", ("nonfinite",), series=float(len(tags)))
        meaning = "Finite values follow, or no rule rests on it: nothing else is lost."
        return self.find(severity, bad[first], text, (), meaning, series=float(len(tags)))


class MissingSeries(Rule):
    """Rule 34, and what GO needs: to know whether it learned, or else the values, from enough points.

    A run of our own that ended as planned is judged by its values, however short it was: they are all logged.
    """

    id = 34
    title = "missing series"
    meaning = "What was not logged cannot be judged, and does not count as healthy."
    refuted_by = "the same series under another name"
    LEAST_UPDATES, LEAST_POINTS, LEAST_EPISODES = 200.0, 20, 5

    def lacks(self) -> list[str]:
        """What GO needs and the run does not have."""
        learning = learning_of(self.history)
        if learning.kind is not Learned.UNKNOWN:
            return []
        family = scope_of(self.history).family
        if self.history.ours and family not in ABSENT:
            return self._values() + self._episodes() + self._too_few()
        if learning.curve is not None:
            return [learning.sentence.rstrip(".")]
        values = [] if family in ABSENT else self._values(one=True) + self._too_few()
        if not values and family not in ABSENT:
            return []
        return [learning.sentence.rstrip("."), *values]

    def _values(self, one: bool = False) -> list[str]:
        """Series of values that are missing; with ``one`` a single reading of Q suffices, if it has settled."""
        history, found = self.history, []
        has_aq = history.has("actor_q") or (history.has("actor_loss") and not history.has("entropy_coefficient"))
        has_q = any(history.has(name) for name in ("q1", "q2", *(("target_q",) if one else ())))
        if not has_aq and not (one and has_q):
            found.append("Q as the actor sees it (actor loss or aq)")
        if not has_q and not (one and has_aq):
            found.append("Q on replay actions")
        if not history.has("critic_loss"):
            found.append("the critic's loss")
        if one and not found and not (settled(history) and history.step >= LEAST_STEPS):
            found.append(f"a Q that has settled, over {LEAST_STEPS:,.0f} steps or more")
        return found

    def _episodes(self) -> list[str]:
        names = ("episode_return", "episode_length", "episode_return_mean")
        episodes = max(self.history.get(name).count for name in names)
        return [] if episodes >= self.LEAST_EPISODES else [f"{self.LEAST_EPISODES} episodes (there are {episodes})"]

    def _too_few(self) -> list[str]:
        points = max(self.history.get(name).count for name in (*LOSSES, "updates"))
        updates = self.history.updates_at(self.history.step) or 0.0
        if points >= self.LEAST_POINTS or (updates >= self.LEAST_UPDATES and points >= 5):
            return []
        return [
            f"{self.LEAST_UPDATES:.0f} updates or {self.LEAST_POINTS} points of the losses (there are {updates:.0f}"
            f" and {points})"
        ]

    def missing(self) -> str:
        return ""

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        lacks = self.lacks()
        return [self.find(Severity.INSUFFICIENT, None, "; ".join(lacks))] if lacks else []
