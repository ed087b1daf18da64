"""A TD3 in one loop (Fujimoto et al. 2018), small and plain, that can be made sick in known ways.

Kinds of sickness: ``lr_zero``, ``lr_high``, ``gamma_high``, ``critic_dead``, ``policy_frozen``, ``policy_saturated``,
``wrong_features``, ``lost_it``, ``recovered``; those of the environment are in :mod:`doctor_corpus.plan`.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from doctor_corpus.logs import Log
from doctor_corpus.plan import Plan


class Actor(nn.Module):
    """Encoder of one layer and a head with tanh."""

    def __init__(self, observation: int, action: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(observation, hidden), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, action))

    def forward(self, observation: Tensor) -> Tensor:
        """Actions in [-1, 1]."""
        return torch.tanh(self.head(self.encoder(observation)))


class Critic(nn.Module):
    """Twin values of the features of one encoder, and an action."""

    def __init__(self, observation: int, action: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(observation, hidden), nn.ReLU())
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden + action, hidden), nn.ReLU(), nn.Linear(hidden, 1)) for _ in range(2)
        )

    def values(self, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Both values, of shape (batch,)."""
        joined = torch.cat([features, action], 1)
        first, second = (head(joined).squeeze(1) for head in self.heads)
        return first, second

    def forward(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Both values of observations and actions."""
        return self.values(self.encoder(observation), action)


class Replay:
    """Ring of transitions."""

    def __init__(self, capacity: int, observation: int, action: int, rng: np.random.Generator) -> None:
        self.rng, self.count, self.capacity = rng, 0, capacity
        self.table = np.zeros((capacity, 2 * observation + action + 2), np.float32)
        self.splits = np.cumsum([observation, action, 1, observation])

    def add(self, *parts: Any) -> None:
        """Keep observation, action, reward, next observation, terminated."""
        self.table[self.count % self.capacity] = np.concatenate([np.atleast_1d(part) for part in parts])
        self.count += 1

    def sample(self, size: int) -> list[Tensor]:
        """A batch of each part."""
        rows = self.rng.integers(0, min(self.count, self.capacity), size)
        return [torch.as_tensor(part) for part in np.split(self.table[rows], self.splits, 1)]


class Learner:
    """Networks, optimizers and the update."""

    def __init__(self, plan: Plan, observation: int, action: int) -> None:
        hidden = plan.option("hidden", 64)
        self.plan, self.count = plan, 0
        self.actor, self.critic = Actor(observation, action, hidden), Critic(observation, action, hidden)
        if plan.kind == "policy_saturated":
            nn.init.constant_(self.actor.head[-1].bias, 15.0)
        self.targets = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.rate = {"lr_zero": 0.0, "lr_high": plan.option("high", 0.3)}.get(plan.kind, plan.option("lr", 1e-3))
        self.optimizers = [
            torch.optim.Adam(part.parameters(), self.rate, fused=True) for part in (self.actor, self.critic)
        ]
        self.gamma = plan.option("high", 1.05) if plan.kind == "gamma_high" else plan.option("gamma", 0.98)
        self.latest: dict[str, Tensor] = {}
        self.batch: dict[str, Tensor] = {}

    def shake(self, share: float) -> None:
        """What goes wrong in the midst of training; ``share`` is the done part of the budget."""
        kind = self.plan.kind
        broken = (kind == "lost_it" and share >= 0.6) or (kind == "recovered" and 0.15 <= share < 0.25)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = self.plan.option("high", 0.1) if broken else self.rate

    def update(self, batch: list[Tensor]) -> None:
        """One update of the critic, and every second time one of the actor."""
        observation, action, reward, after, terminated = batch
        target = self._target(reward.squeeze(1), after, terminated.squeeze(1))
        first, second = self.critic(observation, action)
        losses = functional.mse_loss(first, target), functional.mse_loss(second, target)
        self._step(1, losses[0] + losses[1], self.critic)
        self.batch = {"q1": first, "q2": second, "target_q": target, "reward": reward}
        self.latest |= {"q1_loss": losses[0], "q2_loss": losses[1]}
        self.count += 1
        if self.count % 2 == 0:
            self._update_actor(observation)

    def numbers(self) -> dict[str, float]:
        """What the newest update measured."""
        batch = {name: values.detach() for name, values in self.batch.items()}
        values = {name: part.mean() for name, part in batch.items() if name != "reward"} | self.latest
        values |= {"q_max": batch["q1"].max(), "q_min": batch["q1"].min(), "q_std": batch["q1"].std()}
        reward = batch["reward"]
        values |= {"reward_mean": reward.mean(), "reward_std": reward.std()}
        values |= {"reward_min": reward.min(), "reward_max": reward.max()}
        return {name: value.item() for name, value in values.items()}

    def _target(self, reward: Tensor, after: Tensor, terminated: Tensor) -> Tensor:
        actor, critic = self.targets
        with torch.no_grad():
            action = actor(after)
            action = (action + (0.2 * torch.randn_like(action)).clamp(-0.5, 0.5)).clamp(-1.0, 1.0)
            return reward + self.gamma * (1.0 - terminated) * torch.min(*critic(after, action))

    def _update_actor(self, observation: Tensor) -> None:
        wrong = self.plan.kind == "wrong_features"
        features = (self.actor if wrong else self.critic).encoder(observation)
        loss = -self.critic.values(features, self.actor(observation))[0].mean()
        self._step(0, loss, self.actor)
        self.latest |= {"actor_loss": loss, "actor_q": -loss}
        tau = self.plan.option("tau", 0.01)
        for target, source in zip(self.targets, (self.actor, self.critic)):
            for old, new in zip(target.parameters(), source.parameters()):
                old.data.lerp_(new.data, tau)

    def _step(self, index: int, loss: Tensor, network: nn.Module) -> None:
        optimizer = self.optimizers[index]
        optimizer.zero_grad()
        loss.backward()
        norm = torch.linalg.vector_norm(
            torch.stack([part.grad.norm() for part in network.parameters() if part.grad is not None])
        )
        self.latest["grad_critic" if index else "grad_actor"] = norm
        if self.plan.kind != ("critic_dead" if index else "policy_frozen"):
            optimizer.step()

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The policy's action in [-1, 1]."""
        with torch.no_grad():
            return self.actor(torch.as_tensor(observation, dtype=torch.float32)).numpy()


class Loop:
    """Steps of the environment, each with an update once ``starts`` are done."""

    def __init__(self, plan: Plan, log: Log) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.log, self.env = plan, log, plan.env()
        self.rng = np.random.default_rng(plan.seed)
        size, actions = self.env.observation_space.shape[0], self.env.action_space.shape[0]
        self.scale = float(self.env.action_space.high[0])
        self.learner = Learner(plan, size, actions)
        self.replay = Replay(plan.option("capacity", 100_000), size, actions, self.rng)
        self.noise = plan.option("noise", 0.15)
        self.observation, _ = self.env.reset(seed=plan.seed)
        self.total, self.length = 0.0, 0

    def run(self) -> None:
        """All steps of the plan."""
        starts, every = self.plan.option("starts", 500), self.plan.option("every", 100)
        for step in range(1, self.plan.steps + 1):
            self._step(step, random=step <= starts)
            if step > starts and step % self.plan.option("train_freq", 1) == 0:
                self.learner.shake(step / self.plan.steps)
                self.learner.update(self.replay.sample(self.plan.option("batch", 64)))
            if step > starts and step % every == 0:
                self.log.update(step, self.learner.count, self.learner.numbers())
            if (asked := self.plan.option("evaluate", 0)) and step % asked == 0:
                self.log.evaluation(step, *self._evaluated())
        self.log.close()

    def _action(self, random: bool) -> np.ndarray:
        if random:
            return self.rng.uniform(-1.0, 1.0, self.env.action_space.shape).astype(np.float32)
        action = self.learner.act(self.observation)
        return np.clip(action + self.noise * self.rng.standard_normal(action.shape), -1.0, 1.0).astype(np.float32)

    def _step(self, step: int, random: bool) -> None:
        action = self._action(random)
        after, reward, terminated, truncated, info = self.env.step(self.scale * action)
        self.replay.add(self.observation, action, reward, after, terminated)
        self.observation, self.total, self.length = after, self.total + float(reward), self.length + 1
        if terminated or truncated:
            self.log.episode(step, self.total, self.length, info)
            self.observation, _ = self.env.reset()
            self.total, self.length = 0.0, 0

    def _evaluated(self, episodes: int = 1) -> tuple[float, float]:
        env, totals, lengths = self.plan.env(), [], []
        for index in range(episodes):
            observation, _ = env.reset(seed=50_000 + index)
            total, length, over = 0.0, 0, False
            while not over:
                observation, reward, terminated, truncated, _ = env.step(self.scale * self.learner.act(observation))
                total, length, over = total + float(reward), length + 1, terminated or truncated
            totals.append(total)
            lengths.append(length)
        return float(np.mean(totals)), float(np.mean(lengths))
