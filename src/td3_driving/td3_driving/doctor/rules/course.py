# SPDX-License-Identifier: Apache-2.0
"""Rules about the course of a run: whether it learned at all, and whether it came to its end."""

from __future__ import annotations

from typing import ClassVar, Iterable

from td3_driving.doctor.findings import PROVEN, Finding, Severity
from td3_driving.doctor.learning import learning_of
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.watches import Q_HEALTH

LOSS_WORDS = ("loss", "q1", "q_value", "qf", "td_error", "critic", "n_updates")


class PhaseFlag(Rule):
    """Compares the flag for the training phase with the update counter, as a remark.

    Condition: is_training is 1 where no update was counted, or 0 where one was.
    Meaning: The flag for the training phase does not tell whether updates are done.
    Refuted by: nothing; it is a remark
    Example: is_training 0 at 40 of 50 points while the counter rises.
    """

    id = "phase-flag"
    sections = ("training_phase",)
    charts = ("updates",)
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


class LearningAlive(Rule):
    """A run without any update.

    Condition: no loss, Q value or update is logged although the run is beyond its learning start (2,000 steps or 50
    episodes where that is not known); or learning starts beyond the planned end. A log that is cut short is not judged.
    Meaning: No update was ever done: whatever the episodes show is not learned.
    Refuted by: a loss logged under a name that the doctor does not know
    Example: 5,000 steps, 11 series and not one loss, Q value or update among them.
    """

    id = "learning-alive"
    sections = ("training_phase",)
    charts = ("updates",)
    status = Q_HEALTH
    alert = "learning_not_started"
    MANY_STEPS, MANY_EPISODES = 2000.0, 50

    def _learned(self) -> bool:
        updates = self.history.get("updates").highest
        return self.history.first_loss is not None or (updates is not None and updates.value > 0)

    def _only_episodes(self) -> bool:
        """Whether the log holds episodes alone, as a monitor of the environment writes them."""
        known = [name for name in self.history.series if self.history.has(name) and name != "episode_start"]
        about = ("episode_", "eval_", "success", "steps_per_second")
        return bool(known) and all(name.startswith(about) for name in known) and not self.history.ours

    def _unknown_losses(self) -> list[str]:
        return [tag for tag in self.history.unknown if any(word in tag.lower() for word in LOSS_WORDS)]

    def missing(self) -> str:
        losses = self._unknown_losses()
        if self._only_episodes():
            return "only episodes were logged, nothing of the learner"
        if self._learned():
            return ""
        if self.history.damage:
            return "the losses may lie in the part that is lost"
        if not losses:
            return ""
        return f"no loss under a known name, but {', '.join(losses[:3])}"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        step, start = self.history.step, self.history.expect.number("learning_starts")
        planned = self.history.expect.number("steps")
        if start is not None and planned is not None and start >= planned:
            text = f"learning starts at {start:,.0f}, the run ends at {planned:,.0f}"
            return [self.find(Severity.CRITICAL, 0.0, text, ("learning_not_started",))]
        if self._learned() or self.missing() or learning_of(self.history).kind.good:
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
        """First environment step of any series. It is not 0 after a resume or a reset of alarms."""
        return min((series.first.step for series in self.history.series.values() if series.first), default=0.0)

    def _long_run(self) -> bool:
        return self.history.step >= self.MANY_STEPS or self.history.get("episode_return").count >= self.MANY_EPISODES


class Completeness(Rule):
    """A run that did not reach its end.

    Condition: the last step is below 99 % of the plan, the end marker of our own runs is absent, or a file is cut
    short. A run of another library that learned is judged by what it has; for it this is a warning.
    Meaning: The run did not reach its end; what would have come is unknown.
    Refuted by: the rest of its event files
    Example: The last step is 1,800 of 5,000.
    """

    id = "completeness"
    sections = ("training_phase",)
    confidences: ClassVar = {"run_incomplete": PROVEN}
    TOLERANCE = 0.99

    def _planned(self) -> float | None:
        """Planned environment steps, if the log is known to count environment steps."""
        dated = ("episode_length", "episode_return", "episode_length_mean", "episode_return_mean", "eval_return")
        known = self.history.ours or any(self.history.has(name) for name in (*dated, "updates", "buffer_size"))
        return self.history.expect.number("steps") if known else None

    @property
    def finished(self) -> bool:
        """Whether the end marker of our own runs is there."""
        return (self.history.last("finished") or 0.0) > 0

    def missing(self) -> str:
        if self._planned() is None and self.history.expect.number("steps") is not None and not self.history.damage:
            return "no episode tells whether the log counts environment steps, as the plan does"
        known = self.history.expect.number("steps") is not None or self.history.ours or self.history.damage
        return "" if known else f"plan unknown (--expect steps=…); the last step is {self.history.step:,.0f}"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        planned, step = self._planned(), self.history.step
        reasons = []
        if planned is not None and step < self.TOLERANCE * planned and not self.finished:
            reasons.append(f"the last step is {step:,.0f} of {planned:,.0f}")
        if self.history.ours and not self.finished:
            reasons.append("the end marker is absent")
        if self.history.damage and not self.finished:
            reasons.append(self.history.damage)
        if not reasons:
            return []
        known = learning_of(self.history).kind.good and not self.history.ours
        severity = Severity.WARN if known else Severity.INSUFFICIENT
        return [self.find(severity, step, "; ".join(reasons), ("run_incomplete",), last_step=step)]
