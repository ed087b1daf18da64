"""Rules about Q values and losses: 1-4, 29-31.

``aq`` is Q at the policy's action as the actor sees it, ``q`` the critic's Q at the actions in the replay memory. With correct
wiring they are two readings of one function at the same states, so they differ by one action's advantage and no more.
"""

from __future__ import annotations

import math
from typing import Iterable

import numpy as np

from td3_driving.doctor.findings import Finding, Rule, Severity, Streak, number
from td3_driving.doctor.history import History, Row

DEFAULT_GAMMA = 0.99
SETTLED_UPDATES = 400.0
EARLY_SPAN = 60.0


def actor_q(history: History, values: dict[str, float]) -> float | None:
    """aq of a row: measured, or minus the actor loss where that is the whole loss."""
    measured = values.get("actor_q")
    if measured is not None:
        return measured
    loss = values.get("actor_loss")
    entropy = history.has("entropy_coefficient") or history.expect.text("algorithm") == "sac"
    return None if loss is None or entropy else -loss


def replay_q(history: History, row: Row) -> float | None:
    """q of a row; where the row has none, the latest one if it is recent."""
    for name in ("q1", "q2"):
        if name in row.values:
            return row.values[name]
    return history.near("q1", row.step)


def discount(history: History) -> tuple[float, str]:
    """The discount factor and where it is known from: inferred from the data, asked for, or assumed."""
    effective, ends = history.last("effective_discount"), history.last("terminated_share")
    if effective is not None and ends is not None and ends < 1:
        return min(effective / (1.0 - ends), 0.99999), "inferred"
    asked = history.expect.number("gamma")
    return (asked, "asked for") if asked is not None and 0 <= asked < 1 else (DEFAULT_GAMMA, "assumed")


def return_bound(history: History) -> float | None:
    """Greatest value that a return can have by the rewards seen: ``max(r/(1-gamma), R)``.

    ``r`` is the greatest absolute reward of a step, ``R`` the greatest absolute return of an episode: where single rewards
    are not logged, ``r`` is only known as an average over an episode, and ``R`` covers rewards that come all at once.
    """
    rewards = [extreme(history, name) for name in ("step_reward", "batch_reward_min", "batch_reward_max", "part_total")]
    returns = [extreme(history, name) for name in ("episode_return", "episode_return_mean")]
    episodes = history.episodes()
    per_step = np.abs(episodes.returns) / np.maximum(episodes.lengths, 1.0)
    rewards.append(float(np.nanmax(per_step)) if np.isfinite(per_step).any() else 0.0)
    length, mean = history.last("episode_length_mean"), extreme(history, "episode_return_mean")
    rewards.append(mean / length if length else 0.0)
    if not any(rewards) and not any(returns):
        return None
    return max(max(rewards) / (1.0 - discount(history)[0]), max(returns))


def extreme(history: History, name: str) -> float:
    """Greatest absolute value of a series, 0 without one."""
    series = history.get(name)
    return max((abs(point.value) for point in (series.lowest, series.highest) if point is not None), default=0.0)


class LossIdentity(Rule):
    """Rule 1."""

    id = 1
    title = "loss identity"
    meaning = "The actor's loss is not minus its Q value: the loss is built wrongly, or one of the two is logged wrongly."
    refuted_by = "another term in the actor's loss (behaviour cloning, entropy, a penalty)"
    reads = ("actor_loss", "actor_q")
    TOLERANCE = 1e-4

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
        self.broken += error > self.TOLERANCE
        self.worst = max(self.worst, error)
        self.streak.update(error > self.TOLERANCE, row.step)

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
            text = f"actor_loss + aq differs from 0 by up to {number(self.worst)} of their size at {self.broken} of {self.points} points"
            return [self.find(Severity.CRITICAL, self.streak.first_step, text, ("logging_inconsistent",), worst=self.worst)]
        text = f"actor_loss = -aq at all {self.points} points (within {number(self.worst)}): the loss that is logged is real"
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
        lacks = [text for text, present in (("Q as the actor sees it", self._has_aq()), ("Q on replay actions", self._has_q())) if not present]
        return f"no series for {' and '.join(lacks)}" if lacks else "the two series have no steps in common"

    def _has_aq(self) -> bool:
        return self.history.has("actor_q") or (self.history.has("actor_loss") and not self.history.has("entropy_coefficient"))

    def _has_q(self) -> bool:
        return self.history.has("q1") or self.history.has("q2")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        firsts = [streak.first_step for streak in (self.critical, self.early, self.signs) if streak.first_step is not None]
        severity = Severity.CRITICAL if firsts else Severity.WARN
        first = min(firsts) if firsts else self.warn.first_step
        if first is None:
            return []
        aq, q = self.pair
        text = f"aq {number(aq)} against q {number(q)} at the end: {number(self.latest)} times the scale of q, at most {number(self.worst)}"
        if self.signs.fired and not (self.critical.fired or self.early.fired):
            text += f"; opposite signs at {self.signs.longest} points in a row"
        return [self.find(severity, first, text, ("encoder_mismatch",), ratio=self.worst, aq=aq, q=q)]


