# SPDX-License-Identifier: Apache-2.0
"""Whether Q exceeds every return that the rewards allow."""

from __future__ import annotations

from typing import Iterable

from td3_driving.doctor.findings import Finding, Severity, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.learning import learning_of, settled
from td3_driving.doctor.rule import VALUES, Rule
from td3_driving.doctor.rules.quantities import (
    discount,
    entropy_slack,
    return_bound,
)
from td3_driving.doctor.watches import Q_HEALTH


class ReturnBound(Rule):
    """Q beyond every return that the rewards allow.

    Condition: abs(Q) above 1.5 r_max / (1 - gamma) at two records, or above 100 times the bound at one; r_max is the
    greatest reward seen, and an entropy bonus is added to the bound. A warning if the last quarter is within the bound
    again and the run learned, or if Q has settled below 30 times the bound in a run of another library that learned:
    its learner may see rewards that were scaled up.
    Meaning: No policy can reach such a return with the rewards seen: the value is not an estimate of anything.
    Refuted by: a single reward, or a discount, large enough to reach it
    Example: Rewards of at most 2 and a discount of 0.99 allow 200. A Q of 4,000 exceeds it.
    """

    id = "return-bound"
    sections = ("q_values",)
    charts = ("q",)
    status = Q_HEALTH
    alert = "q_bound"
    about = VALUES
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
        """The bound, plus what an entropy bonus may add; 0 if no reward was seen."""
        bound = return_bound(self.history)
        return bound + entropy_slack(self.history) if bound else 0.0

    def _recovered(self, name: str, bound: float) -> bool:
        """Whether the last quarter of the points lies within the bound, and the run learned."""
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
