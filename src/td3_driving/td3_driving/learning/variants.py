"""DDPG and SAC on the networks, optimizers and bookkeeping of :class:`~td3_driving.learning.td3.TD3`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.driving.privileged import privileged_dim
from td3_driving.learning.networks import ACTION_DIM, GaussianActor, Inputs
from td3_driving.learning.td3 import TD3, ActorObjective, Report, Transitions
from td3_driving.settings import Settings

NOT_APPLICABLE = {
    "td3": frozenset[str](),
    "ddpg": frozenset({"target_noise", "target_noise_clip"}),
    "sac": frozenset({"target_noise", "target_noise_clip"}),
}
"""Settings of the group ``learning`` that have no meaning under an algorithm."""
TEACHING = frozenset({"teacher_weight", "teacher_weight_end", "teacher_decay"})


def not_applicable(settings: Settings) -> frozenset[str]:
    """Settings of the group ``learning`` that nobody reads under these settings."""
    rule = settings.learning
    needless = NOT_APPLICABLE[rule.algorithm] | (TEACHING if rule.teacher == "none" else frozenset())
    needless |= frozenset() if rule.lr_decay else {"lr_end"}
    return needless | ({"critic_cnn_lr"} if privileged_dim(settings) else frozenset())


class DDPG(TD3):
    """Lillicrap et al. 2016: one Q function (the second head is idle), no smoothing; there ``policy_delay`` is 1."""

    def _next_value(self, beyond: Inputs) -> Tensor:
        action = self.actor_target(beyond.patches, beyond.states)
        return self.critic_target.first_value(self.critic_target.features(beyond), action)

    def _critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(q1, target)


class Temperature(nn.Module):
    """The weight of the entropy, kept positive by its logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        return self.log_alpha.exp()


class SAC(TD3):
    """Haarnoja et al. 2018, Soft Actor-Critic Algorithms and Applications: tuned temperature, target entropy -dim(a).

    The next action comes from the trained actor, not from a target. The temperature learns at ``actor_mlp_lr``. What a
    policy drives is the mean action with the noise of :mod:`td3_driving.learning.exploration`, as under TD3.
    """

    actor: GaussianActor

    def __init__(self, settings: Settings, state_dim: int, seed: int) -> None:
        super().__init__(settings, state_dim, seed)
        self.temperature = Temperature().to(self.device)
        self.temperature_optimizer = torch.optim.Adam(self.temperature.parameters(), settings.learning.actor_mlp_lr)
        self._log_density = torch.zeros((), device=self.device)

    def actor_objective(self, now: Inputs) -> ActorObjective:
        """The smaller Q at a sampled action; entropy and saturation enter as penalty."""
        action, log_density, mean = self.actor.sample(now.patches, now.states, self._noise(now))
        self._log_density = log_density.detach().mean()
        penalty = self.temperature().detach() * log_density + self._saturation_penalty(mean)
        return ActorObjective(self.actor_q(now, action), penalty, action)

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        """``min(Q1, Q2)(s, a)``, ``(B,)``, with a gradient towards ``actions`` and none towards the encoder."""
        with torch.no_grad():
            features = self.critic.features(now)
        return torch.minimum(*self.critic.values(features, actions))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return super().optimizers() | {"temperature": self.temperature_optimizer}

    def modules(self) -> dict[str, nn.Module]:
        return super().modules() | {"temperature": self.temperature}

    def _next_value(self, beyond: Inputs) -> Tensor:
        action, log_density, _ = self.actor.sample(beyond.patches, beyond.states, self._noise(beyond))
        q1, q2 = self.critic_target(beyond, action)
        return torch.minimum(q1, q2) - self.temperature() * log_density

    def _update_actor(self, inputs: Transitions) -> Report:
        report = super()._update_actor(inputs)
        loss = -self.temperature.log_alpha * (self._log_density - ACTION_DIM)
        self.temperature_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.temperature_optimizer.step()
        return report | {"debug/entropy": -self._log_density, "debug/temperature": self.temperature().detach()}

    def _noise(self, observation: Inputs) -> Tensor:
        shape = (len(observation.states), ACTION_DIM)
        return torch.randn(shape, generator=self.generator, device=self.device)


def make_agent(settings: Settings, state_dim: int, seed: int) -> TD3:
    """The agent that ``learning.algorithm`` names."""
    kinds: dict[str, type[TD3]] = {"td3": TD3, "ddpg": DDPG, "sac": SAC}
    return kinds[settings.learning.algorithm](settings, state_dim, seed)
