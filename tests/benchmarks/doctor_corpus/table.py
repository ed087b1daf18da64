# SPDX-License-Identifier: Apache-2.0
"""The runs of the corpus."""

from __future__ import annotations

from doctor_corpus.more_runs import in_order
from doctor_corpus.plan import Plan
from doctor_corpus.settings import DQN, PPO, plan
from doctor_corpus.truth import GO

FIRST = (
    plan("cleanrl", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.15),
    plan("cleanrl", "td3", "lane", "lr_zero", 4000),
    plan("cleanrl", "td3", "lane", "lr_high", 4000),
    plan("cleanrl", "td3", "lane", "critic_dead", 4000),
    plan("cleanrl", "td3", "lane", "wrong_features", 5000),
    plan("cleanrl", "td3", "pendulum", "healthy", 8000),
    plan("cleanrl", "td3", "pendulum", "nan", 4000),
    plan("cleanrl", "td3", "pendulum", "short", 900),
    plan("sb3", "td3", "pendulum", "healthy", 8000),
    plan("sb3", "td3", "lane", "healthy", 9000, 10, log_interval=4),
    plan("sb3", "td3", "lane", "reward_zero", 4000),
    plan("sb3", "td3", "lane", "policy_saturated", 4000),
    plan("sb3", "ppo", "cart_pole", "healthy", 25000, **PPO),
    plan("sb3", "ppo", "cart_pole", "lr_zero", 12000, 10, **PPO),
    plan("sb3", "dqn", "cart_pole", "lr_high", 12000, **(DQN | {"high": 0.5})),
    plan("sb3", "ddpg", "lane", "lr_high", 4000, high=0.1),
    plan("sb3", "sac", "pendulum", "healthy", 5000, evaluate=500),
    plan("sb3", "td3", "pendulum", "short", 800),
    plan("skrl", "td3", "pendulum", "healthy", 7000),
    plan("skrl", "td3", "pendulum", "lr_zero", 4000),
    plan("skrl", "td3", "lane", "critic_dead", 4000),
    plan("spinningup", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.12, evaluate=500),
    plan("spinningup", "td3", "lane", "lost_it", 6000, 2, hidden=64, noise=0.12, evaluate=500),
    plan("drl_navigation", "td3", "lane", "gamma_high", 6000, 11),
    plan("drl_navigation", "td3", "lane", "critic_dead", 4000, 1),
    plan("driving", "td3", "lane", "violation_pays", 5000, 1, evaluate=1000),
    plan("driving", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.13, evaluate=500),
    plan("add_scalars", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.155),
    plan("sb3", "td3", "mountain_car", "never_learned", 15000, logger="both"),
    plan("cleanrl", "td3", "pendulum", "env_dead", 6000, 1),
)


def _mixed() -> list[Plan]:
    """Our own quick runs before those of large libraries, one healthy run after every two sick ones."""
    ordered = []
    for large in (False, True):
        runs = [run for run in (*FIRST, *in_order()) if (run.library in ("sb3", "skrl")) == large]
        for healthy in (False, True):
            group = [run for run in runs if (run.truth == GO) == healthy]
            ordered += [(large, index * (2 if healthy else 1), run.name, run) for index, run in enumerate(group)]
    return [run for *_, run in sorted(ordered, key=lambda item: item[:3])]


ALL = _mixed()
