# SPDX-License-Identifier: Apache-2.0
"""Stable-Baselines3: a callback that logs every series that the doctor's rules read.

    model.learn(100_000, callback=DoctorCallback("runs/mine"))

writes ``runs/mine/doctor.jsonl``; ``td3-doctor runs/mine`` judges it. TD3, DDPG and SAC get Q on replayed actions, Q at
the policy's actions, target Q, gradient norms, parameters, actions and rewards; other algorithms get their returns and
what their own logger holds. The training itself is not changed: the callback draws from the replay memory with NumPy's
state put back afterwards, and computes without gradients.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from td3_driving.doctor.run_log import RunLog

SATURATED = 0.97
FROM_LOGGER = ("train/", "rollout/exploration_rate")


class DoctorCallback(BaseCallback):
    """Logs for the doctor.

    Args:
        folder: of the run; gets ``doctor.jsonl``.
        period: environment steps between two points.
        batch_size: transitions on which Q is measured.
    """

    def __init__(self, folder: Path | str, period: int = 1000, batch_size: int = 256) -> None:
        super().__init__()
        self._folder = folder
        self._period = period
        self._batch_size = batch_size
        self._log: RunLog | None = None
        self._due = 0
        self._actions: list[NDArray[Any]] = []
        self._returns = np.zeros(0)
        self._lengths = np.zeros(0, dtype=int)
        self._norms: dict[str, float] = {}
        self._hooks: list[Any] = []

    def _on_training_start(self) -> None:
        self._log = RunLog(self._folder)
        self._due = self.num_timesteps + self._period
        self._returns = np.zeros(self.training_env.num_envs)
        self._lengths = np.zeros(self.training_env.num_envs, dtype=int)
        for name in ("actor", "critic"):
            network = getattr(self.model, name, None)
            optimizer = getattr(network, "optimizer", None)
            if network is not None and optimizer is not None:
                self._hooks.append(optimizer.register_step_pre_hook(_NormOf(name, network, self._norms)))

    def _on_step(self) -> bool:
        self._note_episodes()
        self._actions = [*self._actions[-999:], np.asarray(self.locals["actions"], dtype=float)]
        if self.num_timesteps >= self._due:
            self._due += self._period
            self._write(self._measured())
        return True

    def _on_training_end(self) -> None:
        self._write({**self._measured(), "run/finished": 1.0})
        for hook in self._hooks:
            hook.remove()
        if self._log is not None:
            self._log.close()

    def _write(self, values: dict[str, float]) -> None:
        if self._log is not None and values:
            self._log.write(self.num_timesteps, values)

    def _note_episodes(self) -> None:
        """Returns and lengths as the environments give them, whether a Monitor wraps them or not."""
        self._returns += self.locals["rewards"]
        self._lengths += 1
        for index in np.flatnonzero(self.locals["dones"]):
            info = self.locals["infos"][index]
            monitored = info.get("episode", {})
            values = {
                "train/episode_reward": float(monitored.get("r", self._returns[index])),
                "train/episode_length": float(monitored.get("l", self._lengths[index])),
            }
            if "is_success" in info:
                values["episode/success"] = float(info["is_success"])
            self._write(values)
            self._returns[index], self._lengths[index] = 0.0, 0

    def _measured(self) -> dict[str, float]:
        values = {name: value for name, value in self.logger.name_to_value.items() if name.startswith(FROM_LOGGER)}
        values = {name: float(value) for name, value in values.items() if _is_number(value)}
        values |= self._norms
        values |= self._of_actions() | self._of_networks()
        memory = getattr(self.model, "replay_buffer", None)
        if memory is not None and hasattr(self.model, "critic_target") and self._started(memory):
            values |= self._of_batch(memory)
        return values

    def _started(self, memory: Any) -> bool:
        return self.num_timesteps > self.model.learning_starts and memory.size() > 0

    def _of_actions(self) -> dict[str, float]:
        """Share of actions at the bounds of the action space; only where it has bounds."""
        space = self.model.action_space
        if not self._actions or not hasattr(space, "low"):
            return {}
        middle, half = (space.high + space.low) / 2.0, (space.high - space.low) / 2.0
        scaled = (np.concatenate([item.reshape(-1, *space.shape) for item in self._actions]) - middle) / half
        return {"action/saturated_share": float(np.mean(np.abs(scaled) > SATURATED))}

    def _of_networks(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for name in ("actor", "critic"):
            network = getattr(self.model, name, None)
            if network is not None and hasattr(network, "optimizer"):
                flat = _flat(parameter.detach() for parameter in network.parameters())
                values[f"agent/{name}_param_mean"] = float(flat.mean())
                values[f"agent/{name}_param_std"] = float(flat.std())
                values[f"agent/{name}_lr"] = float(network.optimizer.param_groups[0]["lr"])
        updates = getattr(self.model, "_n_updates", 0)
        if hasattr(self.model, "critic_target"):
            values |= {"agent/total_iterations": float(updates), "agent/is_training": float(updates > 0)}
        return values

    def _of_batch(self, memory: Any) -> dict[str, float]:
        # The memory draws from the global generator, as the training does.
        state = np.random.get_state()
        try:
            batch = memory.sample(self._batch_size, env=self.model.get_vec_normalize_env())
        finally:
            np.random.set_state(state)
        with torch.no_grad():
            return _q_values(self.model, batch) | _rewards(batch)


class _NormOf:
    """Notes the L2 norm of a network's gradient just before its optimizer uses it."""

    def __init__(self, name: str, network: Any, norms: dict[str, float]) -> None:
        self._key = f"gradients/{name}_norm_pre_clip"
        self._network = network
        self._norms = norms

    def __call__(self, *_: Any) -> None:
        gradients = [parameter.grad for parameter in self._network.parameters() if parameter.grad is not None]
        if gradients:
            self._norms[self._key] = float(_flat(gradients).norm())


def _q_values(model: Any, batch: Any) -> dict[str, float]:
    """Q of the critic on replayed actions, at the policy's own actions, and of the target critic there.

    Without an entropy term, minus the actor's loss is Q at the policy's own actions, on the very batch of the update.
    """
    replayed = model.critic(batch.observations, batch.actions)
    target_actor = getattr(model, "actor_target", model.actor)
    following = target_actor(batch.next_observations, **_greedy(model))
    target = torch.min(torch.cat(model.critic_target(batch.next_observations, following), dim=1), dim=1).values
    values = {
        "debug/q1_pred_mean": replayed[0].mean(),
        "debug/q1_std": replayed[0].std(),
        "debug/q1_max": replayed[0].max(),
        "debug/q1_min": replayed[0].min(),
        "debug/target_q_mean": target.mean(),
    }
    if len(replayed) > 1:
        values["debug/q2_pred_mean"] = replayed[1].mean()
    if _greedy(model):
        own = model.critic(batch.observations, model.actor(batch.observations, **_greedy(model)))[0]
        values |= {"debug/actor_q_mean": own.mean(), "debug/actor_q_max": own.max(), "debug/actor_q_min": own.min()}
    return {name: float(value) for name, value in values.items()}


def _greedy(model: Any) -> dict[str, bool]:
    """SAC's actor samples unless it is told not to."""
    return {"deterministic": True} if hasattr(model, "ent_coef") else {}


def _rewards(batch: Any) -> dict[str, float]:
    rewards = batch.rewards
    values = {"mean": rewards.mean(), "std": rewards.std(), "min": rewards.min(), "max": rewards.max()}
    found = {f"debug/reward_{name}": float(value) for name, value in values.items()}
    return {**found, "debug/done_ratio": float(batch.dones.float().mean())}


def _flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number))
