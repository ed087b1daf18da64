# SPDX-License-Identifier: Apache-2.0
"""What every update rule has: its networks, the batch as tensors, and the functions that several rules share.

The critic sees the features of its own encoder wherever it is asked for a value, also for ``Q(s, pi(s))`` in the loss
of the actor. The only way from that loss to the actor's encoder leads through the action.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.driving.action import ACTION_DIM
from td3_driving.learning.networks import Actor, Critic, Inputs, Network
from td3_driving.settings import LearningSettings, Settings

Report = dict[str, Tensor]
"""Series by tag, scalars that stay on the device."""


@dataclass(frozen=True, slots=True)
class Transitions:
    """A :class:`~td3_driving.learning.replay.Batch` as tensors on the device; rewards are scaled.

    Attributes:
        teacher: ``(B, 2)`` actions of the teacher, not a number where there is none.
    """

    now: Inputs
    actions: Tensor
    rewards: Tensor
    discounts: Tensor
    terminated: Tensor
    beyond: Inputs
    teacher: Tensor


@dataclass(frozen=True, slots=True)
class ActorObjective:
    """What the actor minimises: the mean of ``penalty - q``, each ``(B,)``; ``action`` is the policy's, ``(B, 2)``."""

    q: Tensor
    penalty: Tensor
    action: Tensor

    @property
    def loss(self) -> Tensor:
        return (self.penalty - self.q).mean()


@dataclass(slots=True)
class Networks:
    """The networks of an agent, and the generator of its noise."""

    actor: Actor
    critic: Critic
    actor_target: Actor
    critic_target: Critic
    generator: torch.Generator

    def pairs(self) -> dict[str, tuple[Network, Network]]:
        """Trained network and its target, by name."""
        return {"actor": (self.actor, self.actor_target), "critic": (self.critic, self.critic_target)}

    def noise(self, rows: int) -> Tensor:
        """Standard normal numbers, one row per action, ``(rows, 2)``."""
        return torch.randn((rows, ACTION_DIM), generator=self.generator, device=self.generator.device)


class Algorithm(ABC):
    """One update rule: what the critic regresses to, and what the actor maximises.

    :class:`~td3_driving.learning.agent.LearningAgent` does the rest: optimizers, clipping, targets, their order.

    Attributes:
        actor: class of the actor.
        unused: settings of the group ``learning`` that the rule does not read.
        networks: what it computes with.
        rule: the group ``learning`` of the settings.
    """

    actor: type[Actor] = Actor
    unused: frozenset[str] = frozenset()

    def __init__(self, settings: Settings, networks: Networks) -> None:
        self.rule: LearningSettings = settings.learning
        self.networks = networks

    @abstractmethod
    def next_value(self, beyond: Inputs) -> Tensor:
        """Value of the next observation, ``(B,)``; asked without gradients, with targets that are not trained."""

    @abstractmethod
    def critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        """Loss of the critic, a scalar, from both heads and what they regress to, each ``(B,)``."""

    @abstractmethod
    def actor_objective(self, now: Inputs) -> ActorObjective:
        """What the actor maximises. No gradient may pass the action, nor reach the critic's encoder."""

    def after_actor_update(self) -> Report:
        """Called after each step of the actor's optimizer; returns further series."""
        return {}

    def modules(self) -> dict[str, nn.Module]:
        """Further trained modules by name; checkpoints keep them."""
        return {}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Their optimizers by name; their learning rates fall with the others'."""
        return {}


def deterministic_action(actor: Actor, now: Inputs, rule: LearningSettings) -> tuple[Tensor, Tensor]:
    """The action ``(B, 2)`` and the penalty of its saturation ``(B,)``."""
    action, preactivation = actor.forward_with_preactivation(now.frames, now.states)
    return action, saturation_penalty(preactivation, rule)


def saturation_penalty(preactivation: Tensor, rule: LearningSettings) -> Tensor:
    """``saturation_penalty`` times the squared excess of ``preactivation`` ``(B, 2)`` beyond 1, summed, ``(B,)``."""
    excess = functional.relu(preactivation.abs() - 1.0)
    return rule.saturation_penalty * excess.square().sum(dim=1)


def own_features(critic: Critic, now: Inputs) -> Tensor:
    """The critic's features without a gradient, for the loss of the actor."""
    with torch.no_grad():
        return critic.features(now)
