# SPDX-License-Identifier: Apache-2.0
"""A TD3 in one loop (Fujimoto et al. 2018) on NumPy, small and quick, that can be made sick in known ways.

Kinds of sickness: ``lr_zero``, ``lr_high``, ``gamma_high``, ``critic_dead``, ``policy_frozen``, ``policy_saturated``,
``wrong_features``, ``lost_it``, ``recovered``; those of the environment are in :mod:`doctor_corpus.plan`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from doctor_corpus.logs import Log
from doctor_corpus.networks import Actor, Critic
from doctor_corpus.plan import Plan
from doctor_corpus.truth import GO


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

    def sample(self, size: int) -> list[NDArray[np.float32]]:
        """A batch of each part."""
        rows = self.rng.integers(0, min(self.count, self.capacity), size)
        return np.split(self.table[rows], self.splits, 1)


class Learner:
    """Networks and the update."""

    def __init__(self, plan: Plan, observation: int, action: int, rng: np.random.Generator) -> None:
        sizes = observation, action, plan.option("hidden", 32)
        self.plan, self.rng, self.count = plan, rng, 0
        self.actor, self.critic = Actor(*sizes), Critic(*sizes)
        self.targets = Actor(*sizes), Critic(*sizes)
        self.pairs: list[tuple[Actor | Critic, Actor | Critic]] = list(zip(self.targets, (self.actor, self.critic)))
        for target, source in self.pairs:
            source.start(rng)
            if plan.kind == "policy_saturated" and source is self.actor:
                self.actor.head.weights[-1][-1] = 15.0
            target.parameters.value[:] = source.parameters.value
        self.usual = {"lr_zero": 0.0, "lr_high": plan.option("high", 0.3)}.get(plan.kind, plan.option("lr", 1e-3))
        self.rate = self.usual
        self.gamma = plan.option("high", 1.5) if plan.kind == "gamma_high" else plan.option("gamma", 0.98)
        self.latest: dict[str, NDArray[np.float32] | float] = {}

    def shake(self, share: float) -> None:
        """What goes wrong in the midst of training; ``share`` is the done part of the budget."""
        kind = self.plan.kind
        if kind == "recovered":
            self.gamma = self.plan.option("high", 1.5) if 0.15 <= share < 0.22 else self.plan.option("gamma", 0.98)
        if kind == "lost_it" and share >= 0.6:
            self.rate = self.plan.option("high", 0.1)
        elif self.plan.truth == GO:  # a smaller and smaller rate holds what was learned
            self.rate = self.usual * min(1.0, 3.3 * (1.0 - share) + 0.02)

    def update(self, batch: list[NDArray[np.float32]]) -> None:
        """One update of the critic, and every second time one of the actor and the targets."""
        observation, action, reward, after, terminated = batch
        target = self._target(reward[:, 0], after, terminated[:, 0])
        values = self.critic.forward(observation, action)
        errors = [value - target for value in values]
        self.critic.parameters.gradient[:] = 0.0
        self.critic.backward([2.0 / len(target) * error for error in errors])
        self.latest |= {"q1": values[0], "q2": values[1], "target_q": target, "reward": reward}
        self.latest |= {"q1_loss": float(np.mean(errors[0] ** 2)), "q2_loss": float(np.mean(errors[1] ** 2))}
        self.latest["grad_critic"] = self.critic.parameters.norm
        if self.plan.kind != "critic_dead":
            self.critic.parameters.step(self.rate)
        self.count += 1
        if self.count % 2 == 0:
            self._update_actor(observation)

    def _target(
        self, reward: NDArray[np.float32], after: NDArray[np.float32], terminated: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        actor, critic = self.targets
        action = actor.forward(after)
        noise = np.clip(0.2 * self.rng.standard_normal(action.shape, np.float32), -0.5, 0.5)
        values = critic.forward(after, np.clip(action + noise, -1.0, 1.0))
        target: NDArray[np.float32] = reward + np.float32(self.gamma) * (1.0 - terminated) * np.minimum(*values)
        return target

    def _update_actor(self, observation: NDArray[np.float32]) -> None:
        action = self.actor.forward(observation)
        wrong = self.plan.kind == "wrong_features"
        features = self.actor.encoder.inputs[-1] if wrong else self.critic.encoder.forward(observation)
        value, of_features, of_action = self.critic.value_of(features, action)
        self.actor.parameters.gradient[:] = 0.0
        self.actor.backward(-of_action, -of_features if wrong else None)
        self.latest |= {"actor_loss": -value.mean(), "actor_q": value.mean()}
        self.latest["grad_actor"] = self.actor.parameters.norm
        if self.plan.kind != "policy_frozen":
            self.actor.parameters.step(self.rate)
        tau = np.float32(self.plan.option("tau", 0.01))
        for target, source in self.pairs:
            target.parameters.value += tau * (source.parameters.value - target.parameters.value)

    def numbers(self) -> dict[str, float]:
        """What the newest update measured."""
        latest = {name: np.asarray(value) for name, value in self.latest.items()}
        values = {name: float(value.mean()) for name, value in latest.items() if name != "reward"}
        q, reward = latest["q1"], latest["reward"]
        values |= {"q_max": float(q.max()), "q_min": float(q.min()), "q_std": float(q.std())}
        values |= {"reward_mean": float(reward.mean()), "reward_std": float(reward.std())}
        return values | {"reward_min": float(reward.min()), "reward_max": float(reward.max())}

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """The policy's action in [-1, 1]."""
        action: NDArray[np.float32] = self.actor.forward(np.asarray(observation, np.float32)[None])[0]
        return action


class Loop:
    """Steps of the environment, each with an update once ``starts`` are done."""

    def __init__(self, plan: Plan, log: Log) -> None:
        self.plan, self.log, self.env = plan, log, plan.env()
        self.rng = np.random.default_rng(plan.seed)
        seen, done = self.env.observation_space, self.env.action_space
        assert isinstance(seen, Box) and isinstance(done, Box)
        size, actions, self.scale = seen.shape[0], done.shape[0], float(done.high[0])
        self.learner = Learner(plan, size, actions, self.rng)
        self.replay = Replay(plan.option("capacity", 100_000), size, actions, self.rng)
        self.noise = plan.option("noise", 0.35 if plan.task == "reach" else 0.15)
        self.observation, _ = self.env.reset(seed=plan.seed)
        self.total, self.length = 0.0, 0

    def run(self) -> None:
        """All steps of the plan."""
        starts = self.plan.option("starts", 1500 if self.plan.task == "reach" else 500)
        every = self.plan.option("every", 100)
        for step in range(1, self.plan.steps + 1):
            self._step(step, random=step <= starts)
            if step > starts and step % self.plan.train_freq == 0:
                self.learner.shake(step / self.plan.steps)
                self.learner.update(self.replay.sample(self.plan.option("batch", 64)))
            if step > starts and step % every == 0:
                self.log.update(step, self.learner.count, self.learner.numbers())
            if (asked := self.plan.option("evaluate", 0)) and step % asked == 0:
                self.log.evaluation(step, *self._evaluated())
        self.log.close()

    def _action(self, random: bool) -> NDArray[np.float32]:
        if random:
            return self.rng.uniform(-1.0, 1.0, self.env.action_space.shape).astype(np.float32)
        action = self.learner.act(self.observation)
        noisy: NDArray[np.float64] = action + self.noise * self.rng.standard_normal(action.shape)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32)

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
