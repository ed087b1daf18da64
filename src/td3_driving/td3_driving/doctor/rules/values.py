# SPDX-License-Identifier: Apache-2.0
"""Rules about Q values and losses. ``quantities`` explains ``aq`` and ``q``."""

from __future__ import annotations

import math
from typing import Iterable

from td3_driving.doctor.findings import POSSIBLE, STRONG, Finding, Severity, Streak, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import ACTOR, VALUES, Rule
from td3_driving.doctor.rules.quantities import (
    SETTLED_UPDATES,
    actor_q,
    entropy_regularised,
    replay_q,
)
from td3_driving.doctor.watches import Q_HEALTH

EARLY_SPAN = 60.0


class LossIdentity(Rule):
    """The actor's loss is minus its Q value.

    Condition: abs(actor_loss + aq) above 1e-4 of their size at more than half of the points and at three in a row;
    above half of their size where the log of another library may take the two from different batches. If it does not
    hold, the report says that the logged loss is real.
    Meaning: The actor's loss is not minus its Q value: the loss is built wrongly, or one of the two is logged wrongly.
    Refuted by: another term in the actor's loss (behaviour cloning, entropy, a penalty)
    Example: An actor loss of -90 beside aq 2,400 breaks it. A loss of -90.001 beside aq 90 does not.
    """

    id = "loss-identity"
    sections = ("actor_loss",)
    charts = ("q",)
    status = Q_HEALTH
    about = ACTOR
    reads = ("actor_loss", "actor_q")
    TOLERANCE, OTHER_BATCH = 1e-4, 0.5

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.points = self.broken = 0
        self.worst = 0.0
        self.streak = Streak(3)

    def feed(self, row: Row) -> None:
        loss, value = row.values.get("actor_loss"), row.values.get("actor_q")
        if loss is None or value is None:
            return
        error = abs(loss + value) / max(abs(loss), abs(value), 1e-3)
        self.points += 1
        allowed = self._allowed()
        self.broken += error > allowed
        self.worst = max(self.worst, error)
        self.streak.update(error > allowed, row.step)

    def _allowed(self) -> float:
        """Relative difference that is allowed. Other libraries may read aq and the loss on different batches."""
        same_batch = self.history.ours or self.history.tags.get("actor_q", "").startswith("debug/")
        return self.TOLERANCE if same_batch else self.OTHER_BATCH

    def missing(self) -> str:
        return "the actor's loss has further terms" if entropy_regularised(self.history) else super().missing()

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if entropy_regularised(self.history) or self.points == 0:
            return []
        if self.streak.fired and self.broken > self.points / 2:
            text = (
                f"actor_loss + aq differs from 0 by up to {number(self.worst)} of their size at {self.broken} of"
                f" {self.points} points"
            )
            return [
                self.find(Severity.CRITICAL, self.streak.first_step, text, ("logging_inconsistent",), worst=self.worst)
            ]
        text = (
            f"actor_loss = -aq at all {self.points} points (within {number(self.worst)}): the loss that is logged"
            " is real"
        )
        return [self.find(Severity.INFO, None, text, meaning="The logged loss is a real value.", worst=self.worst)]


