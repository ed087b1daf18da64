# SPDX-License-Identifier: Apache-2.0
"""DDPG (Lillicrap et al. 2016, Continuous control with deep reinforcement learning); there ``policy_delay`` is 1."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from td3_driving.learning.algorithms.base import ActorObjective, Algorithm, deterministic_action, own_features
from td3_driving.learning.networks import Inputs


class DDPG(Algorithm):
    """One Q function and no smoothing; the critic's second head is idle."""

    unused = frozenset({"target_noise", "target_noise_clip"})

    def next_value(self, beyond: Inputs) -> Tensor:
        """The target's Q1 at the action of the target actor."""
        critic = self.networks.critic_target
        return critic.first_value(critic.features(beyond), self.networks.actor_target(beyond.frames, beyond.states))

    def critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(q1, target)

    def actor_objective(self, now: Inputs) -> ActorObjective:
        """``Q1(s, pi(s))``, less the penalty of saturation."""
        critic = self.networks.critic
        action, penalty = deterministic_action(self.networks.actor, now, self.rule)
        return ActorObjective(critic.first_value(own_features(critic, now), action), penalty, action)
