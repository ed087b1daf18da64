# SPDX-License-Identifier: Apache-2.0
"""Quantities that several rules use: aq, q, the discount, the greatest possible return.

``aq`` is Q at the policy's action as the actor sees it. ``q`` is the critic's Q at the actions in the replay memory.
With correct wiring both read the same function at the same states, and differ by the advantage of one action at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.algorithms import ALGORITHMS
from td3_driving.doctor.history import History, Row

DEFAULT_GAMMA = 0.99
SETTLED_UPDATES = 400.0


def actor_q(history: History, values: dict[str, float]) -> float | None:
    """aq of a row: measured, or minus the actor loss where that is the whole loss."""
    measured = values.get("actor_q")
    if measured is not None:
        return measured
    loss = values.get("actor_loss")
    return None if loss is None or entropy_regularised(history) else -loss


def entropy_regularised(history: History) -> bool:
    """Whether losses and values hold an entropy term, as those of SAC do."""
    asked = ALGORITHMS.get(history.expect.text("algorithm").lower())
    return history.has("entropy_coefficient") or (asked is not None and asked.entropy)


def replay_q(history: History, row: Row) -> float | None:
    """q of a row; where the row has none, the latest one if it is recent."""
    for name in ("q1", "q2"):
        if name in row.values:
            return row.values[name]
    return history.near("q1", row.step)


def discount(history: History) -> tuple[float, str]:
    """The discount factor and where it is known from: inferred from the data, asked for, or assumed."""
    effective, ends = history.last("effective_discount"), history.last("terminated_share")
    if effective is not None and ends is not None and ends < 1:
        return min(effective / (1.0 - ends), 0.99999), "inferred"
    asked = history.expect.number("gamma")
    return (asked, "asked for") if asked is not None and 0 <= asked < 1 else (DEFAULT_GAMMA, "assumed")


REWARDS = ("step_reward", "batch_reward_min", "batch_reward_max", "reward_total")
EXTREMES = ("episode_return_max", "episode_return_min")
RETURNS = ("episode_return", "episode_return_mean", "eval_return")
LENGTHS = {
    "episode_return": "episode_length",
    "episode_return_mean": "episode_length_mean",
    "eval_return": "eval_length",
}


def any_q(history: History) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    """``(name, steps, values)``, (n,) each, of the first series of Q that is logged: q, target q, aq.

    An actor's loss with an entropy term is minus a Q with a bonus; ``entropy_slack`` tells how large that may be.
    """
    for name in ("q1", "q2", "target_q", "actor_q", "actor_loss"):
        if history.has(name):
            steps, values, _ = history.get(name).columns()
            if name == "actor_loss":
                return "aq", steps, -values
            return {"actor_q": "aq", "target_q": "target q"}.get(name, "q"), steps, values
    return "q", np.zeros(0), np.zeros(0)


def entropy_slack(history: History) -> float:
    """How much an entropy bonus may add to Q: five nats per step at the last coefficient, discounted; 0 without one.

    A coefficient above 1 is itself a sign of an explosion, and counts as 1.
    """
    weight = history.last("entropy_coefficient")
    return 0.0 if weight is None else 5.0 * min(abs(weight), 1.0) / (1.0 - discount(history)[0])


def known_returns(history: History) -> NDArray[np.float64]:
    """All returns that were logged: of episodes, means and evaluations, (n,)."""
    return np.concatenate([history.get(name).values() for name in RETURNS])


def expected_return(history: History) -> float | None:
    """Discounted return-to-go from a usual state, by the latter half of the returns and the lengths of their episodes.

    Rewards are taken as even within an episode: the mean over t of (1 - gamma^(L-t)) / (1 - gamma).
    """
    for name, length in LENGTHS.items():
        if history.get(name).count >= 8 and history.has(length):
            returns, lengths = history.get(name).values(), history.get(length).values()
            total, steps = float(np.mean(returns[len(returns) // 2 :])), float(np.mean(lengths[len(lengths) // 2 :]))
            gamma, steps = discount(history)[0], max(steps, 1.0)
            horizon = (1.0 - gamma * (1.0 - gamma**steps) / (steps * (1.0 - gamma))) / (1.0 - gamma)
            return total / steps * horizon
    return None


def return_bound(history: History) -> float | None:
    """Greatest value that a return can have by the rewards seen: ``max(r/(1-gamma), R)``; ``None`` without any.

    ``r`` is the greatest absolute reward of a step, ``R`` the greatest absolute return of an episode. If single rewards
    are not logged, ``r`` is an average over an episode; ``R`` then covers rewards that come all at once.
    """
    rewards = [extreme(history, name) for name in REWARDS]
    returns = [extreme(history, name) for name in (*RETURNS, *EXTREMES)]
    episodes = history.episodes()
    per_step = np.abs(episodes.returns) / np.maximum(episodes.lengths, 1.0)
    rewards.append(float(np.nanmax(per_step)) if np.isfinite(per_step).any() else 0.0)
    rewards += [_mean_reward(history, name) for name in ("episode_return_mean", "eval_return")]
    if not any(history.has(name) for name in (*REWARDS, *RETURNS, *EXTREMES)):
        return None
    return max(max(rewards) / (1.0 - discount(history)[0]), max(returns))


def _mean_reward(history: History, name: str) -> float:
    """Greatest absolute mean reward per step, by a series of mean returns and that of the lengths at the same steps."""
    steps, values, _ = history.get(name).columns()
    at, lengths, _ = history.get(LENGTHS[name]).columns()
    if not len(steps) or not len(at):
        return 0.0
    order = np.argsort(at, kind="stable")
    return float(np.max(np.abs(values) / np.maximum(np.interp(steps, at[order], lengths[order]), 1.0)))


def extreme(history: History, name: str) -> float:
    """Greatest absolute value of a series, 0 without one."""
    series = history.get(name)
    return max((abs(point.value) for point in (series.lowest, series.highest) if point is not None), default=0.0)