class QRatio(Rule):
    """Q as the actor sees it against Q on the replay.

    Condition: abs(aq) / max(abs(q), spread of q, 1) above 10 (critical) or 3 (a warning) at two points after 400
    updates; above 20 at two points that are 60 updates apart; or opposite signs at three points in a row.
    Meaning: The critic gives the actor other values than it gives the replay memory for the same states: the actor's Q
    is computed from other inputs (features of an encoder that the critic was not trained on).
    Refuted by: feeding the actor's loss with the critic's own features and seeing the ratio stay far from 1
    Example: aq 2,400,000 beside q 90: two encoders, and the actor's loss uses the wrong one. Right wiring gives 0.9 to
    1.2.
    """

    id = "q-ratio"
    sections = ("actor_loss", "q_values")
    charts = ("q",)
    status = Q_HEALTH
    alert = "q_ratio"
    about = ACTOR
    reads = ("actor_loss", "actor_q", "q1", "q2")
    WARN, CRITICAL, EARLY = 3.0, 10.0, 20.0

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.warn, self.critical = Streak(2), Streak(2)
        self.early, self.signs = Streak(2, EARLY_SPAN), Streak(3)
        self.worst = self.latest = math.nan
        self.pair = (math.nan, math.nan)
        self.points = 0

    def feed(self, row: Row) -> None:
        aq = actor_q(self.history, row.values)
        q = replay_q(self.history, row) if aq is not None else None
        if aq is None or q is None:
            return
        updates = self.history.updates_now(row)
        spread = self._spread(row)
        self.latest = abs(aq) / max(abs(q), spread, 1.0)
        self.worst = self.latest if math.isnan(self.worst) else max(self.worst, self.latest)
        self.pair = (aq, q)
        self.points += 1
        settled = updates >= SETTLED_UPDATES
        self.warn.update(settled and self.latest > self.WARN, row.step)
        self.critical.update(settled and self.latest > self.CRITICAL, row.step)
        self.early.update(self.latest > self.EARLY, row.step, updates)
        self.signs.update(settled and self._opposed(aq, q, spread), row.step)

    def _spread(self, row: Row) -> float:
        """Spread of q over the batch. Where that is not logged: over time, or the critic's own error if that is larger.

        A mean q near zero says nothing of the size of the values it is the mean of.
        """
        if "q_std" in row.values:
            return row.values["q_std"]
        error = math.sqrt(max(row.values.get("critic_loss", 0.0), 0.0))
        q = self.history.get("q1")
        return max(error, q.std if q.count > 1 else 0.0)

    def _opposed(self, aq: float, q: float, spread: float) -> bool:
        """Whether the signs differ by more than the advantage of one action."""
        noise = max(1.0, spread, 3.0 * (self.history.last("batch_reward_std") or 0.0), 3.0 * self._reward_scale())
        return aq * q < 0 and min(abs(aq), abs(q)) > noise

    def _reward_scale(self) -> float:
        length = self.history.last("episode_length") or self.history.last("episode_length_mean")
        total = self.history.last("episode_return") or self.history.last("episode_return_mean")
        return abs(total) / max(length, 1.0) if length and total else 0.0

    def missing(self) -> str:
        if self.points:
            return ""
        lacks = [
            text
            for text, present in (("Q as the actor sees it", self._has_aq()), ("Q on replay actions", self._has_q()))
            if not present
        ]
        return f"no series for {' and '.join(lacks)}" if lacks else "the two series have no steps in common"

    def confidence(self, cause: str, severity: Severity) -> str:
        """The ratio alone is a strong sign; a proof takes one of the rules that confirm it."""
        return STRONG if severity is Severity.CRITICAL else POSSIBLE

    def _has_aq(self) -> bool:
        return self.history.has("actor_q") or (
            self.history.has("actor_loss") and not self.history.has("entropy_coefficient")
        )

    def _has_q(self) -> bool:
        return self.history.has("q1") or self.history.has("q2")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        firsts = [
            streak.first_step for streak in (self.critical, self.early, self.signs) if streak.first_step is not None
        ]
        severity = Severity.CRITICAL if firsts else Severity.WARN
        first = min(firsts) if firsts else self.warn.first_step
        if first is None:
            return []
        aq, q = self.pair
        text = (
            f"aq {number(aq)} against q {number(q)} at the end: {number(self.latest)} times the scale of q, at"
            f" most {number(self.worst)}"
        )
        if self.signs.fired and not (self.critical.fired or self.early.fired):
            text += f"; opposite signs at {self.signs.longest} points in a row"
        return [self.find(severity, first, text, ("encoder_mismatch",), ratio=self.worst, aq=aq, q=q)]


class TwinsAgree(Rule):
    """How far apart the two critics are, as a remark.

    Condition: Both critics' Q are logged; the report states their difference.
    Meaning: Never a sign of health: the twins may share an encoder and always share the target.
    Refuted by: nothing; it is a remark
    Example: q1 90.1 and q2 90.3 beside aq 2.4 million: both twins agree, and the run is lost.
    """

    id = "twins-agree"
    sections = ("q_values",)
    about = VALUES
    needs = ("q1", "q2")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        first, second = self.history.last("q1"), self.history.last("q2")
        if first is None or second is None:
            return []
        difference = abs(first - second) / max(abs(first), abs(second), 1.0)
        return [
            self.find(
                Severity.INFO,
                None,
                f"q1 {number(first)}, q2 {number(second)}: {difference:.1%} apart",
                difference=difference,
            )
        ]
