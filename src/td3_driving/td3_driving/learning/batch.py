# SPDX-License-Identifier: Apache-2.0
"""Transitions as the networks learn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Sampled transitions, one a row.

    Attributes:
        window: (B, channels + k, height, width) uint8, oldest first: the frames of the observation lead, those of the
            next observation end it. Where the two overlap after one step, k is one frame; else it is ``channels``.
        channels: frames of one observation times their planes.
        states, next_states: (B, state_dim) float32.
        privileged, next_privileged: (B, privileged_dim) float32.
        teacher_actions: (B, 2) float32, not a number where there was no teacher.
        actions: (B, 2) float32.
        rewards: (B,) float32, the discounted sum of up to ``n_step`` (clipped) rewards.
        discounts: (B,) float32, factor of the value of the next observation: gamma^n, 0 after a termination.
        terminated: (B,) bool, whether the sum of rewards ends with a termination.
    """

    window: NDArray[np.uint8]
    channels: int
    states: NDArray[np.float32]
    privileged: NDArray[np.float32]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float32]
    discounts: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    next_states: NDArray[np.float32]
    next_privileged: NDArray[np.float32]
    teacher_actions: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TensorBatch:
    """A :class:`Batch` that lies on the learner's device; rewards are scaled."""

    window: Tensor
    channels: int
    states: Tensor
    privileged: Tensor
    actions: Tensor
    teacher_actions: Tensor
    next_states: Tensor
    next_privileged: Tensor
    rewards: Tensor
    discounts: Tensor
    terminated: Tensor
