# SPDX-License-Identifier: Apache-2.0
"""The second part of the corpus: more tasks, libraries and kinds of sickness."""

from __future__ import annotations

from doctor_corpus.plan import Plan
from doctor_corpus.settings import DQN, PPO, plan

LONG = 9000
CONTINUOUS = (
    # Stable-Baselines3 on four tasks
    plan("sb3", "td3", "reach", "healthy", 7000, 11, logger="monitor", noise=0.3),
    plan("sb3", "ddpg", "pendulum", "healthy", 8000, 1, logger="csv"),
    plan("sb3", "ddpg", "mountain_car", "healthy", 15000, 2, ou=True, noise=0.6, gamma=0.99, log_interval=1),
    plan("sb3", "sac", "lane", "healthy", 6000, 3, logger="both", evaluate=1000),
    plan("sb3", "sac", "lane", "lr_zero", 4000, 3),
    plan("sb3", "sac", "pendulum", "lr_high", 3000, 1, high=0.3),
    plan("sb3", "sac", "lane", "reward_zero", 3000, 1, logger="csv"),
    plan("sb3", "sac", "reach", "env_dead", 6000, 1),
    plan("sb3", "td3", "reach", "lr_zero", 4000, 2, logger="both"),
    plan("sb3", "td3", "pendulum", "critic_dead", 5000, 2, log_interval=1),
    plan("sb3", "td3", "pendulum", "policy_frozen", 5000, 2, log_interval=1),
    plan("sb3", "td3", "pendulum", "policy_saturated", 5000, 3, evaluate=1000),
    plan("sb3", "td3", "pendulum", "gamma_high", 6000, 1, log_interval=1),
    plan("sb3", "td3", "lane", "gamma_high", 5000, 1),
    plan("sb3", "td3", "lane", "lost_it", 9000, 1, log_interval=1, evaluate=500),
    plan("sb3", "td3", "reach", "lost_it", 9000, 2, logger="both"),
    plan("sb3", "td3", "lane", "violation_pays", 4000, 2, log_interval=1),
    plan("sb3", "td3", "lane", "nan", 3000, 3),
    plan("sb3", "td3", "lane", "env_dead", 6000, 3, logger="both"),
    plan("sb3", "td3", "lane", "short", 700, 2),
    plan("sb3", "sac", "reach", "short", 600, 1, logger="csv"),
    plan("sb3", "td3", "lane", "cut_off", 6000, 4, share=0.15),
    plan("sb3", "td3", "reach", "healthy", 7000, 5, log_interval=4, noise=0.3),
    plan("sb3", "td3", "lane", "healthy", 6000, 12, logger="monitor", values=True),
    plan("sb3", "td3", "mountain_car", "lr_zero", 8000, 4, log_interval=1),
    plan("sb3", "td3", "pendulum", "reward_zero", 5000, 7, log_interval=1),
)
DISCRETE = (
    plan("sb3", "dqn", "cart_pole", "healthy", 40000, 1, **DQN),
    plan("sb3", "dqn", "cart_pole", "lr_zero", 12000, 1, **DQN),
    plan("sb3", "dqn", "cart_pole", "short", 1200, 1, **DQN),
    plan("sb3", "ppo", "cart_pole", "healthy", 25000, 3, logger="csv", **PPO),
    plan("sb3", "ppo", "cart_pole", "lr_high", 12000, 2, **PPO),
    plan("sb3", "ppo", "cart_pole", "short", 1024, 2, **PPO),
    plan("sb3", "ppo", "lane", "healthy", 40000, 1, **PPO),
    plan("sb3", "ppo", "lane", "lr_zero", 10000, 1, **PPO),
    plan("sb3", "ppo", "cart_pole", "lost_it", 30000, 4, **(PPO | {"high": 0.5})),
    plan("sb3", "ppo", "cart_pole", "env_dead", 15000, 4, at=1500, **PPO),
)
SKRL = (
    plan("skrl", "td3", "lane", "healthy", 6000, 1),
    plan("skrl", "td3", "reach", "healthy", 6000, 2),
    plan("skrl", "td3", "pendulum", "lr_high", 3000, 1),
    plan("skrl", "td3", "lane", "gamma_high", 5000, 2),
    plan("skrl", "td3", "lane", "reward_zero", 2500, 2),
    plan("skrl", "td3", "pendulum", "nan", 3000, 3),
    plan("skrl", "td3", "pendulum", "policy_saturated", 3000, 3),
    plan("skrl", "td3", "lane", "short", 800, 3),
)
STYLES = (
    plan("cleanrl", "td3", "lane", "recovered", 7000, 2, hidden=64),
    plan("cleanrl", "td3", "lane", "gamma_high", 5000, 2),
    plan("cleanrl", "td3", "pendulum", "wrong_features", 6000, 2),
    plan("cleanrl", "td3", "lane", "lost_it", 6000, 2, hidden=64),
    plan("cleanrl", "td3", "pendulum", "policy_frozen", 5000, 2),
    plan("cleanrl", "td3", "lane", "policy_saturated", 4000, 2),
    plan("cleanrl", "td3", "reach", "reward_zero", 4000, 2),
    plan("cleanrl", "td3", "mountain_car", "never_learned", 12000, 2, train_freq=6),
    plan("cleanrl", "td3", "pendulum", "cut_off", 8000, 3, share=0.15),
    plan("cleanrl_full", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.165),
    plan("spinningup", "td3", "pendulum", "healthy", 8000, 0, evaluate=500),
    plan("spinningup", "td3", "pendulum", "critic_dead", 5000, 2, evaluate=500),
    plan("spinningup", "td3", "lane", "env_dead", 6000, 3, evaluate=500),
    plan("spinningup", "td3", "lane", "lr_high", 6000, 4, evaluate=500),
    plan("spinningup", "td3", "lane", "short", 1100, 4, evaluate=500),
    plan("spinningup_events", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.185, evaluate=500),
    plan("spinningup_events", "td3", "lane", "lr_zero", 6000, 3, evaluate=500),
    plan("drl_navigation_fork", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.145),
    plan("drl_navigation_fork", "td3", "lane", "lr_zero", 5000, 3),
    plan("sac_fork", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.17, evaluate=500),
    plan("sac_fork", "td3", "lane", "gamma_high", 6000, 4, evaluate=1000),
    plan("sac_fork", "td3", "reach", "lr_zero", 5000, 4, evaluate=1000),
    plan("tianshou", "td3", "pendulum", "healthy", 8000, 0, evaluate=1000),
    plan("tianshou", "td3", "lane", "policy_frozen", 5000, 5, evaluate=1000),
    plan("torchrl", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.18, evaluate=500),
    plan("torchrl", "td3", "pendulum", "lr_zero", 5000, 5, evaluate=1000),
    plan("lerobot", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.135),
    plan("lerobot", "td3", "lane", "lr_high", 5000, 6),
    plan("own_names", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.16),
    plan("own_names", "td3", "lane", "critic_dead", 5000, 7),
    plan("driving", "td3", "lane", "violation_pays", 5000, 7, evaluate=1000),
    plan("driving", "td3", "lane", "wrong_features", 5000, 7, evaluate=1000),
    plan("driving", "td3", "lane", "env_dead", 5000, 7, evaluate=1000),
    plan("add_scalars", "td3", "lane", "lr_zero", 5000, 7),
    plan("rllib", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.14),
    plan("rllib", "td3", "lane", "lr_zero", 6000, 8),
    plan("jsonl", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.125),
    plan("jsonl", "td3", "pendulum", "lr_high", 5000, 8),
    plan("mlflow", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.11),
    plan("mlflow", "td3", "reach", "reward_zero", 5000, 8),
    plan("d3rlpy", "td3", "lane", "healthy", 4500, 2, hidden=64, noise=0.19, evaluate=500),
    plan("d3rlpy", "td3", "lane", "policy_saturated", 5000, 9, evaluate=500),
)


def in_order() -> list[Plan]:
    """All of them, the quick ones first, so that an early stop leaves much."""
    libraries = [list(group) for group in (CONTINUOUS, DISCRETE, SKRL)]
    places = [
        (group[index].steps > LONG, index / len(group), number, index)
        for number, group in enumerate(libraries)
        for index in range(len(group))
    ]
    return [*STYLES, *(libraries[number][index] for *_, number, index in sorted(places))]
