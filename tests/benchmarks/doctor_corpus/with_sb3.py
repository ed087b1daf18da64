# SPDX-License-Identifier: Apache-2.0
"""Runs of Stable-Baselines3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise

from doctor_corpus.plan import Plan
from doctor_corpus.tasks import Policy

ALGORITHMS = {"td3": TD3, "ddpg": DDPG, "sac": SAC, "ppo": PPO, "dqn": DQN}
FORMATS = {"tensorboard": ["tensorboard"], "csv": ["csv"], "both": ["tensorboard", "csv"], "monitor": []}


def train(plan: Plan, folder: Path) -> Policy:
    """Train, and give back the deterministic policy."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    folder.mkdir(parents=True, exist_ok=True)
    logger = plan.option("logger", "tensorboard")
    table = str(folder) if logger in ("monitor", "both") else None
    model = _model(plan, Monitor(plan.env(), table))
    model.set_logger(configure(str(folder), FORMATS[logger]))
    _make_sick(plan, model)
    try:
        interval = plan.option("log_interval", 1 if plan.algorithm == "ppo" else 2)
        model.learn(plan.steps, callback=_callback(plan, folder), log_interval=interval)
    except ValueError:
        if plan.kind != "nan":
            raise
    model.logger.close()
    greedy = plan.algorithm != "ppo"  # the argmax of an untrained policy can balance a pole
    return lambda observation: model.predict(observation, deterministic=greedy)[0]


def _model(plan: Plan, env: Monitor) -> BaseAlgorithm:
    settings: dict[str, Any] = {"policy_kwargs": {"net_arch": [plan.option("hidden", 64)] * 2}, "seed": plan.seed}
    settings |= {"device": "cpu", "learning_rate": _rate(plan)} | dict(plan.option("settings", {}))
    gamma = plan.option("gamma", 0.98 if plan.algorithm in ("td3", "ddpg", "sac") else 0.99)
    settings["gamma"] = plan.option("high", 1.5) if plan.kind == "gamma_high" else gamma
    if plan.algorithm in ("td3", "ddpg"):
        size = env.action_space.shape[0]
        noise = OrnsteinUhlenbeckActionNoise if plan.option("ou", False) else NormalActionNoise
        settings["action_noise"] = noise(np.zeros(size), np.full(size, plan.option("noise", 0.15)))
    if plan.algorithm in ("td3", "ddpg", "sac"):
        settings.setdefault("batch_size", 64)
        settings.setdefault("learning_starts", 500)
        settings.setdefault("tau", 0.01)
        settings.setdefault("train_freq", plan.train_freq)
    return ALGORITHMS[plan.algorithm]("MlpPolicy", env, **settings)


def _rate(plan: Plan) -> Any:
    rate = plan.option("lr", 1e-3)
    if plan.kind == "lr_zero":
        return 0.0
    if plan.kind == "lr_high":
        return plan.option("high", 0.3)
    if plan.kind == "lost_it":
        return lambda left: rate if left > 0.4 else plan.option("high", 0.1)
    return rate


def _make_sick(plan: Plan, model: BaseAlgorithm) -> None:
    if plan.kind == "critic_dead":
        model.critic.optimizer.step = lambda *arguments: None
    if plan.kind == "policy_frozen":
        model.actor.optimizer.step = lambda *arguments: None
    if plan.kind == "policy_saturated":
        model.actor.mu[-2].bias.data.fill_(15.0)
        model.actor_target.load_state_dict(model.actor.state_dict())


def _callback(plan: Plan, folder: Path) -> BaseCallback | None:
    if plan.option("values", False):
        from td3_driving.doctor.callbacks import DoctorCallback  # ours, once for all series

        return DoctorCallback(folder, period=100, batch_size=64)
    every = plan.option("evaluate", 0)
    if not every:
        return None
    keep = str(folder) if plan.option("npz", False) else None
    return EvalCallback(Monitor(plan.env()), n_eval_episodes=3, eval_freq=every, log_path=keep, verbose=0)
