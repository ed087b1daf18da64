# SPDX-License-Identifier: Apache-2.0
"""Runs of skrl's TD3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skrl.agents.torch.td3 import TD3, TD3_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, Model
from skrl.resources.noises.torch import GaussianNoise
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed
from torch import Tensor, nn

from doctor_corpus.plan import Plan
from doctor_corpus.tasks import Policy


class Network(DeterministicMixin, Model):
    """Policy, or value of observation and action."""

    def __init__(self, env: Any, value: bool, hidden: int) -> None:
        spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
        Model.__init__(self, **spaces, device=env.device)
        DeterministicMixin.__init__(self)
        self.value, self.scale = value, float(env.action_space.high[0])
        width = self.num_observations + (self.num_actions if value else 0)
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.last = nn.Linear(hidden, 1 if value else self.num_actions)

    def compute(self, inputs: dict[str, Any], role: str = "") -> tuple[Tensor, dict[str, Any]]:
        """Value, or action within its range."""
        observation = inputs["observations"]
        if self.value:
            return self.last(self.layers(torch.cat([observation, inputs["taken_actions"]], 1))), {}
        return self.scale * torch.tanh(self.last(self.layers(observation))), {}


def train(plan: Plan, folder: Path) -> Policy:
    """Train, and give back the deterministic policy."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    set_seed(plan.seed)
    env = wrap_env(plan.env(), verbose=False)
    agent = _agent(plan, env, folder)
    _make_sick(plan, agent)
    trainer = {
        "timesteps": plan.steps,
        "disable_progressbar": True,
        "headless": True,
        "close_environment_at_exit": False,
    }
    SequentialTrainer(cfg=trainer, env=env, agents=agent).train()
    agent.writer.close()

    def policy(observation: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.as_tensor(observation, dtype=torch.float32).unsqueeze(0)
        with torch.no_grad():
            action: NDArray[np.float32] = agent.policy.act({"observations": batch}, role="policy")[0].squeeze(0).numpy()
        return action

    return policy


def _agent(plan: Plan, env: Any, folder: Path) -> TD3:
    hidden = plan.option("hidden", 64)
    models = {name: Network(env, "critic" in name, hidden) for name in _NAMES}
    settings: dict[str, Any] = {"batch_size": 64, "learning_starts": 500, "random_timesteps": 500, "polyak": 0.01}
    settings |= {"learning_rate": _rate(plan), "exploration_noise": GaussianNoise}
    settings["discount_factor"] = plan.option("high", 1.5) if plan.kind == "gamma_high" else plan.option("gamma", 0.98)
    scale = float(env.action_space.high[0])
    settings["exploration_noise_kwargs"] = {"mean": 0.0, "std": plan.option("noise", 0.15) * scale}
    settings |= {"smooth_regularization_noise": GaussianNoise}
    settings["smooth_regularization_noise_kwargs"] = {"mean": 0.0, "std": 0.2 * scale}
    settings["experiment"] = {
        "directory": str(folder.parent),
        "experiment_name": folder.name,
        "write_interval": plan.option("every", "auto"),
        "checkpoint_interval": 0,
    }
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    memory = RandomMemory(memory_size=plan.steps, num_envs=1, device="cpu")
    return TD3(models=models, memory=memory, cfg=TD3_CFG(**settings), device="cpu", **spaces)


_NAMES = ("policy", "target_policy", "critic_1", "critic_2", "target_critic_1", "target_critic_2")


def _rate(plan: Plan) -> float:
    return float({"lr_zero": 0.0, "lr_high": plan.option("high", 0.3)}.get(plan.kind, plan.option("lr", 1e-3)))


def _make_sick(plan: Plan, agent: TD3) -> None:
    if plan.kind == "critic_dead":
        agent.critic_optimizer.step = lambda *arguments: None
    if plan.kind == "policy_frozen":
        agent.policy_optimizer.step = lambda *arguments: None
    if plan.kind == "policy_saturated":
        nn.init.constant_(agent.policy.last.bias, 15.0)
        agent.target_policy.update_parameters(agent.policy, polyak=1)
