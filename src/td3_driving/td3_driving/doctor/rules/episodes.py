# SPDX-License-Identifier: Apache-2.0
"""Rules about episodes: their returns, their lengths, how they end."""

from __future__ import annotations

import math
from typing import Iterable

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.findings import Finding, Severity, Streak, found_by, number
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.rule import EPISODES, Rule
from td3_driving.doctor.rules.environment import DeadEnvironment
from td3_driving.doctor.watches import LIVENESS


class WorseThanRandom(Rule):
    """A learned policy that does worse than random actions.

    Condition: the median return (the length where no return is logged) of the later learned episodes is below 0.6 of
    that of the random ones, and the learned episode is the worse one in 75 % of all pairs.
    Meaning: The learned policy does worse than random actions did.
    Refuted by: a random phase that was made easy (other starts, no traffic, longer holds)
    Example: A median return of 12 learned against 40 at random.
    """

    id = "worse-than-random"
    sections = ("episodes",)
    charts = ("return", "length")
    about = EPISODES
    RATIO, LEAST_RANDOM, LEAST_LEARNED, SUPERIORITY = 0.6, 5, 10, 0.75

    def groups(self, until: float = math.inf) -> tuple[str, NDArray[np.float64], NDArray[np.float64]] | None:
        """``(what, random, learned)``: values of the episodes begun before learning start, and of the later half after.

        Episodes that end after ``until`` are left out, as the environment changed there.
        """
        start = self.history.learning_start
        if start is None:
            return None
        start = max(start, self.history.expect.number("random_steps") or 0.0)
        episodes = self.history.episodes()
        name = "return" if np.isfinite(episodes.returns).any() else "length"
        values = episodes.returns if name == "return" else episodes.lengths
        known = np.isfinite(values)
        # An episode that spans the learning start was mostly driven at random.
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
        # The same as below 0.6 of it, in a form that also holds for negative returns.
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
    """Episodes that all end at the same step.

    Condition: in one regime, the length of 40 episodes or more has a coefficient of variation below 0.08, and they do
    not end at their time limit.
    Meaning: Episodes in traffic do not end at the same step time after time unless the policy repeats one movement.
    Refuted by: episodes that end at their time limit
    Example: 120 episodes of 17 steps, standard deviation 0.9.
    """

    id = "too-regular"
    sections = ("episodes",)
    charts = ("length",)
    about = EPISODES
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

    def _limited(self, lengths: NDArray[np.float64]) -> bool:
        limit = self.history.expect.number("max_steps") or (
            lengths.max() if np.mean(lengths == lengths.max()) > 0.5 else math.inf
        )
        return bool(np.mean(lengths >= limit) > 0.5)


class LimitIsNoSuccess(Rule):
    """Standing still until time runs out.

    Condition: speed below 1 km/h at 80 % of ten samples or more since learning start, without any success; or three
    episodes at the step limit with the same reward per step, less than half of what the others get.
    Meaning: The episodes last because the vehicle stands: reaching the limit is no success here.
    Refuted by: a queue: other vehicles standing in front of it
    Example: Speed below 1 km/h at 46 of 50 samples, and every episode lasts 1,000 steps.
    """

    id = "limit-is-no-success"
    sections = ("episodes",)
    charts = ("return", "length", "speed")
    status = LIVENESS
    alarms = False
    about = EPISODES
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
        dead = sum(finding.numbers.get("samples", 0.0) for finding in found_by(earlier, DeadEnvironment.id))
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
        # Several alike, and worse than the others: the policy did nothing until time ran out.
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
