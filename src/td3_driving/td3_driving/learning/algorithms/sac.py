# SPDX-License-Identifier: Apache-2.0
"""SAC (Haarnoja et al. 2018, Soft Actor-Critic Algorithms and Applications).

The temperature is tuned; the target entropy is minus the dimension of the action.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.driving.action import ACTION_DIM
from td3_driving.learning.algorithms.base import (
    ActorObjective,
    Algorithm,
    Networks,
    Report,
    own_features,
    saturation_penalty,
)
from td3_driving.learning.networks import Actor, Inputs
from td3_driving.learning.optimizers import rate_on
from td3_driving.settings import Settings


class GaussianActor(Actor):
    """Squashed Gaussian policy; its deterministic action is that of the mean."""

    outputs = 2 * ACTION_DIM
    compiled = ("forward_with_preactivation", "sample")
    LOG_STD_RANGE = (-5.0, 2.0)

    def sample(self, seen: Inputs, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """An action ``(B, 2)``, its log density ``(B,)``, and the mean before ``tanh``.

        ``noise`` is ``(B, 2)``, standard normal.
        """
        mean, log_std = self.trunk_output(seen.frames, seen.states).float().chunk(2, dim=1)
        low, high = self.LOG_STD_RANGE
        log_std = low + 0.5 * (high - low) * (torch.tanh(log_std) + 1.0)
        raw = mean + log_std.exp() * noise
        gaussian = -0.5 * (noise.square() + math.log(2.0 * math.pi)) - log_std
        # log(1 - tanh(x)^2) in a form that does not underflow (paper, appendix C).
        squash = 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (gaussian - squash).sum(dim=1), mean


class Temperature(nn.Module):
    """The weight of the entropy, kept positive by its logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        return self.log_alpha.exp()


class SAC(Algorithm):
    """The next action comes from the trained actor, not from a target. The temperature learns at ``actor_mlp_lr``.

    The policy drives the mean action with the noise of :mod:`td3_driving.learning.exploration`, as under TD3.
    """

    actor = GaussianActor
    unused = frozenset({"target_noise", "target_noise_clip"})

    def __init__(self, settings: Settings, networks: Networks) -> None:
        super().__init__(settings, networks)
        device = networks.generator.device
        self.temperature = Temperature().to(device)
        self.temperature_optimizer = torch.optim.Adam(
            self.temperature.parameters(),
            rate_on(device, self.rule.actor_mlp_lr),
            capturable=device.type == "cuda",
        )
        self._log_density = torch.zeros((), device=device)

    def next_value(self, beyond: Inputs) -> Tensor:
        """The smaller target Q at a sampled action, and its entropy."""
        action, log_density, _ = self._sample(beyond)
        q1, q2 = self.networks.critic_target(beyond, action)
        return torch.minimum(q1, q2) - self.temperature() * log_density

    def critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(q1, target) + functional.mse_loss(q2, target)

    def actor_objective(self, now: Inputs) -> ActorObjective:
        """The smaller Q at a sampled action; entropy and saturation enter as penalty."""
        action, log_density, mean = self._sample(now)
        self._log_density = log_density.detach().mean()
        penalty = self.temperature().detach() * log_density + saturation_penalty(mean, self.rule)
        critic = self.networks.critic
        return ActorObjective(torch.minimum(*critic.values(own_features(critic, now), action)), penalty, action)

    def after_actor_update(self) -> Report:
        """One step of the temperature towards the target entropy."""
        loss = -self.temperature.log_alpha * (self._log_density - ACTION_DIM)
        self.temperature_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.temperature_optimizer.step()
        return {"debug/entropy": -self._log_density, "debug/temperature": self.temperature().detach()}

    def modules(self) -> dict[str, nn.Module]:
        return {"temperature": self.temperature}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"temperature": self.temperature_optimizer}

    def _sample(self, seen: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        actor = self.networks.actor
        assert isinstance(actor, GaussianActor)
        return actor.sample(seen, self.networks.noise(len(seen.states)))
