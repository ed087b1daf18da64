"""What several rules derive from the series: aq, q, the discount, the greatest possible return.

``aq`` is Q at the policy's action as the actor sees it, ``q`` the critic's Q at the actions in the replay memory. With
correct wiring they are two readings of one function at the same states, so they differ by one action's advantage and no
more.
"""

from __future__ import annotations

import numpy as np

from td3_driving.doctor.history import History, Row

DEFAULT_GAMMA = 0.99
SETTLED_UPDATES = 400.0


def actor_q(history: History, values: dict[str, float]) -> float | None:
    """aq of a row: measured, or minus the actor loss where that is the whole loss."""
    measured = values.get("actor_q")
    if measured is not None:
        return measured
    loss = values.get("actor_loss")
    entropy = history.has("entropy_coefficient") or history.expect.text("algorithm") == "sac"
    return None if loss is None or entropy else -loss


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


def return_bound(history: History) -> float | None:
    """Greatest value that a return can have by the rewards seen: ``max(r/(1-gamma), R)``.

    ``r`` is the greatest absolute reward of a step, ``R`` the greatest absolute return of an episode: where single
    rewards are not logged, ``r`` is only known as an average over an episode, and ``R`` covers rewards that come all at
    once.
    """
    rewards = [extreme(history, name) for name in ("step_reward", "batch_reward_min", "batch_reward_max", "part_total")]
    returns = [extreme(history, name) for name in ("episode_return", "episode_return_mean")]
    episodes = history.episodes()
    per_step = np.abs(episodes.returns) / np.maximum(episodes.lengths, 1.0)
    rewards.append(float(np.nanmax(per_step)) if np.isfinite(per_step).any() else 0.0)
    length, mean = history.last("episode_length_mean"), extreme(history, "episode_return_mean")
    rewards.append(mean / length if length else 0.0)
    if not any(rewards) and not any(returns):
        return None
    return max(max(rewards) / (1.0 - discount(history)[0]), max(returns))


def extreme(history: History, name: str) -> float:
    """Greatest absolute value of a series, 0 without one."""
    series = history.get(name)
    return max((abs(point.value) for point in (series.lowest, series.highest) if point is not None), default=0.0)
