# SPDX-License-Identifier: Apache-2.0
"""Recognises the algorithm of a run by the series that it logs.

Rules about parts that an algorithm does not have are not asked: policy gradients have no Q at actions, deep Q learning
has no actor, bandits and supervised training have neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from td3_driving.doctor.algorithms import ALGORITHMS, fitting
from td3_driving.doctor.history import History
from td3_driving.doctor.rule import ACTOR, EPISODES, VALUES
from td3_driving.doctor.rules.quantities import entropy_regularised

OFF_POLICY, DQN, ON_POLICY, BANDIT, SUPERVISED, UNKNOWN = (
    "off-policy actor-critic",
    "deep Q learning",
    "on-policy",
    "bandit",
    "supervised",
    "unknown",
)
ABSENT = {
    ON_POLICY: "no Q at actions, no replay memory and no target networks",
    DQN: "no actor",
    BANDIT: "no episodes, no critic and no actor",
    SUPERVISED: "no returns, no critic and no actor",
}
# Parts of a learner that a family does not have; see ``Rule.about``.
_LACKS = {
    DQN: frozenset({ACTOR}),
    ON_POLICY: frozenset({ACTOR, VALUES}),
    BANDIT: frozenset({ACTOR, VALUES, EPISODES}),
    SUPERVISED: frozenset({ACTOR, VALUES, EPISODES}),
}
_PPO = re.compile(r"\b(approx|clip) ?(kl|frac|fraction|range)\b|\bclipfrac\b|\bppo\b")
_REGRET = re.compile(r"\bregret\b|\barm\b|\bbandit\b")
_LABELS = re.compile(
    r"\b(accuracy|acc|f1|precision|recall|perplexity|mae|rmse|auc|iou|map)\b|\b(val|valid|test) loss\b"
)
_RETURNS = ("episode_return", "episode_return_mean", "eval_return", "success_rate", "eval_success")


@dataclass(frozen=True)
class Scope:
    """Name of the algorithm, as far as it is known, and its family."""

    name: str
    family: str

    def lacks(self, part: str) -> bool:
        """Whether an algorithm of this family has no such part; rules about it are not asked."""
        return part in _LACKS.get(self.family, ())

    @property
    def sentence(self) -> str:
        """What the run is, and what is not asked of it."""
        if self.family in ABSENT:
            kind = "" if self.name.lower() == self.family else f" ({self.family})"
            return f"{self.name}{kind}: it has {ABSENT[self.family]}; the rules about these are not asked."
        return f"{self.name}." if self.family != UNKNOWN else "The algorithm cannot be told from the series."


def scope_of(history: History) -> Scope:
    """The scope of a run by its series, or by what its configuration calls the algorithm."""
    tags = [re.sub(r"[^a-z0-9]+", " ", tag.lower()) for tag in (*history.tags.values(), *history.unknown)]
    asked = history.expect.text("algorithm")
    return _on_policy(history, tags) or _off_policy(history, asked) or _without_actions(history, tags)


def _on_policy(history: History, tags: list[str]) -> Scope | None:
    signs = any(history.has(name) for name in ("approx_kl", "clip_fraction", "clip_range"))
    if history.has("q1") or history.has("actor_q") or (history.has("critic_loss") and history.has("actor_loss")):
        return None
    if signs or any(_PPO.search(tag) for tag in tags):
        return Scope("PPO", ON_POLICY)
    gradient = history.has("policy_loss") or any("policy gradient loss" in tag for tag in tags)
    if history.has("value_loss") and (gradient or history.has("entropy_loss") or history.has("entropy")):
        return Scope("A2C", ON_POLICY)
    return Scope("policy gradient", ON_POLICY) if history.has("value_loss") or gradient else None


def _off_policy(history: History, asked: str) -> Scope | None:
    actor = history.has("actor_loss") or history.has("actor_q")
    critic = history.has("critic_loss") or history.has("q1") or history.has("target_q")
    if ":" in asked and (actor or critic):
        # An algorithm from outside is asked for by its import path.
        return Scope(asked.rpartition(":")[2], OFF_POLICY)
    if entropy_regularised(history):
        return Scope(fitting(entropy=True, two_critics=True), OFF_POLICY)
    if actor and critic:
        known = ALGORITHMS.get(asked.lower())
        two = history.has("q2") or history.ours
        return Scope(known.name if known else fitting(entropy=False, two_critics=two), OFF_POLICY)
    if actor:
        return Scope("an actor-critic", OFF_POLICY)
    return Scope("DQN", DQN) if history.has("exploration_rate") and history.has("critic_loss") else None


def _without_actions(history: History, tags: list[str]) -> Scope:
    returns = any(history.has(name) for name in _RETURNS)
    if history.has("regret") or (not returns and any(_REGRET.search(tag) for tag in tags)):
        return Scope("bandit", BANDIT)
    labels = any(history.has(name) for name in ("train_accuracy", "eval_accuracy", "eval_loss"))
    if not returns and not history.has("q1") and (labels or any(_LABELS.search(tag) for tag in tags)):
        return Scope("supervised training", SUPERVISED)
    if history.has("q1") or history.has("target_q"):
        return Scope("a critic alone", OFF_POLICY)
    return Scope("unknown", UNKNOWN)
