# SPDX-License-Identifier: Apache-2.0
"""Rules about the environment: whether it reacts, and whether it stays the same one."""

from __future__ import annotations

from typing import ClassVar, Iterable

import numpy as np

from td3_driving.doctor.findings import STRONG, Finding, Severity, number
from td3_driving.doctor.history import Episodes, History, Row
from td3_driving.doctor.rule import EPISODES, Rule
from td3_driving.doctor.watches import LIVENESS


class DeadEnvironment(Rule):
    """An environment that no longer reacts.

    Condition: speed exactly 0 and a bit-identical reward at three samples in a row, while the policy does not brake.
    Meaning: The environment no longer reacts: what was recorded meanwhile are copies of one state, and they poison the
    replay memory.
    Refuted by: brakes, or a speed or a reward that differs in the last digits, as those of a parked car do
    Example: Speed 0 and reward 0.1 at all ten samples from step 3,001 to 4,000.
    """

    id = "dead-environment"
    sections = ("environment",)
    charts = ("speed", "reward")
    status = LIVENESS
    alert = "environment_dead"
    about = EPISODES
    reads = ("speed", "step_reward", "throttle_mean")
    needs = ("speed", "step_reward")
    LEAST_SAMPLES = 3

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.previous: float | None = None
        self.samples = 0
        self.stretches: list[tuple[float, float, int]] = []

    def feed(self, row: Row) -> None:
        speed, reward = row.values.get("speed"), row.values.get("step_reward")
        if speed is None or reward is None:
            return
        same = speed == 0.0 and (reward == self.previous or self.samples == 0)
        if speed != 0.0 or row.values.get("throttle_mean", 0.0) < 0.0:
            self.samples, self.previous = 0, None
            return
        self.samples = self.samples + 1 if same else 1
        self.previous = reward
        if self.samples == 1:
            self.start = row.step
        if self.samples == self.LEAST_SAMPLES:
            self.stretches.append((self.start, row.step, self.samples))
        elif self.samples > self.LEAST_SAMPLES:
            self.stretches[-1] = (self.stretches[-1][0], row.step, self.samples)

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if not self.stretches:
            return []
        parts = [f"{count} samples from step {low:,.0f} to {high:,.0f}" for low, high, count in self.stretches[:5]]
        text = "speed exactly 0 and the reward bit-identical: " + "; ".join(parts)
        samples = float(sum(count for _, _, count in self.stretches))
        steps = float(sum(high - low for low, high, _ in self.stretches))
        return [
            self.find(
                Severity.CRITICAL, self.stretches[0][0], text, ("environment_dead",), samples=samples, steps=steps
            )
        ]


class RegimeBreak(Rule):
    """A break exactly at an evaluation, and for the worse.

    A policy that learns changes gradually, and its return rises with its length. Episodes from before learning start
    are driven at random and say nothing about a learned policy.

    Condition: the median length of episodes falls to less than a third across an evaluation and stays there; the ten
    episodes before it and the ten after it do not overlap; the return did not rise to explain it.
    Meaning: The evaluation changed the environment itself: what comes after it was not produced by the same world.
    Refuted by: a curriculum that changes the task at that step
    Example: Episodes of 17 steps before the evaluation at 3,000, and of 3 steps after it.
    """

    id = "regime-break"
    sections = ("episodes",)
    charts = ("return", "length")
    status = LIVENESS
    alert = "environment_dead"
    alarms = False
    about = EPISODES
    confidences: ClassVar = {"environment_dead": STRONG}
    needs = ("episode_length",)
    FACTOR, NEIGHBOURS, LEAST_AFTER = 3.0, 10, 5

    def missing(self) -> str:
        return super().missing() or ("" if self.history.evaluations else "no evaluation was logged")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        episodes = self.history.episodes()
        for mark in sorted(self.history.evaluations):
            learned = self.history.learning_start or 0.0
            before = episodes.where((episodes.end <= mark) & ((episodes.start >= learned) | (mark <= learned)))
            after = episodes.where((episodes.start >= mark) & ((episodes.end <= learned) | (mark >= learned)))
            found = (
                self._judge(mark, before, after) if min(len(before.end), len(after.end)) >= self.LEAST_AFTER else None
            )
            if found is not None:
                return [found]
        return []

    def _judge(self, mark: float, before: Episodes, after: Episodes) -> Finding | None:
        old, new = before.lengths[-self.NEIGHBOURS :], after.lengths[: self.NEIGHBOURS]
        ratio = float(np.median(old) / max(np.median(new), 1e-9))
        apart = np.quantile(new, 0.9) < np.quantile(old, 0.1)
        stays = np.median(after.lengths) * self.FACTOR < np.median(old)
        if ratio <= self.FACTOR or not apart or not stays or self._improved(before, after):
            return None
        per_step = (
            [float(np.nanmedian(part.returns / part.lengths)) for part in (before, after)]
            if self._returns(before, after)
            else []
        )
        text = (
            f"median episode length {number(float(np.median(old)))} before and {number(float(np.median(new)))}"
            f" after the evaluation at {mark:,.0f}"
        )
        text += f"; reward per step {number(per_step[0])} before, {number(per_step[1])} after" if per_step else ""
        return self.find(Severity.CRITICAL, mark, text, ("environment_dead",), ratio=ratio)

    def _returns(self, *parts: Episodes) -> bool:
        return all(np.isfinite(part.returns).any() for part in parts)

    def _improved(self, before: Episodes, after: Episodes) -> bool:
        """Whether episodes are shorter because the task is solved: the return doubled, or became positive."""
        if not self._returns(before, after):
            return False
        old = float(np.nanmedian(before.returns[-self.NEIGHBOURS :]))
        new = float(np.nanmedian(after.returns[: self.NEIGHBOURS]))
        return new - old > abs(old)
