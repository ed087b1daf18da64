"""TD3 (Fujimoto et al. 2018, Addressing Function Approximation Error in Actor-Critic Methods), algorithm 1, on frames.

The critic sees the features of its own encoder wherever it is asked for a value, also for ``Q(s, pi(s))`` in the loss
of the actor; the only way from that loss to the actor's encoder leads through the action.
"""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.learning.gradients import clip_and_measure
from td3_driving.learning.imitation import imitation_loss, imitation_weight
from td3_driving.learning.networks import (
    Actor,
    Critic,
    Inputs,
    Network,
    initialise,
    make_actor,
    make_critic,
    to_patches,
)
from td3_driving.learning.optimizers import make_adam, set_learning_rates
from td3_driving.learning.replay import Batch
from td3_driving.settings import Settings

Report = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Transitions:
    """A :class:`Batch` as tensors on the device; rewards are scaled.

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


class TD3:
    """Networks, targets, optimizers, and the update.

    Attributes:
        updates, policy_updates: how many there were.
        target_steps: share of its distance to the trained network that each target went at the last update, measured;
            not a number where there was no distance left.
    """

    def __init__(self, settings: Settings, state_dim: int, seed: int) -> None:
        """
        Raises:
            ValueError: ``learning.device`` is cuda and there is none.
        """
        rule = settings.learning
        if rule.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("learning.device is cuda, but this machine offers no CUDA device; cpu is the other choice")
        self.device = torch.device(rule.device)
        self.updates = 0
        self.policy_updates = 0
        self.target_steps: dict[str, Tensor] = {}
        self._rule = rule
        self._precision = torch.bfloat16 if rule.precision == "bfloat16" else torch.float32
        self._return_bound = return_bound(settings)
        weights = torch.Generator().manual_seed(seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.actor: Actor = make_actor(settings, state_dim)
        self.critic: Critic = make_critic(settings, state_dim)
        for network in (self.actor, self.critic):
            initialise(network, weights)
            network.to(self.device)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.actor_optimizer = make_adam(self.actor, rule.actor_cnn_lr, rule.actor_mlp_lr)
        self.critic_optimizer = make_adam(self.critic, rule.critic_cnn_lr, rule.critic_mlp_lr)

    def update(self, batch: Batch, reward_scale: float = 1.0) -> Report:
        """One update of the critic and, every ``policy_delay`` of them, one of the actor and the targets.

        Args:
            batch: transitions as sampled.
            reward_scale: divisor of the rewards.

        Returns:
            Series by tag, scalars that stay on the device; those of the actor only when it was updated.
        """
        set_learning_rates(self.optimizers().values(), self._rule, self.updates)
        inputs = self.to_device(batch, reward_scale)
        target = self.target(inputs)
        report = self._update_critic(inputs, target)
        self.updates += 1
        if self.updates % self._rule.policy_delay == 0:
            report |= self._update_actor(inputs)
            before = self._target_gaps()
            self.update_targets()
            self.target_steps = {tag: 1.0 - after / before[tag] for tag, after in self._target_gaps().items()}
            self.policy_updates += 1
        return report

    def to_device(self, batch: Batch, reward_scale: float = 1.0) -> Transitions:
        """``batch`` as tensors; the patches of an observation are made once for all networks."""
        tensor = self._tensor
        window = tensor(batch.window)
        return Transitions(
            now=Inputs(to_patches(window[:, : batch.channels]), tensor(batch.states), tensor(batch.privileged)),
            actions=tensor(batch.actions),
            rewards=tensor(batch.rewards) / reward_scale,
            discounts=tensor(batch.discounts),
            terminated=tensor(batch.terminated),
            beyond=Inputs(
                to_patches(window[:, -batch.channels :]), tensor(batch.next_states), tensor(batch.next_privileged)
            ),
            teacher=tensor(batch.teacher_actions),
        )

    @torch.no_grad()
    def target(self, inputs: Transitions) -> Tensor:
        """Value to regress to, ``(B,)``: reward plus discounted clipped double Q at the smoothed target action."""
        with self.autocast():
            value = self._next_value(inputs.beyond)
        target = inputs.rewards + inputs.discounts * value
        return target.clamp(-self._return_bound, self._return_bound) if self._rule.target_clamp else target

    def actor_objective(self, now: Inputs) -> ActorObjective:
        """``Q1(s, pi(s))`` on the critic's own features, and the penalty of saturated pre-activations."""
        action, preactivation = self.actor.forward_with_preactivation(now.patches, now.states)
        return ActorObjective(self.actor_q(now, action), self._saturation_penalty(preactivation), action)

    def actor_q(self, now: Inputs, actions: Tensor) -> Tensor:
        """``Q1(s, a)``, ``(B,)``, with a gradient towards ``actions`` and none towards the critic's encoder."""
        with torch.no_grad():
            features = self.critic.features(now)
        return self.critic.first_value(features, actions)

    def autocast(self) -> AbstractContextManager[None]:
        """The number format of convolutions and products."""
        return torch.autocast(self.device.type, self._precision, enabled=self._precision is not torch.float32)

    def target_pairs(self) -> list[tuple[Network, Network]]:
        """(online, target) networks that the soft update keeps together."""
        return [(self.actor, self.actor_target), (self.critic, self.critic_target)]

    def learning_rates(self) -> dict[str, float]:
        """Learning rates as the optimizers hold them."""
        rates: dict[str, float] = {}
        for name, optimizer in (("actor", self.actor_optimizer), ("critic", self.critic_optimizer)):
            for group in optimizer.param_groups:
                rates[f"agent/{name}_cnn_lr" if group["part"] == "cnn" else f"agent/{name}_lr"] = float(group["lr"])
        return rates

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimizers by name, as a checkpoint keeps them."""
        return {"actor": self.actor_optimizer, "critic": self.critic_optimizer}

    def modules(self) -> dict[str, nn.Module]:
        """Networks by name, as a checkpoint keeps them."""
        return {
            "actor": self.actor,
            "critic": self.critic,
            "actor_target": self.actor_target,
            "critic_target": self.critic_target,
        }

    def _next_value(self, beyond: Inputs) -> Tensor:
        action = self.actor_target(beyond.patches, beyond.states)
        noise = torch.randn(action.shape, generator=self.generator, device=self.device) * self._rule.target_noise
        smoothing = noise.clamp(-self._rule.target_noise_clip, self._rule.target_noise_clip)
        q1, q2 = self.critic_target(beyond, (action + smoothing).clamp(-1.0, 1.0))
        return torch.minimum(q1, q2)

    def _update_critic(self, inputs: Transitions, target: Tensor) -> Report:
        with self.autocast():
            q1, q2 = self.critic(inputs.now, inputs.actions)
        loss = self._critic_loss(q1, q2, target)
        self.critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norms = clip_and_measure(self.critic, self._rule.critic_max_norm, "critic")
        self.critic_optimizer.step()
        return norms | _critic_report(inputs, q1.detach(), q2.detach(), target, loss.detach())

    def _critic_loss(self, q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(q1, target) + functional.mse_loss(q2, target)

    def _update_actor(self, inputs: Transitions) -> Report:
        with self.autocast():
            objective = self.actor_objective(inputs.now)
        loss, report = objective.loss, Report()
        if self._rule.teacher != "none":
            imitation = imitation_loss(objective.action, inputs.teacher)
            loss = loss + self.teacher_weight * objective.q.detach().abs().mean() * imitation
            report["debug/imitation_loss"] = imitation.detach()
        parameters = list(self.actor.parameters())
        self.actor_optimizer.zero_grad(set_to_none=True)
        # Only these: gradients of the critic are neither needed nor to be touched here.
        loss.backward(inputs=parameters)
        norms = clip_and_measure(self.actor, self._rule.actor_max_norm, "actor")
        self.actor_optimizer.step()
        return report | norms | _actor_report(objective.q.detach(), objective.penalty.detach())

    @property
    def teacher_weight(self) -> float:
        """Weight of the imitation at this update, see :mod:`td3_driving.learning.imitation`."""
        return imitation_weight(self._rule, self.updates)

    def _saturation_penalty(self, preactivation: Tensor) -> Tensor:
        excess = functional.relu(preactivation.abs() - 1.0)
        return self._rule.saturation_penalty * excess.square().sum(dim=1)

    @torch.no_grad()
    def update_targets(self) -> None:
        """``target <- (1 - tau) target + tau online`` for every weight, encoders included."""
        for online, target in self.target_pairs():
            torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), self._rule.tau)

    @torch.no_grad()
    def _target_gaps(self) -> dict[str, Tensor]:
        """Distance (L2 norm) of each part of each target from the trained network, by the tag of its step."""
        gaps = {}
        for online, target in self.target_pairs():
            name = "actor" if isinstance(online, Actor) else "critic"
            for part, label in (("mlp", name), ("cnn", f"{name}_cnn")):
                if not online.part(part):
                    continue
                differences = [ours - theirs for ours, theirs in zip(online.part(part), target.part(part))]
                norms = torch._foreach_norm(differences)
                gaps[f"agent/{label}_target_step"] = torch.linalg.vector_norm(torch.stack(list(norms)))
        return gaps

    def _tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array).to(self.device, non_blocking=True)


def return_bound(settings: Settings) -> float:
    """Greatest absolute discounted return: the sum of all reward weights (or the reward clip) over ``1 - gamma``."""
    reward, rule = settings.reward, settings.learning
    bound = reward.efficiency + reward.lane_keeping + reward.comfort + reward.safety + reward.progress
    if rule.reward_clip > 0.0:
        bound = min(bound, rule.reward_clip)
    return bound / (1.0 - rule.gamma)


def _critic_report(inputs: Transitions, q1: Tensor, q2: Tensor, target: Tensor, loss: Tensor) -> Report:
    rewards = inputs.rewards
    return {
        "train/critic_loss": loss,
        "train/q1_value": q1.mean(),
        "train/q2_value": q2.mean(),
        "debug/q1_pred_mean": q1.mean(),
        "debug/q2_pred_mean": q2.mean(),
        "debug/target_q_mean": target.mean(),
        "debug/overestimation": torch.maximum(q1, q2).mean() - target.mean(),
        "debug/td_error": 0.5 * ((q1 - target).abs() + (q2 - target).abs()).mean(),
        "debug/reward_mean": rewards.mean(),
        "debug/reward_std": rewards.std(),
        "debug/reward_min": rewards.min(),
        "debug/reward_max": rewards.max(),
        "debug/done_ratio": inputs.terminated.float().mean(),
    }


def _actor_report(q: Tensor, penalty: Tensor) -> Report:
    # The loss is logged without the penalty, so that it can be held against the value it is the negative of.
    return {
        "train/actor_loss": -q.mean(),
        "debug/actor_penalty": penalty.mean(),
        "debug/q1_for_actor_mean": q.mean(),
        "debug/q1_for_actor_max": q.max(),
        "debug/q1_for_actor_min": q.min(),
    }
