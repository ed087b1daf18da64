"""Rules about Q values and losses: 1-3, 31. For ``aq`` and ``q`` see ``quantities``."""

from __future__ import annotations

import math
from typing import Iterable

from td3_driving.doctor.findings import Finding, Rule, Severity, Streak, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.learning import learning_of, settled
from td3_driving.doctor.rules.quantities import (
    SETTLED_UPDATES,
    actor_q,
    discount,
    entropy_slack,
    replay_q,
    return_bound,
)

EARLY_SPAN = 60.0


class LossIdentity(Rule):
    """Rule 1."""

    id = 1
    title = "loss identity"
    meaning = (
        "The actor's loss is not minus its Q value: the loss is built wrongly, or one of the two is logged wrongly."
    )
    refuted_by = "another term in the actor's loss (behaviour cloning, entropy, a penalty)"
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
        """Relative difference that proves something: other libraries may read aq on another batch than the loss."""
        same_batch = self.history.ours or self.history.tags.get("actor_q", "").startswith("debug/")
        return self.TOLERANCE if same_batch else self.OTHER_BATCH

    @property
    def other_terms(self) -> bool:
        """Whether the loss is known to have further terms."""
        return self.history.expect.text("algorithm") == "sac" or self.history.has("entropy_coefficient")

    def missing(self) -> str:
        return "the actor's loss has further terms" if self.other_terms else super().missing()

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if self.other_terms or self.points == 0:
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


class ActorAgainstReplay(Rule):
    """Rule 2."""

    id = 2
    title = "actor-Q against replay-Q"
    meaning = (
        "The critic gives the actor other values than it gives the replay memory for the same states: the actor's Q is"
        " computed from other inputs (features of an encoder that the critic was not trained on)."
    )
    refuted_by = "feeding the actor's loss with the critic's own features and seeing the ratio stay far from 1"
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
        """Spread of q over the batch; where it is not logged, over time, or the critic's own error if that is larger.

        A mean q near zero says nothing of the size of the values it is the mean of.
        """
        if "q_std" in row.values:
            return row.values["q_std"]
        error = math.sqrt(max(row.values.get("critic_loss", 0.0), 0.0))
        q = self.history.get("q1")
        return max(error, q.std if q.count > 1 else 0.0)

    def _opposed(self, aq: float, q: float, spread: float) -> bool:
        """Signs differ by more than one action's advantage can explain."""
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


class ReturnBound(Rule):
    """Rule 3.

    Remembers every new record of abs Q, so that a bound that grows with the rewards seen can be applied later. Values
    that came back within the bound for the last quarter of a run that learned exploded and recovered: a warning. So is
    a Q beyond the bound that has settled in a run that learned: the learner may see rewards that were scaled up.
    """

    id = 3
    title = "return bound"
    meaning = "No policy can reach such a return with the rewards seen: the value is not an estimate of anything."
    refuted_by = "a single reward, or a discount, large enough to reach it"
    reads = ("actor_loss", "actor_q", "q1", "target_q")
    FACTOR, BEYOND_DOUBT = 1.5, 100.0
    LEAST_AFTER, MOST_SCALE = 5, 30.0
    MOST_RECORDS = 512

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.records: dict[str, list[tuple[float, float]]] = {"aq": [], "q": []}

    def feed(self, row: Row) -> None:
        loss = row.values.get("actor_loss")
        measured = row.values.get("actor_q")
        self._record("aq", row.step, measured if measured is not None or loss is None else -loss)
        self._record("q", row.step, row.values.get("q1", row.values.get("target_q")))

    def _record(self, name: str, step: float, value: float | None) -> None:
        records = self.records[name]
        if value is None or (records and abs(value) <= records[-1][1]):
            return
        records.append((step, abs(value)))
        if len(records) > self.MOST_RECORDS:
            del records[1:-1:2]

    def missing(self) -> str:
        if not any(self.records.values()):
            return "no series for Q or the actor's loss"
        return "" if return_bound(self.history) is not None else "no series for rewards or returns"

    def exceeded(self, name: str) -> tuple[float, float] | None:
        """``(first step, greatest value)`` of ``aq`` or ``q`` above the bound, at two records or far beyond it.

        Else ``None``.
        """
        bound = self._bound()
        above = [] if not bound else [record for record in self.records[name] if record[1] > self.FACTOR * bound]
        if len(above) < 2 and not (above and bound and above[-1][1] > self.BEYOND_DOUBT * bound):
            return None
        return above[0][0], above[-1][1]

    def _bound(self) -> float:
        """The bound with what an entropy bonus may add; 0 where no reward was seen."""
        bound = return_bound(self.history)
        return bound + entropy_slack(self.history) if bound else 0.0

    def _recovered(self, name: str, bound: float) -> bool:
        """Whether the last quarter of the points lies within the bound, and the policy is good after all."""
        names = ("q1", "target_q") if name == "q" else ("actor_q", "actor_loss")
        values = next((self.history.get(each).values() for each in names if self.history.has(each)), None)
        if values is None or len(values) < 4 * self.LEAST_AFTER or not learning_of(self.history).kind.good:
            return False
        return bool(abs(values[-(len(values) // 4) :]).max() <= self.FACTOR * bound)

    def _scaled(self, peak: float, bound: float) -> bool:
        good = learning_of(self.history).kind.good and settled(self.history)
        return good and peak < self.MOST_SCALE * bound and not self.history.ours

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        results = []
        bound = self._bound()
        gamma, source = discount(self.history)
        for name, causes in (("q", ("critic_divergence", "q_bound_exceeded")), ("aq", ("q_bound_exceeded",))):
            beyond = self.exceeded(name)
            if beyond is not None:
                text = (
                    f"abs({name}) reaches {number(beyond[1])}; the rewards seen allow {number(bound)}"
                    f" (discount {gamma:.4g} {source}), bound used {self.FACTOR} times that"
                )
                recovered = self._recovered(name, bound)
                text += "; it came back within the bound and stayed there: exploded and recovered" if recovered else ""
                scaled = not recovered and self._scaled(beyond[1], bound)
                text += "; it has settled, and the policy learned: rewards scaled up would explain it" if scaled else ""
                severity = Severity.WARN if recovered or scaled else Severity.CRITICAL
                numbers = {"bound": bound, name: beyond[1]}
                results.append(self.find(severity, beyond[0], text, causes, "", **numbers))
        return results


class TwinsAgree(Rule):
    """Rule 31."""

    id = 31
    title = "twins agree"
    meaning = "Never a sign of health: the twins may share an encoder and always share the target."
    refuted_by = "-"
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
