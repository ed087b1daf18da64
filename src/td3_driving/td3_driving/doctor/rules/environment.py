"""Rules about the environment and the episodes: 18, 19, 21-23.

Regimes are never pooled (20): see ``history.phases``.
"""

from __future__ import annotations

import math
from typing import Iterable

import numpy as np

from td3_driving.doctor.findings import Finding, Rule, Severity, Streak, number
from td3_driving.doctor.history import Episodes, History, Row


class DeadEnvironment(Rule):
    """Rule 18. A policy that brakes explains a standstill, so that such samples are no evidence."""

    id = 18
    title = "dead environment"
    meaning = (
        "The environment no longer reacts: what was recorded meanwhile are copies of one state, and they poison"
        " the replay memory."
    )
    refuted_by = "brakes, or a speed or a reward that differs in the last digits, as those of a parked car do"
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
    """Rule 19: a break exactly at an evaluation, and for the worse.

    A policy that learns changes gradually, and its return rises with its length. Here the last episodes before an
    evaluation and the first after it do not overlap, by a factor of three, without the gain in return that would
    explain it. Episodes from before the start of learning were driven at random and say nothing about a learned policy.
    """

    id = 19
    title = "regime break"
    meaning = "The evaluation changed the environment itself: what comes after it was not produced by the same world."
    refuted_by = "a curriculum that changes the task at that step"
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
        """Shorter because solved: the return at least doubled, or its sign changed for the better."""
        if not self._returns(before, after):
            return False
        old = float(np.nanmedian(before.returns[-self.NEIGHBOURS :]))
        new = float(np.nanmedian(after.returns[: self.NEIGHBOURS]))
        return new - old > abs(old)


