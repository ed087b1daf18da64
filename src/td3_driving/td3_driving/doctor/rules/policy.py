# SPDX-License-Identifier: Apache-2.0
"""Rules about the policy."""

from __future__ import annotations

from typing import Iterable

import numpy as np

from td3_driving.doctor.findings import Finding, Severity, Streak, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.learning import LEAST_STEPS, learning_of
from td3_driving.doctor.learning_curve import Learned, constant
from td3_driving.doctor.rule import ACTOR, EPISODES, Rule
from td3_driving.doctor.watches import GRADIENTS


class FrozenPolicy(Rule):
    """A policy whose parameters stand still to the bit.

    Condition: mean and standard deviation of the policy's parameters are bit-equal at five points in a row, while four
    policy delays of updates or more go on.
    Meaning: The policy's parameters do not change although updates go on: it has stopped learning.
    Refuted by: a learning rate scheduled to zero
    Example: Mean 0.00118 and standard deviation 0.0304 at every point from step 2,000 to 5,000.
    """

    id = "frozen-policy"
    sections = ("training_phase",)
    charts = ("policy",)
    status = GRADIENTS
    alert = "policy_frozen"
    about = ACTOR
    reads = ("param_mean_actor",)
    needs = ("param_mean_actor", "param_std_actor")
    LEAST_POINTS, LEAST_UPDATES = 5, 8.0

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.previous: tuple[float, float] | None = None
        self.equal = 1
        self.start = (0.0, 0.0)
        self.first_step: float | None = None
        self.frozen_points = 0

    def feed(self, row: Row) -> None:
        if "param_mean_actor" not in row.values or "param_std_actor" not in row.values:
            return
        current = (row.values["param_mean_actor"], row.values["param_std_actor"])
        updates = self.history.updates_now(row)
        if current != self.previous:
            self.equal, self.start, self.previous = 1, (row.step, updates), current
            return
        self.equal += 1
        if self.equal >= self.LEAST_POINTS and updates - self.start[1] >= self._least_updates():
            self.first_step = self.start[0] if self.first_step is None else self.first_step
            self.frozen_points = max(self.frozen_points, self.equal)

    def _least_updates(self) -> float:
        return max(self.LEAST_UPDATES, 4.0 * (self.history.expect.number("policy_delay") or 2.0))

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if self.first_step is None:
            return []
        rate = self.history.last("lr_actor")
        text = (
            f"mean and standard deviation of the policy's parameters bit-equal at {self.frozen_points} points in a row"
        )
        text += "" if rate is None else f" at a learning rate of {number(rate)}"
        return [
            self.find(Severity.CRITICAL, self.first_step, text, ("policy_frozen",), points=float(self.frozen_points))
        ]


class SaturatedActions(Rule):
    """Actions that sit at their bound in every dimension.

    Condition: abs(mean) of steer and throttle above 0.8 with no more spread than the exploration noise gives, at five
    points in a row after learning start.
    Meaning: The policy always gives the extreme action: its tanh is saturated, and no gradient passes it.
    Refuted by: actions that differ between states
    Example: Steer -0.99 and throttle 0.98 with a spread of 0.1 at a noise of 0.1.
    """

    id = "saturated-actions"
    sections = ("training_phase",)
    charts = ("policy",)
    status = GRADIENTS
    alert = "policy_saturated"
    about = ACTOR
    reads = ("steer_mean", "throttle_mean")
    needs = ("steer_mean", "throttle_mean")
    LIMIT, SPREAD, DEFAULT_NOISE, LEAST_POINTS = 0.8, 1.25, 0.2, 5

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.streak = Streak(self.LEAST_POINTS)
        self.text = ""

    def feed(self, row: Row) -> None:
        values = row.values
        if "steer_mean" not in values or "throttle_mean" not in values or not self.history.updates_now(row):
            return
        noise = self.history.last("noise")
        allowed = self.SPREAD * (self.DEFAULT_NOISE if noise is None else noise) + 0.02
        holds = all(
            abs(values[f"{axis}_mean"]) > self.LIMIT and values.get(f"{axis}_std", 0.0) <= allowed
            for axis in ("steer", "throttle")
        )
        self.streak.update(holds, row.step)
        if holds:
            self.text = (
                f"steer {values['steer_mean']:.2f}, throttle {values['throttle_mean']:.2f}, spread within {allowed:.2f}"
            )

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if not self.streak.fired:
            return []
        text = f"{self.text}, at up to {self.streak.longest} points in a row"
        return [self.find(Severity.CRITICAL, self.streak.first_step, text, ("policy_saturated",))]


class IdenticalEvaluations(Rule):
    """Evaluations that give the same return again.

    Condition: two neighbouring evaluations agree to six digits although updates lie between them, and no success was
    seen. Critical if success is logged, or if five evaluations over 2,500 steps never moved; whole numbers are a
    warning.
    Meaning: Two evaluations agree to six digits although updates lie between them: the policy did not change.
    Refuted by: success above 0: a converged deterministic policy in a deterministic environment
    Example: 38.9112 at step 3,000 and 38.9112 at step 4,000.
    """

    id = "identical-evaluations"
    sections = ("environment",)
    charts = ("return", "success")
    about = EPISODES
    needs = ("eval_return",)
    DIGITS, MANY = 1e-6, 5

    def missing(self) -> str:
        return super().missing() or ("" if self.history.get("eval_return").count > 1 else "fewer than two evaluations")

    def _never_moved(self) -> bool:
        """Whether all evaluations of a long run are the same, although the task is not solved."""
        series = self.history.get("eval_return")
        solved = learning_of(self.history).kind in (Learned.LEARNED, Learned.HELD)
        return (
            series.count >= self.MANY
            and constant(series.values())
            and bool(np.ptp(series.steps()) >= LEAST_STEPS)
            and not solved
        )

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        steps, values, _ = self.history.get("eval_return").columns()
        same = np.flatnonzero((np.abs(np.diff(values)) <= self.DIGITS * np.abs(values[1:])) & (np.diff(steps) > 0))
        same = np.array(
            [i for i in same if (self.history.updates_at(steps[i + 1]) or 0) > (self.history.updates_at(steps[i]) or 0)]
        )
        success = self.history.get("eval_success").highest
        if len(same) == 0 or (success is not None and success.value > 0):
            return []
        index = int(same[0])
        # Whole numbers come from counted rewards, which many different policies may reach.
        counted = float(values[index]).is_integer()
        severity = Severity.WARN if (success is None and not self._never_moved()) or counted else Severity.CRITICAL
        text = f"{number(values[index])} at steps {steps[index]:,.0f} and {steps[index + 1]:,.0f}"
        causes = ("policy_frozen",) if severity is Severity.CRITICAL else ()
        return [self.find(severity, float(steps[index + 1]), text, causes)]
