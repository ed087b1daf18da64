# SPDX-License-Identifier: Apache-2.0
"""Finds the frames and the return of a transition along the links between the slots of the replay memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.settings import Settings

NO_SLOT = -1


@dataclass(frozen=True, slots=True)
class Located:
    """Where sampled transitions lie, and what they are worth, one a row.

    Attributes:
        window: (B, frames) slots of the frames of :attr:`td3_driving.learning.batch.Batch.window`.
        starts, ends: (B,) slots of the observation and of the next observation.
        rewards, discounts, terminated: as in :class:`~td3_driving.learning.batch.Batch`.
    """

    window: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    rewards: NDArray[np.float32]
    discounts: NDArray[np.float32]
    terminated: NDArray[np.bool_]


class Links:
    """The chains of slots that episodes are.

    Attributes:
        previous, next: (capacity,) slot before and behind each one, or :data:`NO_SLOT`; the first slot of an episode
            precedes itself.
        before: slots that a whole stack needs before its newest one.
        window: frames of one transition.
    """

    def __init__(self, settings: Settings, records: np.ndarray) -> None:
        observation, rule = settings.observation, settings.learning
        self.previous = np.full(len(records), NO_SLOT, np.int32)
        self.next = np.full(len(records), NO_SLOT, np.int32)
        self._records = records
        self._stack, self._stride = observation.stack, observation.stack_stride
        self._n_step, self._gamma, self._reward_clip = rule.n_step, rule.gamma, rule.reward_clip
        self._overlapping = self._n_step == 1 and self._stride == 1
        self.before = (self._stack - 1) * self._stride
        self.window = self._stack + 1 if self._overlapping else 2 * self._stack

    def locate(self, starts: NDArray[np.int64]) -> Located:
        """The transitions that start at ``starts`` (B,), all of them whole."""
        rewards, discounts, terminated, ends = self._returns(starts)
        beyond = ends[:, None] if self._overlapping else self._history(ends)
        window = np.concatenate([self._history(starts), beyond], axis=1)
        return Located(window, starts, ends, rewards, discounts, terminated)

    def _history(self, slots: np.ndarray) -> np.ndarray:
        """Slots of the stacks that end at ``slots``: (B, stack); the first frame of an episode precedes itself."""
        columns = np.empty((len(slots), self._stack), np.int64)
        columns[:, -1] = slots
        reached = slots
        for depth in range(self._stack - 2, -1, -1):
            for _ in range(self._stride):
                reached = self.previous[reached]
            columns[:, depth] = reached
        return columns

    def _returns(self, slots: NDArray[np.int64]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rewards summed over up to ``n_step`` steps, discount beyond, termination, slot of the observation beyond.

        Where the chain ends sooner (end of episode, gap, newest step) the sum is shorter and its discount accordingly.
        """
        ends, total = slots.astype(np.int64), np.zeros(len(slots))
        factor, alive = np.ones(len(slots)), np.ones(len(slots), bool)
        terminated = np.zeros(len(slots), bool)
        for _ in range(self._n_step):
            alive &= self.next[ends] != NO_SLOT
            total += np.where(alive, factor * self._clipped(self._records["reward"][ends]), 0.0)
            terminated |= alive & self._records["terminated"][ends]
            factor = np.where(alive, factor * self._gamma, factor)
            ends = np.where(alive, self.next[ends], ends)
            alive &= ~terminated
        discounts = np.where(terminated, 0.0, factor)
        return total.astype(np.float32), discounts.astype(np.float32), terminated, ends

    def _clipped(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(rewards, -self._reward_clip, self._reward_clip) if self._reward_clip > 0.0 else rewards
