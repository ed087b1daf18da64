# SPDX-License-Identifier: Apache-2.0
"""TD3 (Fujimoto et al. 2018, Addressing Function Approximation Error in Actor-Critic Methods), algorithm 1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from td3_driving.learning.algorithms.base import ActorObjective, Algorithm, deterministic_action, own_features
from td3_driving.learning.networks import Inputs


class TD3(Algorithm):
    """Clipped double Q, target policy smoothing, and (by ``policy_delay``) delayed updates of the actor."""

    def next_value(self, beyond: Inputs) -> Tensor:
        """The smaller target Q at the smoothed action of the target actor."""
        action = self.networks.actor_target(beyond.frames, beyond.states)
        noise = self.networks.noise(len(action)) * self.rule.target_noise
        smoothing = noise.clamp(-self.rule.target_noise_clip, self.rule.target_noise_clip)
        q1, q2 = self.networks.critic_target(beyond, (action + smoothing).clamp(-1.0, 1.0))
        return torch.minimum(q1, q2)

    def critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(q1, target) + functional.mse_loss(q2, target)

    def actor_objective(self, now: Inputs) -> ActorObjective:
        """``Q1(s, pi(s))``, less the penalty of saturation."""
        action, penalty = deterministic_action(self.networks.actor, now, self.rule)
        return ActorObjective(self.actor_q(now, action), penalty, action)

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        """``Q1(s, a)``, ``(B,)``, with a gradient towards ``actions`` alone."""
        critic = self.networks.critic
        return critic.first_value(own_features(critic, now), actions)
