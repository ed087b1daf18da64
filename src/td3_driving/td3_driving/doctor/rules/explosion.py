# SPDX-License-Identifier: Apache-2.0
"""Rules about values that leave all bounds, by whichever series of them was logged."""

from __future__ import annotations

import math
from typing import Iterable

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.findings import Finding, Severity, found_by, number
from td3_driving.doctor.learning import learning_of
from td3_driving.doctor.rule import VALUES, Rule
from td3_driving.doctor.rules.bound import ReturnBound
from td3_driving.doctor.rules.quantities import (
    any_q,
    discount,
    entropy_slack,
    expected_return,
    known_returns,
    return_bound,
)


def part(values: NDArray[np.float64], low: float, high: float) -> float:
    """Median of the values between two places of a series, each in 0..1 of its length."""
    count = len(values)
    return float(np.median(values[int(low * count) : max(int(high * count), int(low * count) + 1)]))


class ValueExplosion(Rule):
    """Loss and Q that grow together and do not settle.

    A critic that learns grows too, fast at first and then slower. Where rewards are known, return-bound tells the two
    apart.

    Condition: where no return bounds Q, it grows 30-fold and its loss 160-fold from the first 15 % to the last 10 %,
    both still growing in the second half and at the end. Without a series of Q: a loss that values within the bound
    cannot make.
    Meaning: Loss and values grow together by orders of magnitude and do not settle: the critic feeds on itself.
    Refuted by: returns that grow by the same factor
    Example: abs(q) from 12 to 40,000 and the loss from 3 to 2e8, still growing at the end.
    """

    id = "value-explosion"
    sections = ("q_values",)
    charts = ("q", "critic_loss")
    about = VALUES
    DECADES, HALF, LATE, LEAST, LEAST_POINTS, LOSS_ALONE = 30.0, 3.0, 1.3, 10.0, 20, 1e4

    def missing(self) -> str:
        if not self.history.has("critic_loss"):
            return "no series for the critic's loss"
        return "" if self.history.get("critic_loss").count >= self.LEAST_POINTS else "too few points"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        steps, losses, _ = self.history.get("critic_loss").columns()
        if len(losses) < self.LEAST_POINTS or any(found_by(earlier, ReturnBound.id)):
            return []
        name, _, values = any_q(self.history)
        values = np.abs(values)
        if len(values) >= self.LEAST_POINTS:
            return self._together(name, steps, losses, values)
        return self._loss_alone(steps, losses)

    def _together(
        self, name: str, steps: NDArray[np.float64], losses: NDArray[np.float64], values: NDArray[np.float64]
    ) -> list[Finding]:
        limit = return_bound(self.history)
        early, end = part(values, 0.0, 0.15), part(values, 0.9, 1.0)
        if limit is not None and end <= limit + entropy_slack(self.history):
            return []
        if not self._goes_on(values, self.DECADES, self.HALF) or not self._goes_on(losses, self.DECADES**1.5, 9.0):
            return self._recovered(name, losses, values)
        if end <= self.LEAST:
            return []
        text = f"abs({name}) from {number(early)} to {number(end)}, the loss from {number(part(losses, 0, 0.15))}"
        text += f" to {number(part(losses, 0.9, 1.0))}, still growing at the end"
        first = float(steps[len(steps) // 2])
        return [
            self.find(Severity.CRITICAL, first, text, ("critic_divergence",), q=end, growth=end / max(early, 1e-12))
        ]

    def _goes_on(self, values: NDArray[np.float64], total: float, half: float) -> bool:
        end = part(values, 0.9, 1.0)
        grown = end >= total * max(part(values, 0.0, 0.15), 1e-12) and end >= half * part(values, 0.45, 0.55)
        return grown and end >= self.LATE * part(values, 0.7, 0.8)

    def _recovered(self, name: str, losses: NDArray[np.float64], values: NDArray[np.float64]) -> list[Finding]:
        peak, usual = float(values.max()), float(np.median(values))
        end = part(values, 0.9, 1.0)
        if peak < 100.0 * max(usual, 1.0) or end > 3.0 * max(usual, 1.0) or losses.max() < 1e3 * np.median(losses):
            return []
        text = f"abs({name}) reached {number(peak)} and is {number(end)} at the end: it exploded and recovered"
        return [
            self.find(Severity.WARN, None, text, ("critic_divergence",), "The critic exploded and recovered.", q=peak)
        ]

    def _loss_alone(self, steps: NDArray[np.float64], losses: NDArray[np.float64]) -> list[Finding]:
        limit, end = return_bound(self.history), part(losses, 0.9, 1.0)
        early = part(losses, 0.0, 0.15)
        # Two values within the bound differ by at most twice the bound. The losses of two critics may be summed up.
        beyond = limit is not None and limit > 0 and math.sqrt(end / 2.0) > 3.0 * (limit + entropy_slack(self.history))
        growing = limit is None and self._goes_on(losses, self.LOSS_ALONE, 30.0) and end > self.LEAST**2
        if not beyond and not growing:
            return []
        text = f"the critic's loss goes from {number(early)} to {number(end)}"
        text += (
            f"; values within {number(limit or 0.0)}, which the rewards allow, cannot miss each other so far"
            if beyond
            else ""
        )
        return [self.find(Severity.CRITICAL, float(steps[-1]), text, ("critic_divergence",), loss=end)]


class DeadCritic(Rule):
    """A critic that explains nothing of its targets.

    Condition: the critic's error stays steady at ten times what Q varies by, over a batch and over time; or Q stays
    below 5 % of what the returns say for a usual state over 2,500 steps.
    Meaning: The critic's loss stays far above what its values vary by: it predicts one number for every state.
    Refuted by: a spread of Q over a batch of the size of the error
    Example: The loss stays at 110, an error of 10.5, while Q is -0.3 and varies by 0.02.
    """

    id = "dead-critic"
    sections = ("q_values",)
    charts = ("q", "critic_loss")
    about = VALUES
    RATIO, LEAST_POINTS, LEAST_STEPS, LONG, SHARE = 10.0, 10, 1000.0, 2500.0, 0.05

    def missing(self) -> str:
        if not self.history.has("critic_loss"):
            return "no series for the critic's loss"
        return "" if len(any_q(self.history)[2]) else "no series for Q or the actor's loss"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        name, steps, values = any_q(self.history)
        losses = self.history.get("critic_loss").values()
        if min(len(values), len(losses)) < self.LEAST_POINTS or steps[-1] - steps[0] < self.LEAST_STEPS:
            return []
        if learning_of(self.history).kind.good:
            return []
        late = values[len(values) // 4 :]
        drift = abs(part(values, 0.75, 1.0) - part(values, 0.25, 0.5))
        quarter = len(losses) // 4
        error = math.sqrt(max(float(losses[2 * quarter :].mean()), 0.0))
        steady = 0.25 < float(losses[-quarter:].mean() / max(losses[quarter : 2 * quarter].mean(), 1e-12)) < 4.0
        reach = max(self._spread(late), float(late.std()))
        if steady and error > self.RATIO * max(reach, drift, 1e-12) and error > 1e-6:
            text = f"the loss stays at {number(error**2)}, an error of {number(error)}, while {name} is"
            text += f" {number(float(late.mean()))} and varies by {number(reach)}"
            return [self.find(Severity.CRITICAL, float(steps[0]), text, ("critic_dead",), error=error, reach=reach)]
        return self._against_returns(name, steps, values, drift)

    def _spread(self, late: NDArray[np.float64]) -> float:
        """Spread of Q over a batch if it is logged, else the size of Q."""
        history = self.history
        if history.has("q_std"):
            return history.get("q_std").median()
        highest, mean = history.get("q_max").median(), float(np.median(late))
        return abs(highest - mean) if not math.isnan(highest) else abs(mean)

    def _against_returns(
        self, name: str, steps: NDArray[np.float64], values: NDArray[np.float64], drift: float
    ) -> list[Finding]:
        expected, late = expected_return(self.history), values[len(values) // 4 :]
        if expected is None or self.history.has("entropy_coefficient") or steps[-1] - steps[0] < self.LONG:
            return []
        size = float(np.median(np.abs(late)))
        moved = abs(part(values, 0.0, 0.1) - part(values, 0.75, 1.0))
        if moved > 0.5 * size + 2.0 * float(late.std()):
            # The critic follows rewards that were scaled down before learning.
            return []
        if (
            size > self.SHARE * abs(expected)
            or drift > self.SHARE * abs(expected)
            or late.std() > 0.5 * max(size, 1e-12)
        ):
            return []
        text = (
            f"{name} stays at {number(float(late.mean()))} where the returns say {number(expected)} for a usual state"
        )
        return [self.find(Severity.CRITICAL, float(steps[0]), text, ("critic_dead",), expected=expected, q=size)]


class QAboveReturns(Rule):
    """Q above every return ever seen, where returns are negative.

    Condition: over the last half, the lower quartile of Q lies above 1.5 times the best that any episode allows plus 30
    % of the usual return, which is negative. A warning if the run learned: rewards were then probably shifted.
    Meaning: The critic promises more than any episode ever returned: it overestimates, and the policy follows it.
    Refuted by: a large reward at the end of episodes, which the steps before it hide
    Example: Q 95 over the last half, while the usual return is -1,200 and the best one -640.
    """

    id = "q-above-returns"
    sections = ("q_values",)
    charts = ("return", "q")
    about = VALUES
    LEAST_POINTS, LEAST_STEPS, FACTOR, SHARE = 12, 2000.0, 1.5, 0.3

    def missing(self) -> str:
        if self.history.has("entropy_coefficient"):
            return "values with an entropy bonus are no returns"
        if not len(any_q(self.history)[2]):
            return "no series for Q or the actor's loss"
        return "" if len(known_returns(self.history)) else "no series for returns"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        name, steps, values = any_q(self.history)
        if self.missing() or len(values) < self.LEAST_POINTS or steps[-1] - steps[0] < self.LEAST_STEPS:
            return []
        if any(found_by(earlier, ReturnBound.id)):
            return []
        late = values[len(values) // 2 :]
        promised, limit = float(np.quantile(late, 0.25)), self._limit()
        usual = float(np.median(known_returns(self.history)))
        if usual >= 0 or promised <= self.FACTOR * limit + self.SHARE * abs(usual):
            return []
        text = f"{name} {number(float(np.median(late)))} over the last half, while the usual return is {number(usual)}"
        text += f" and the best that was ever obtained {number(float(known_returns(self.history).max()))}"
        causes = ("overestimation",)
        severity = Severity.WARN if learning_of(self.history).kind.good else Severity.CRITICAL
        return [self.find(severity, float(steps[len(steps) // 2]), text, causes, q=promised, usual=usual)]

    def _limit(self) -> float:
        """Greatest value that the best episode seen allows, at least 0."""
        best = float(known_returns(self.history).max())
        length = max(self.history.get(name).mean for name in ("episode_length", "episode_length_mean", "eval_length"))
        rate = best / max(length, 1.0) if length == length else 0.0
        return max(0.0, best, rate / (1.0 - discount(self.history)[0]))


class ValuesWithoutReward(Rule):
    """Values where there never was a reward.

    Condition: all of ten returns or more are exactly 0, and abs(Q) ends above 10 and above three times its start.
    Meaning: No episode ever brought a reward, so that the true values are 0; what the critic holds is its own echo.
    Refuted by: rewards that the log of returns leaves out
    Example: abs(q) grows from 0.4 to 500 while all 320 returns are 0.
    """

    id = "values-without-reward"
    sections = ("q_values",)
    charts = ("q",)
    about = VALUES
    LEAST_RETURNS, LEAST_POINTS, LARGE, GROWTH = 10, 10, 10.0, 3.0

    def missing(self) -> str:
        if not len(known_returns(self.history)):
            return "no series for returns"
        return "" if len(any_q(self.history)[2]) else "no series for Q or the actor's loss"

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        returns = known_returns(self.history)
        name, steps, values = any_q(self.history)
        values = np.abs(values)
        if len(returns) < self.LEAST_RETURNS or np.any(returns != 0) or len(values) < self.LEAST_POINTS:
            return []
        start, end = part(values, 0.0, 0.1), part(values, 0.9, 1.0)
        slack = entropy_slack(self.history)
        if end <= self.LARGE + slack or end < self.GROWTH * start:
            return []
        text = f"abs({name}) grows from {number(start)} to {number(end)} while all {len(returns)} returns are 0"
        first = float(steps[np.argmax(values > self.LARGE + slack)])
        return [self.find(Severity.CRITICAL, first, text, ("q_bound_exceeded", "critic_divergence"), q=end)]
