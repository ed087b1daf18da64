# SPDX-License-Identifier: Apache-2.0
"""Rules about what is known of a run: which series are there, and whether they hold numbers that vary."""

from __future__ import annotations

from typing import Iterable

from td3_driving.doctor.findings import Finding, Severity, number
from td3_driving.doctor.history import LOSSES
from td3_driving.doctor.learning import LEAST_STEPS, learning_of, settled
from td3_driving.doctor.learning_curve import Learned
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.scope import ABSENT, scope_of
from td3_driving.doctor.watches import Q_HEALTH


class FlatSeries(Rule):
    """A quantity that must vary and does not.

    Condition: a loss, a Q value or a batch reward has one value at ten points or more.
    Meaning: A quantity that must vary does not.
    Refuted by: a counter, or a setting that is logged as if it were measured
    Example: critic_loss is 0.25 at all of 60 points.
    """

    id = "flat-series"
    sections = ("environment",)
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
    """NaN or infinite values that stay.

    A mean over nothing is written as NaN, mostly at the first point. Where finite values follow, nothing is lost.

    Condition: a series of the learner ends in NaN or infinity, or so do three returns or more (critical). A warning if
    finite values follow after several, a remark in any other series.
    Meaning: A NaN or an infinity: from there on every value that depends on it is lost.
    Refuted by: a mean over nothing, written as NaN
    Example: train/critic_loss is NaN from step 12,400 to the end.
    """

    id = "nonfinite"
    sections = ("environment",)
    charts = ("q", "critic_loss", "value_loss")
    status = Q_HEALTH
    alert = "nonfinite"
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
    MORE = ("policy_loss", "grad_", "param_", "batch_reward", "step_reward", "term_", "reward_total")
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
    """What GO needs and the run does not have.

    Condition: it is not known whether the run learned, and the values are not known either: Q, the critic's loss and 20
    points of them, or 200 updates. A run of our own that ended as planned is judged by its values, however short it
    was.
    Meaning: What was not logged cannot be judged, and does not count as healthy.
    Refuted by: the same series under another name
    Example: A log with the actor's loss alone, over 900 steps.
    """

    id = "missing-series"
    LEAST_UPDATES, LEAST_POINTS, LEAST_EPISODES = 200.0, 20, 5

    def lacks(self) -> list[str]:
        """The series and points that GO needs and the run does not have."""
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
        """Missing series of values; with ``one``, a single reading of Q suffices if it has settled."""
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
