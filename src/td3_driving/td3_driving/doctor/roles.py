# SPDX-License-Identifier: Apache-2.0
"""The role of a series by the words of its tag.

A tag is a set of words. Some say where it was measured (evaluation), some name a statistic, some a network. The other
words name the thing. ``role`` answers only if it understands every word. ``role_guess`` ignores unknown words; it
serves for suggestions, never for judgements.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PHRASES = (
    (r"(?:learning|learn) rate", "lr"),
    (r"(?:ent|entropy) (?:coef|coefficient)|entropy temp\w*|temperature|temprature|log alpha", "alpha"),
    (r"(?:std|standard) deviation|stdev", "std"),
    (r"success rate|is success|success ratio", "success"),
    (r"(?:critic|qf|q|qvalue|q value|q function|q net|q network) ?1\b", "q1"),
    (r"(?:critic|qf|q|qvalue|q value|q function|q net|q network) ?2\b", "q2"),
    (r"q ?(?:value|val|function|func|net|network)|qf", "q"),
    (r"(?:grad|gradient) norm|gradnorm|grad global norm", "gradnorm"),
    (r"(?:total|sum|cumulative|accumulated|cum) (?:reward|rew)|(?:reward|rew) (?:sum|total)", "return"),
    (
        r"(?:episodic|episode|ep|epi|epoch) (?:reward|rew|return|ret|score)|(?:reward|rew|return|ret) (?:ep|episode)",
        "return",
    ),
    (r"(?:episodic|episode|ep|epi|traj|trajectory) (?:length|len|duration|timestep)", "length"),
    (r"eplen|epret|eprew", "return"),
)
_WORDS = {
    **dict.fromkeys(("mean", "avg", "average", "av", "ave", "smoothed", "running"), "mean"),
    **dict.fromkeys(("max", "maximum", "best"), "max"),
    **dict.fromkeys(("min", "minimum"), "min"),
    "std": "std",
    **dict.fromkeys(("eval", "evaluation", "evaluate", "evaluator", "test", "testing"), "eval"),
    **dict.fromkeys(("actor", "policy", "pi", "mu"), "actor"),
    **dict.fromkeys(("critic", "q"), "q"),
    **dict.fromkeys(("return", "ret", "score"), "return"),
    **dict.fromkeys(("reward", "rew"), "reward"),
    **dict.fromkeys(("length", "len"), "length"),
    **dict.fromkeys(("success", "solved"), "success"),
    **dict.fromkeys(("target", "tgt"), "target"),
    **{word: word for word in ("q1", "q2", "loss", "lr", "gradnorm", "td", "error", "value", "step", "instant")},
    "alpha": "alpha",
    "instantaneous": "instant",
    "batch": "batch",
    "replay": "batch",
    "vf": "value",
    "entropy": "entropy",
}
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """train training rollout chart info stat agent debug learner log logs scalar metric env environment main result
        tensorboard summary data monitor episode episodic ep td3 ddpg sac network net model global per all rate""",
    )
)
_STATISTICS = frozenset({"mean", "max", "min", "std"})
_THINGS: dict[frozenset[str], str] = {
    frozenset(words.split()): name
    for words, name in {
        "actor loss": "actor_loss",
        "q loss": "critic_loss",
        "q value loss": "critic_loss",
        "q1 loss": "critic_loss",
        "q2 loss": "critic_loss_2",
        "loss": "critic_loss",
        "value loss": "value_loss",
        "alpha loss": "alpha_loss",
        "entropy loss": "entropy_loss",
        "td error": "td_error",
        "td loss": "critic_loss",
        "return": "episode_return",
        "reward": "episode_return",
        "length": "episode_length",
        "success": "success_rate",
        "step reward": "step_reward",
        "instant reward": "step_reward",
        "batch reward": "batch_reward",
        "q": "q",
        "q value": "q",
        "q1": "q",
        "q1 value": "q",
        "q2": "q2",
        "q2 value": "q2",
        "q target": "target_q",
        "q1 target": "target_q",
        "q value target": "target_q",
        "actor q": "actor_q",
        "actor q1": "actor_q",
        "actor q value": "actor_q",
        "actor lr": "lr_actor",
        "q lr": "lr_critic",
        "lr": "lr",
        "alpha": "entropy_coefficient",
        "actor gradnorm": "grad_actor_pre",
        "q gradnorm": "grad_critic_pre",
    }.items()
}
# (thing, statistic) -> quantity. The mean of any other thing is the thing itself; its other statistics are unknown.
_BY_STATISTIC = {
    ("q", ""): "q1",
    ("q", "mean"): "q1",
    ("q", "std"): "q_std",
    ("q", "max"): "q_max",
    ("q", "min"): "q_min",
    ("episode_return", "mean"): "episode_return_mean",
    ("episode_return", "max"): "episode_return_max",
    ("episode_return", "min"): "episode_return_min",
    ("episode_return", "std"): "episode_return_std",
    ("episode_length", "mean"): "episode_length_mean",
    ("step_reward", "mean"): "step_reward_mean",
    ("batch_reward", ""): "batch_reward_mean",
    ("target_q", "max"): "target_q_max",
    ("target_q", "min"): "target_q_min",
    ("actor_q", "max"): "actor_q_max",
    ("actor_q", "min"): "actor_q_min",
}
_BY_STATISTIC |= {("batch_reward", what): f"batch_reward_{what}" for what in ("mean", "std", "min", "max")}
_IN_EVALUATION = {
    ("episode_return", ""): "eval_return",
    ("episode_return", "mean"): "eval_return",
    ("episode_return", "std"): "eval_return_std",
    ("episode_length", ""): "eval_length",
    ("episode_length", "mean"): "eval_length",
    ("success_rate", ""): "eval_success",
    ("success_rate", "mean"): "eval_success",
}


class _Parsed(NamedTuple):
    """What the words of a tag say."""

    thing: frozenset[str]
    statistic: str
    evaluation: bool
    left_over: int


def role(words: str) -> str | None:
    """The quantity that the ``words`` of a normal form name, if every one of them is understood.

    >>> role("train average critic loss"), role("eval ep return mean"), role("value of day")
    ('critic_loss', 'eval_return', None)
    """
    parsed = _parse(words)
    return None if parsed is None or parsed.left_over else _quantity(parsed)


def role_guess(words: str) -> str | None:
    """Guess the role as :func:`role` does, but let words be left over."""
    parsed = _parse(words)
    return None if parsed is None else _quantity(parsed)


def _parse(words: str) -> _Parsed | None:
    for pattern, word in _PHRASES:
        words = re.sub(rf"\b(?:{pattern})\b", word, words)
    thing: set[str] = set()
    left_over = 0
    for word in words.split():
        if word in _WORDS:
            thing.add(_WORDS[word])
        elif word not in _EMPTY:
            left_over += 1
    if thing & {"q1", "q2"}:
        thing.discard("q")
    if thing & {"gradnorm", "lr", "error"}:
        thing.discard("loss")  # the group of it
    statistics = thing & _STATISTICS
    if len(statistics) > 1:
        return None
    evaluation = "eval" in thing
    return _Parsed(frozenset(thing - _STATISTICS - {"eval"}), "".join(statistics), evaluation, left_over)


def _quantity(parsed: _Parsed) -> str | None:
    thing = _THINGS.get(parsed.thing)
    if thing is None:
        return None
    key = (thing, parsed.statistic)
    if parsed.evaluation:
        return _IN_EVALUATION.get(key)
    return _BY_STATISTIC.get(key, thing if parsed.statistic in ("", "mean") else None)