class WorseThanRandom(Rule):
    """Rule 21: judged by the return; by the length only where no return is logged."""

    id = 21
    title = "worse than random"
    meaning = "The learned policy does worse than random actions did."
    refuted_by = "a random phase that was made easy (other starts, no traffic, longer holds)"
    RATIO, LEAST_RANDOM, LEAST_LEARNED, SUPERIORITY = 0.6, 5, 10, 0.75

    def groups(self, until: float = math.inf) -> tuple[str, np.ndarray, np.ndarray] | None:
        """``(what, random, learned)``: values of the episodes begun before learning start, and of the later half after.

        Episodes that end beyond ``until`` are left out: the environment is another one there.
        """
        start = self.history.learning_start
        if start is None:
            return None
        start = max(start, self.history.expect.number("random_steps") or 0.0)
        episodes = self.history.episodes()
        name = "return" if np.isfinite(episodes.returns).any() else "length"
        values = episodes.returns if name == "return" else episodes.lengths
        known = np.isfinite(values)
        # Begun before learning start, as an episode that spans it was mostly driven at random.
        random = values[known & (episodes.start < start)]
        learned = values[known & (episodes.start >= start) & (episodes.end <= until)]
        return name, random, learned[len(learned) // 2 :]

    def missing(self) -> str:
        if not self.history.has("episode_return") and not self.history.has("episode_length"):
            return "no series of single episodes"
        groups = self.groups()
        if groups is None:
            return "learning never started"
        if len(groups[1]) < self.LEAST_RANDOM:
            return f"fewer than {self.LEAST_RANDOM} episodes before learning start"
        return (
            ""
            if len(groups[2]) >= self.LEAST_LEARNED
            else f"fewer than {2 * self.LEAST_LEARNED} episodes after learning start"
        )

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        breaks = [finding.first_step for finding in earlier if "environment_dead" in finding.causes]
        groups = self.groups(min((step for step in breaks if step is not None), default=math.inf))
        if groups is None or len(groups[1]) < self.LEAST_RANDOM or len(groups[2]) < self.LEAST_LEARNED:
            return []
        name, random, learned = groups
        before, after = float(np.median(random)), float(np.median(learned))
        beaten = float(np.mean(learned[:, None] < random[None, :]))
        # "Below 0.6 of it", said so that it also holds for negative returns.
        if before - after <= (1.0 - self.RATIO) * abs(before) or beaten < self.SUPERIORITY:
            return []
        text = f"median {name} {number(after)} learned against {number(before)} at random ({beaten:.0%} of the pairs)"
        return [
            self.find(
                Severity.CRITICAL,
                self.history.learning_start,
                text,
                ("worse_than_random",),
                random=before,
                learned=after,
            )
        ]


class TooRegular(Rule):
    """Rule 22."""

    id = 22
    title = "too regular"
    meaning = "Episodes in traffic do not end at the same step time after time unless the policy repeats one movement."
    refuted_by = "episodes that end at their time limit"
    needs = ("episode_length",)
    VARIATION, LEAST_EPISODES = 0.08, 40

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        episodes = self.history.episodes()
        for name, low, high in self.history.phases():
            lengths = episodes.lengths[(episodes.start >= low) & (episodes.end <= high) & np.isfinite(episodes.lengths)]
            if len(lengths) < self.LEAST_EPISODES or self._limited(lengths):
                continue
            variation = float(np.std(lengths) / np.mean(lengths))
            if variation < self.VARIATION:
                text = (
                    f"{name}: {len(lengths)} episodes of {np.mean(lengths):.1f} steps, coefficient of variation"
                    f" {variation:.3f}"
                )
                return [self.find(Severity.WARN, low, text, variation=variation)]
        return []

    def _limited(self, lengths: np.ndarray) -> bool:
        limit = self.history.expect.number("max_steps") or (
            lengths.max() if np.mean(lengths == lengths.max()) > 0.5 else math.inf
        )
        return bool(np.mean(lengths >= limit) > 0.5)


class LimitIsNoSuccess(Rule):
    """Rule 23: standing still until time runs out."""

    id = 23
    title = "limit is not success"
    meaning = "The episodes last because the vehicle stands: reaching the limit is no success here."
    refuted_by = "a queue: other vehicles standing in front of it"
    reads = ("speed",)
    STANDING_KMH, SHARE, LEAST_SAMPLES = 1.0, 0.8, 10

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.standing = self.samples = 0
        self.streak = Streak(self.LEAST_SAMPLES)

    def feed(self, row: Row) -> None:
        speed = row.values.get("speed")
        if speed is None or self.history.first_loss is None:
            return
        self.samples += 1
        self.standing += abs(speed) < self.STANDING_KMH
        self.streak.update(abs(speed) < self.STANDING_KMH, row.step)

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        return self._parked(list(earlier)) + self._constant_limit()

    def _parked(self, earlier: list[Finding]) -> list[Finding]:
        dead = sum(finding.numbers.get("samples", 0.0) for finding in earlier if finding.rule == DeadEnvironment.id)
        success = self.history.get("eval_success").highest
        standing, samples = self.standing - dead, self.samples - dead
        share = standing / samples if samples else 0.0
        if samples < self.LEAST_SAMPLES or share < self.SHARE or (success is not None and success.value > 0):
            return []
        text = (
            f"speed below {self.STANDING_KMH:.0f} km/h at {standing:.0f} of {samples:.0f} samples since learning start"
        )
        return [self.find(Severity.CRITICAL, self.streak.first_step, text, ("policy_parked",), share=share)]

    def _constant_limit(self) -> list[Finding]:
        episodes = self.history.episodes()
        known = np.isfinite(episodes.returns) & np.isfinite(episodes.lengths)
        lengths, rates = episodes.lengths[known], (episodes.returns / np.maximum(episodes.lengths, 1.0))[known]
        if len(lengths) < 10:
            return []
        limit = self.history.expect.number("max_steps") or float(lengths.max())
        at_limit = lengths >= limit
        usual = float(np.median(rates[~at_limit])) if (~at_limit).any() else math.nan
        # Several alike, and poorer than the others: time passed without anything being done.
        if at_limit.sum() < 3 or np.ptp(rates[at_limit]) > 1e-3 * abs(rates[at_limit].mean()):
            return []
        quarter = max(1, len(at_limit) // 4)
        fewer = at_limit[-quarter:].mean() < at_limit[:quarter].mean()
        if fewer or not rates[at_limit].any() or not usual > 0 or rates[at_limit].mean() >= 0.5 * usual:
            return []
        text = (
            f"{at_limit.sum()} episodes at the limit of {limit:.0f} steps with the same"
            f" {number(float(rates[at_limit].mean()))} per step"
        )
        return [self.find(Severity.CRITICAL, float(episodes.end[known][at_limit][0]), text, ("policy_parked",))]
