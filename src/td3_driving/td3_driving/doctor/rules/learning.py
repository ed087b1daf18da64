# SPDX-License-Identifier: Apache-2.0
"""Rules about the result of the training."""

from __future__ import annotations

from typing import ClassVar, Iterable

import numpy as np

from td3_driving.doctor.findings import STRONG, Finding, Severity, found_by, number
from td3_driving.doctor.history import Episodes
from td3_driving.doctor.learning import learning_of
from td3_driving.doctor.learning_curve import Learned
from td3_driving.doctor.rule import EPISODES, Rule
from td3_driving.doctor.rules.environment import DeadEnvironment
from td3_driving.doctor.scope import ON_POLICY, scope_of


class LearningVerdict(Rule):
    """Whether the policy became better, by returns alone.

    Condition: the verdict on the learning curve: critical if it is flat over a whole budget, at a floor, below its
    start, or rose and lost more than half of the gain; a warning if 30 to 50 % of the gain was lost.
    Meaning: The returns tell whether the policy became better, whatever losses and values look like.
    Refuted by: returns of the same policy in evaluation that say otherwise
    Example: The return of an episode went from 40 at the start to 38 at the end, over 50,000 steps: it never learned.
    """

    id = "learning"
    sections = ("episodes",)
    charts = ("return", "success")
    MEANINGS: ClassVar = {
        Learned.FLAT: "The returns did not move in the whole budget: it never learned.",
        Learned.WORSE: "The returns ended below those of the start: it learned the wrong thing or nothing.",
        Learned.FLOOR: "The returns lie where they are worst: it never learned.",
        Learned.LOST: "The policy was good once and lost it: what came after the peak undid it.",
    }

    def missing(self) -> str:
        learning = learning_of(self.history)
        return learning.sentence if learning.kind is Learned.UNKNOWN else ""

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        learning = learning_of(self.history)
        if learning.kind is Learned.UNKNOWN:
            return []
        severity = Severity.INFO
        causes: tuple[str, ...] = ()
        if learning.kind is Learned.LOST:
            severity, causes = Severity.CRITICAL, ("learned_and_lost",)
        elif learning.kind.bad:
            severity, causes = Severity.CRITICAL, ("never_learned",)
        elif learning.slipped:
            severity = Severity.WARN
        meaning = self.MEANINGS.get(learning.kind, "")
        text = learning.sentence.rstrip(".")
        return [self.find(severity, learning.first_step, text, causes, meaning, **learning.numbers)]


class CopiedEpisodes(Rule):
    """One episode again and again, to the digit.

    Returns that are whole numbers come from counted rewards, which many episodes may reach.

    Condition: the last 8 episodes or more (5 means) agree in length and, to six digits, in return, which is no whole
    number; the episodes before them varied.
    Meaning: Episodes repeat to the last digit after they had varied: the environment no longer reacts.
    Refuted by: an environment and a policy without any chance in them
    Example: The last 31 episodes all return 12.8734 in 40 steps.
    """

    id = "copied-episodes"
    sections = ("episodes",)
    charts = ("return",)
    about = EPISODES
    confidences: ClassVar = {"environment_dead": STRONG}
    LEAST_EPISODES, LEAST_VARIED, LEAST_MEANS, LEAST_VARIED_MEANS, DIGITS = 8, 5, 5, 3, 1e-6

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        if any(found_by(earlier, DeadEnvironment.id)):
            return []
        episodes = self.history.episodes()
        good = episodes.where(np.isfinite(episodes.returns) & np.isfinite(episodes.lengths))
        single = self._judge("episodes", good, self.LEAST_EPISODES, self.LEAST_VARIED)
        return single or self._judge("means", self._means(), self.LEAST_MEANS, self.LEAST_VARIED_MEANS)

    def missing(self) -> str:
        return "" if len(self.history.episodes().end) or len(self._means().end) else "no series of returns and lengths"

    def _means(self) -> Episodes:
        """Means as if they were episodes, where returns and lengths come at the same steps."""
        steps, returns, _ = self.history.get("episode_return_mean").columns()
        at, lengths, _ = self.history.get("episode_length_mean").columns()
        none = np.zeros(0)
        alike = len(at) == len(steps) and bool(np.all(at == steps))
        return Episodes(steps, steps, lengths, returns) if alike else Episodes(none, none, none, none)

    def _judge(self, what: str, points: Episodes, least: int, least_varied: int) -> list[Finding]:
        if len(points.end) < least + least_varied:
            return []
        value, length = float(points.returns[-1]), float(points.lengths[-1])
        same = (np.abs(points.returns - value) <= self.DIGITS * abs(value)) & (points.lengths == length)
        count = len(same) if same.all() else int(np.argmin(same[::-1]))
        varied = len(np.unique(points.returns[: len(same) - count]))
        if count < least or varied < least_varied or abs(value - round(value)) <= self.DIGITS * abs(value):
            return []
        first = float(points.end[len(same) - count])
        text = f"the last {count} {what} all return {number(value)} in {length:,.0f} steps, from step {first:,.0f} on"
        return [self.find(Severity.CRITICAL, first, text, ("environment_dead",), episodes=float(count))]


class PolicySteps(Rule):
    """How far an update moves the policy, as policy gradients log it.

    Condition: the median divergence of the policy from its predecessor is above 0.2 nats and half of the updates are
    clipped (a warning if the run learned), or the divergence is never above 1e-7.
    Meaning: Updates that move the policy by nothing teach it nothing; those that move it too far undo each other.
    Refuted by: returns that rise all the same
    Example: A divergence of 0.9 nats (median); 0.01 to 0.03 is usual.
    """

    id = "policy-steps"
    sections = ("episodes",)
    charts = ("divergence",)
    needs = ("approx_kl",)
    LEAST_POINTS, NOTHING, FAR, CLIPPED = 8, 1e-7, 0.2, 0.5

    def missing(self) -> str:
        if scope_of(self.history).family != ON_POLICY:
            return ""
        return super().missing()

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        divergence = np.abs(self.history.get("approx_kl").values())
        if len(divergence) < self.LEAST_POINTS:
            return []
        first = self.history.get("approx_kl").first
        step = first.step if first else None
        if float(divergence.max()) <= self.NOTHING:
            text = f"the divergence of the policy from its predecessor is at most {number(float(divergence.max()))}"
            return [self.find(Severity.CRITICAL, step, text, ("policy_frozen",), kl=float(divergence.max()))]
        usual = float(np.median(divergence))
        clipped = self.history.get("clip_fraction").median()
        if usual <= self.FAR or not (np.isnan(clipped) or clipped > self.CLIPPED):
            return []
        learned = learning_of(self.history).kind.good
        text = f"the divergence of the policy from its predecessor is {number(usual)} (median), 0.01 to 0.03 is usual"
        severity = Severity.WARN if learned else Severity.CRITICAL
        return [self.find(severity, step, text, ("policy_steps_too_large",), kl=usual)]
