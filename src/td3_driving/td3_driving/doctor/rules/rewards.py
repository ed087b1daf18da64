# SPDX-License-Identifier: Apache-2.0
"""Rules about the reward."""

from __future__ import annotations

import math
from typing import Iterable

import numpy as np

from td3_driving.doctor.aliases import PENALTIES, TERMS, family
from td3_driving.doctor.findings import Finding, Severity, Streak, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import EPISODES, Rule
from td3_driving.doctor.watches import LEDGER


class ViolationPays(Rule):
    """Violations that no reward punishes.

    Condition: 0.8 violations per episode or more, and one of three: the safety term is above 0 at two points;
    episodes end in violations ever sooner and return more; no reward at or below 0 was seen at ten samples.
    Meaning: Leaving the lane or colliding costs nothing: no step with a violation brought a negative reward.
    Refuted by: a negative reward at a step with a violation
    Example: The smallest reward seen is 0.3, at 1.00 violations per episode.
    """

    id = "violation-pays"
    sections = ("reward",)
    charts = ("reward",)
    status = LEDGER
    alert = "reward_pays_violation"
    about = EPISODES
    reads = PENALTIES
    needs: tuple[str, ...] = ()
    OFTEN, SOONER, LEAST_EPISODES, FEWEST = 0.8, 0.6, 40, 5
    ENDINGS = (1.0, 2.0, 3.0)
    """Exit reasons that are violations: collision, off the lane, wrong way."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.paying = Streak(2)
        self.greatest = -math.inf

    def feed(self, row: Row) -> None:
        penalties = [row.values[name] for name in PENALTIES if name in row.values]
        if penalties:
            self.greatest = max(self.greatest, *penalties)
            self.paying.update(max(penalties) > 0.0, row.step)

    def violations(self) -> float:
        """Violations per episode: the share of episodes that ended in one, if exit reasons are logged.

        Else the mean of lane invasions or of collisions, whichever is greater. 0 if there are too few episodes. An exit
        reason is the better measure, as touching a marking may be allowed.
        """
        reasons = self.history.get("exit_reason").values() if self.history.has("exit_reason") else None
        counted = max(self.history.get(name).count for name in ("lane_invasions", "collisions", "exit_reason"))
        if counted < self.FEWEST:
            return 0.0
        if reasons is not None:
            return float(np.isin(reasons, self.ENDINGS).mean())
        means = [self.history.get(name).mean for name in ("lane_invasions", "collisions") if self.history.has(name)]
        return max(means, default=0.0)

    def _sought(self) -> list[Finding]:
        """Episodes that end in a violation ever sooner and return more. Our own runs are judged once they are over."""
        if self.history.ours and not self.history.has("finished"):
            return []
        episodes, kind = (
            self.history.episodes(),
            "lane_invasions" if self.history.has("lane_invasions") else "collisions",
        )
        good = episodes.where(np.isfinite(episodes.returns) & np.isfinite(episodes.lengths))
        first, violations = max(5, len(good.end) // 20), self.history.get(kind).values()
        if len(good.end) < self.LEAST_EPISODES or float(np.mean(violations[len(violations) // 2 :])) < self.OFTEN:
            return []
        early, late = good.lengths[:first], good.lengths[len(good.end) // 2 :]
        before, after = good.returns[:first], good.returns[len(good.end) // 2 :]
        sooner = float(np.median(late)) < self.SOONER * float(np.median(early))
        if not sooner or float(np.quantile(after, 0.25)) <= float(np.median(before)):
            return []
        text = f"episodes end in a violation after {number(float(np.median(late)))} steps instead of"
        text += f" {number(float(np.median(early)))}, and return {number(float(np.median(after)))} instead of"
        text += f" {number(float(np.median(before)))}"
        return [self.find(Severity.CRITICAL, float(good.end[0]), text, ("reward_pays_violation",))]

    def _smallest(self) -> float | None:
        """Smallest reward of a step that was seen."""
        rewards, penalties = (
            [low.value for low in (self.history.get(name).lowest for name in names) if low is not None]
            for names in (("step_reward", "batch_reward_min"), PENALTIES)
        )
        return min([*rewards, *(value for value in penalties if value < 0)], default=None)

    def missing(self) -> str:
        if not self.history.has("lane_invasions") and not self.history.has("collisions"):
            return "no series for violations per episode"
        return (
            ""
            if self._smallest() is not None or any(map(self.history.has, PENALTIES))
            else "no series for the reward of a step"
        )

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        violations, smallest = self.violations(), self._smallest()
        if violations < self.OFTEN:
            return []
        if self.paying.fired:
            text = (
                f"the safety term reaches {number(self.greatest)}, above 0, at {violations:.2f} violations per episode"
            )
            return [self.find(Severity.CRITICAL, self.paying.first_step, text, ("reward_pays_violation",))]
        sought = self._sought()
        if sought:
            return sought
        samples = self.history.get("step_reward").count + self.history.get("batch_reward_min").count
        if smallest is None or smallest <= 0 or samples < 10:
            return []
        text = f"smallest reward seen {number(smallest)}, above 0, at {violations:.2f} violations per episode"
        first = self.history.get("step_reward").first
        return [self.find(Severity.CRITICAL, first.step if first else None, text, ("reward_pays_violation",))]


class RewardAtRest(Rule):
    """A reward for standing still.

    Condition: the median reward at a speed below 0.5 km/h is above 0, or above the mean reward of driving.
    Meaning: Standing still is rewarded: a policy may learn to park.
    Refuted by: a mean reward of driving far above it
    Example: Reward 0.2 at rest against 0.15 on average when moving.
    """

    id = "reward-at-rest"
    sections = ("reward",)
    charts = ("reward",)
    status = LEDGER
    about = EPISODES
    reads = ("speed", "step_reward")
    STANDING_KMH, LEAST_SAMPLES = 0.5, 3

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.rest: list[float] = []
        self.first_step: float | None = None
        self.driving = (0, 0.0)

    def feed(self, row: Row) -> None:
        speed, reward = row.values.get("speed"), row.values.get("step_reward")
        if speed is None or reward is None:
            return
        if abs(speed) >= self.STANDING_KMH:
            self.driving = (self.driving[0] + 1, self.driving[1] + reward)
        elif len(self.rest) < 1000:
            self.rest.append(reward)
            self.first_step = row.step if self.first_step is None else self.first_step

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if len(self.rest) < self.LEAST_SAMPLES:
            return []
        at_rest = float(np.median(self.rest))
        moving = self.driving[1] / self.driving[0] if self.driving[0] else math.nan
        if at_rest <= 0 and not at_rest > moving:
            return []
        text = (
            f"reward {number(at_rest)} at rest (median of {len(self.rest)}) against {number(moving)} on average"
            " when moving"
        )
        return [self.find(Severity.WARN, self.first_step, text, rest=at_rest)]


class RewardDominance(Rule):
    """One reward term that drowns the others.

    Condition: one term makes up more than 70 % of the sum of absolute terms, over ten points or more.
    Meaning: One term makes up most of the reward; the others hardly count.
    Refuted by: a task that consists of that term alone
    Example: progress makes up 83 % of the sum of absolute terms.
    """

    id = "reward-dominance"
    sections = ("reward",)
    charts = ("reward",)
    status = LEDGER
    about = EPISODES
    reads = (TERMS,)
    SHARE, LEAST_ROWS = 0.7, 10

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.sums: dict[str, float] = {}
        self.rows = 0
        self.first_step: float | None = None

    def feed(self, row: Row) -> None:
        terms = {name: abs(value) for name, value in row.values.items() if self._is_term(name)}
        if len(terms) < 2:
            return
        self.first_step = row.step if self.first_step is None else self.first_step
        self.rows += 1
        for name, size in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + size

    def _is_term(self, name: str) -> bool:
        """In runs of others, ``reward/...`` need not be a term."""
        return family(name) == TERMS and (self.history.ours or not self.history.tags[name].startswith("reward/"))

    def missing(self) -> str:
        return "" if self.rows else "no series for terms of the reward"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        total = sum(self.sums.values())
        if self.rows < self.LEAST_ROWS or total <= 0:
            return []
        name = max(self.sums, key=lambda term: self.sums[term])
        share = self.sums[name] / total
        if share <= self.SHARE:
            return []
        text = f"{name.removeprefix('term_')} makes up {share:.0%} of the sum of absolute terms"
        return [self.find(Severity.WARN, self.first_step, text, ("reward_dominated",), share=share)]


class RewardLedger(Rule):
    """Reward terms that do not add up to the total.

    Condition: the terms miss the total by more than 1e-6 of their size (5 % in runs of others) at three points in
    a row, or the run itself counted a step at which they do. The bound is relative because event files hold single
    precision.
    Meaning: The terms do not add up to the total: something is rewarded that is not logged, or logged and not
    rewarded.
    Refuted by: a term that is logged elsewhere
    Example: Terms that sum to 1.30 beside a total of 1.50: a bonus of 0.2 is not logged.
    """

    id = "reward-ledger"
    sections = ("reward",)
    charts = ("reward",)
    status = LEDGER
    alert = "reward_ledger"
    about = EPISODES
    reads = (TERMS, "reward_total", "ledger_breaks")
    PER_STEP, FOREIGN, LEAST_ROWS = 1e-6, 0.05, 3

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.rows = 0
        self.worst = 0.0
        self.ours, self.foreign = Streak(self.LEAST_ROWS), Streak(self.LEAST_ROWS)
        self.counted = Streak(1)

    def feed(self, row: Row) -> None:
        self.counted.update(row.values.get("ledger_breaks", 0.0) > 0, row.step)
        total = row.values.get("reward_total")
        names = self.history.expanded([TERMS])
        if total is None or any(name not in row.values for name in names):
            return
        terms = [row.values[name] for name in names]
        size = max(1.0, sum(abs(term) for term in terms))
        error = abs(sum(terms) - total)
        self.rows += 1
        self.worst = max(self.worst, error)
        self.ours.update(error > self.PER_STEP * size, row.step)
        self.foreign.update(error > self.FOREIGN * size, row.step)

    def missing(self) -> str:
        return "" if self.rows else "no series for all terms and their total"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if self.counted.first_step is not None:
            text = f"the terms miss the total at {number(self.history.last('ledger_breaks') or 0.0)} steps"
            return [self.find(Severity.CRITICAL, self.counted.first_step, text, ("logging_inconsistent",))]
        streak = self.ours if self.history.ours else self.foreign
        if not streak.fired:
            return []
        severity = Severity.CRITICAL if self.history.ours else Severity.WARN
        text = f"the terms miss the total by up to {number(self.worst)}, at {streak.longest} points in a row"
        return [self.find(severity, streak.first_step, text, ("logging_inconsistent",), worst=self.worst)]