class ReturnBound(Rule):
    """Rule 3. Remembers every new record of abs Q, so that a bound that grows with the rewards seen can be applied later."""

    id = 3
    title = "return bound"
    meaning = "No policy can reach such a return with the rewards seen: the value is not an estimate of anything."
    refuted_by = "a single reward, or a discount, large enough to reach it"
    reads = ("actor_loss", "actor_q", "q1")
    FACTOR = 1.5
    MOST_RECORDS = 512

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.records: dict[str, list[tuple[float, float]]] = {"aq": [], "q": []}

    def feed(self, row: Row) -> None:
        self._record("aq", row.step, actor_q(self.history, row.values))
        self._record("q", row.step, row.values.get("q1"))

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
        """``(first step, greatest value)`` of ``aq`` or ``q`` above the bound at two or more records, else ``None``."""
        bound = return_bound(self.history)
        above = [] if not bound else [record for record in self.records[name] if record[1] > self.FACTOR * bound]
        return (above[0][0], above[-1][1]) if len(above) >= 2 else None

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        results = []
        bound = return_bound(self.history) or 0.0
        gamma, source = discount(self.history)
        for name, causes in (("q", ("critic_divergence", "q_bound_exceeded")), ("aq", ("q_bound_exceeded",))):
            beyond = self.exceeded(name)
            if beyond is not None:
                text = (
                    f"abs({name}) reaches {number(beyond[1])}; the rewards seen allow {number(bound)}"
                    f" (discount {gamma:.4g} {source}), bound used {self.FACTOR} times that"
                )
                numbers = {"bound": bound, name: beyond[1]}
                results.append(self.find(Severity.CRITICAL, beyond[0], text, causes, **numbers))
        return results


class GrowthLaw(Rule):
    """Rule 4."""

    id = 4
    title = "growth law"
    meaning = "Growth by a power of the number of updates: features drift under a fixed head; no bootstrap amplification."
    refuted_by = "a straight line in the semi-logarithmic plot instead"
    needs = ("actor_loss",)
    LEAST_POINTS, SLOPE, FIT = 8, 3.0, 0.98

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Updates and aq at the points where both are positive, (n,) each; without the first updates if enough are left."""
        name, sign = ("actor_q", 1.0) if self.history.has("actor_q") else ("actor_loss", -1.0)
        steps, values, _ = self.history.get(name).columns()
        values = sign * values
        updates = self.history.updates_along(steps)
        if updates is None:
            return np.zeros(0), np.zeros(0)
        keep = (updates > 0) & (values > 0)
        settled = keep & (updates >= SETTLED_UPDATES)
        keep = settled if settled.sum() >= self.LEAST_POINTS else keep
        return updates[keep], values[keep]

    def fits(self) -> tuple[float, float, float] | None:
        """``(log-log slope, its R², semi-log R²)``, or ``None`` with fewer than 8 points."""
        updates, values = self.curve()
        if len(values) < self.LEAST_POINTS or np.ptp(values) == 0 or np.ptp(updates) == 0:
            return None
        log_values = np.log(values)
        slope, power_fit = _line(np.log(updates), log_values)
        return slope, power_fit, _line(updates, log_values)[1]

    def missing(self) -> str:
        return super().missing() or ("" if self.fits() else f"fewer than {self.LEAST_POINTS} points of a positive aq")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        fits = self.fits()
        if fits is None or self.curve()[1].max() < 10.0 * self.curve()[1].min():
            return []
        slope, power, exponential = fits
        text = f"log-log slope {slope:.2f} (R² {power:.4f}), semi-log R² {exponential:.4f}"
        numbers = {"slope": slope, "r2_power": power, "r2_exponential": exponential}
        if slope > self.SLOPE and power > self.FIT and power >= exponential:
            return [self.find(Severity.INFO, None, text, ("encoder_mismatch",), **numbers)]
        if exponential > self.FIT and exponential > power and self._critic_grew():
            meaning = "Exponential growth in the number of updates: bootstrap divergence."
            return [self.find(Severity.INFO, None, text, ("critic_divergence",), meaning, **numbers)]
        return []

    def _critic_grew(self) -> bool:
        """Bootstrap divergence shows in the replay's Q as well."""
        values = np.abs(self.history.get("q1").values())
        return len(values) >= self.LEAST_POINTS and values[-1] > 10.0 * max(values[0], 1.0)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """``(slope, R²)`` of the least-squares line."""
    slope, offset = np.polyfit(x, y, 1)
    residual = float(np.sum((y - slope * x - offset) ** 2))
    return float(slope), 1.0 - residual / max(float(np.sum((y - y.mean()) ** 2)), 1e-300)


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
        return [self.find(Severity.INFO, None, f"q1 {number(first)}, q2 {number(second)}: {difference:.1%} apart", difference=difference)]
