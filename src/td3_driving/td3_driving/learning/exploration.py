# SPDX-License-Identifier: Apache-2.0
"""Explores: first by uniform random actions, then by Gaussian noise on the policy's action."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.settings import ExplorationSettings

ACTION_DIM = 2


class Exploration:
    """Chooses the action that is driven at each step of training.

    Every draw is a function of ``(seed, step)`` alone: a restarted actor explores as it would have without the restart,
    and two actors differ by their seeds only.
    """

    def __init__(self, settings: ExplorationSettings, seed: int) -> None:
        """``seed`` >= 0 must differ between the actors of one run."""
        self._settings = settings
        self._seed = seed

    def action(self, step: int, policy_action: NDArray[np.float32] | None) -> tuple[NDArray[np.float32], float]:
        """The action to drive at environment step ``step`` (0, 1, 2 …) of this actor.

        Args:
            step: steps that this actor has taken before.
            policy_action: (2,) in [-1, 1]; while :meth:`is_random` that of a teacher, or ``None``.

        Returns:
            action: (2,) float32 in [-1, 1].
            noise_std: standard deviation of the Gaussian noise; in the random phase 1, or the bound of the disturbance
                of the teacher's action.

        Raises:
            ValueError: the random phase is over and there is no action of the policy.
        """
        if self.is_random(step):
            return self._first(step, policy_action)
        if policy_action is None:
            raise ValueError(
                f"step {step} lies behind the random phase of {self._settings.random_steps} steps: "
                "an action of the policy is needed"
            )
        std = self.noise_std(step)
        noise = self._generator(step).normal(0.0, std, ACTION_DIM) if std > 0.0 else 0.0
        return np.clip(policy_action + noise, -1.0, 1.0).astype(np.float32), std

    def is_random(self, step: int) -> bool:
        """Whether ``step`` lies in the first phase, which does not ask the policy."""
        return step < self._settings.random_steps

    def noise_std(self, step: int) -> float:
        """Standard deviation of the Gaussian noise: linear over ``decay_steps`` from the end of the random phase."""
        share = min(max(step - self._settings.random_steps, 0) / self._settings.decay_steps, 1.0)
        return self._settings.noise_start + share * (self._settings.noise_end - self._settings.noise_start)

    def _first(self, step: int, teacher_action: NDArray[np.float32] | None) -> tuple[NDArray[np.float32], float]:
        """A random action; with a teacher, the teacher's with a random disturbance, so that it shows how to return."""
        if teacher_action is None:
            return self._random(step), 1.0
        disturbed = teacher_action + self._settings.noise_start * self._random(step)
        return np.clip(disturbed, -1.0, 1.0).astype(np.float32), self._settings.noise_start

    def _random(self, step: int) -> NDArray[np.float32]:
        """Draw each dimension by itself over the whole range, so that steering and pedals do not move together."""
        drawn_at = step - step % self._settings.random_hold
        return self._generator(drawn_at).uniform(-1.0, 1.0, ACTION_DIM).astype(np.float32)

    def _generator(self, step: int) -> np.random.Generator:
        """A stream of its own for each step: the step is the highest word of the counter."""
        return np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 0, 0, step]))
