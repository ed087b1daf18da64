"""What kind of learner a run is of, told by the series that it logs.

The rules about Q values ask for nothing that an algorithm has not: policy gradients have no Q at actions, deep Q
learning has no actor, bandits and supervised training have neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from td3_driving.doctor.history import History

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
# Rules that speak of Q, of the actor's loss, of gradients past the actor, of targets.
ACTOR_RULES = frozenset({1, 2, 4, 5, 6, 7, 8})
Q_RULES = frozenset({3, 11, 13, 14, 29, 30, 31, 38, 40, 41, 42, 43})
EPISODE_RULES = frozenset({9, 18, 19, 21, 22, 23, 24, 25, 26, 27, 44})
_PPO = re.compile(r"\b(approx|clip) ?(kl|frac|fraction|range)\b|\bclipfrac\b|\bppo\b")
_REGRET = re.compile(r"\bregret\b|\barm\b|\bbandit\b")
_LABELS = re.compile(
    r"\b(accuracy|acc|f1|precision|recall|perplexity|mae|rmse|auc|iou|map)\b|\b(val|valid|test) loss\b"
)
_RETURNS = ("episode_return", "episode_return_mean", "eval_return", "success_rate", "eval_success")


@dataclass(frozen=True)
class Scope:
    """The algorithm by its name, as far as it can be told, and its family."""

    name: str
    family: str

    @property
    def foreign(self) -> frozenset[int]:
        """Rules that ask for what this family does not have."""
        if self.family == DQN:
            return ACTOR_RULES
        if self.family == ON_POLICY:
            return ACTOR_RULES | Q_RULES
        if self.family in (BANDIT, SUPERVISED):
            return ACTOR_RULES | Q_RULES | EPISODE_RULES
        return frozenset()

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
    asked = history.expect.text("algorithm").lower()
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
    if history.has("entropy_coefficient") or asked == "sac":
        return Scope("SAC", OFF_POLICY)
    if actor and (history.has("critic_loss") or history.has("q1") or history.has("target_q")):
        name = (
            asked.upper() if asked in ("td3", "ddpg") else "TD3" if history.has("q2") or history.ours else "TD3 or DDPG"
        )
        return Scope(name, OFF_POLICY)
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
