# SPDX-License-Identifier: Apache-2.0
"""The agent: networks, optimizers and targets, updated by the rule that ``learning.algorithm`` names."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from td3_driving.learning.actor_terms import actor_terms
from td3_driving.learning.algorithms import algorithm_of
from td3_driving.learning.algorithms.base import Algorithm, Networks, Report, Transitions
from td3_driving.learning.batch import Batch, TensorBatch
from td3_driving.learning.device import SideStream, compile_networks, device_of, put_on, set_arithmetic
from td3_driving.learning.gradients import clip_and_measure, gradients_of, norm_of_norms, norms_of
from td3_driving.learning.networks import Actor, Critic, Inputs, initialise, make_critic
from td3_driving.learning.optimizers import make_adam, set_learning_rates, step_of
from td3_driving.learning.ranks.sharing import ALONE, Alone
from td3_driving.learning.return_bound import return_bound
from td3_driving.settings import Settings


class LearningAgent:
    """Networks, targets, optimizers, and the update.

    Attributes:
        algorithm: the update rule.
        networks: trained networks and targets.
        terms: what the actor's loss has beside the objective of the algorithm.
        updates, policy_updates: how many there were.
        target_steps: share of its distance to the trained network that each target went at the last update, measured;
            not a number where there was no distance left.
    """

    def __init__(self, settings: Settings, state_dim: int, seed: int, kind: type[Algorithm] | None = None) -> None:
        """
        Args:
            kind: the algorithm; ``None`` takes the one that the settings name.

        Raises:
            ValueError: ``learning.device`` is cuda and there is none.
            SettingsError: algorithm or encoder cannot be used.
        """
        rule = settings.learning
        self.device = device_of(rule)
        named = algorithm_of(settings)
        kind = kind or named
        self.updates = 0
        self.policy_updates = 0
        self.target_steps: dict[str, Tensor] = {}
        self.ranks: Alone = ALONE
        self._rule = rule
        self._precision = torch.bfloat16 if rule.precision == "bfloat16" else torch.float32
        self._return_bound = return_bound(settings)
        self.networks = make_networks(settings, state_dim, seed, kind.actor)
        self.algorithm = kind(settings, self.networks)
        self.terms = actor_terms(settings)
        set_arithmetic(settings, self.device)
        if rule.compile == "on":
            compile_networks(self.networks, self.device)
        self._aside = SideStream(self.device)
        compiled = rule.compile == "on" and self.device.type == "cuda"
        self.actor_optimizer = make_adam(self.actor, rule.actor_cnn_lr, rule.actor_mlp_lr, not compiled)
        self.critic_optimizer = make_adam(self.critic, rule.critic_cnn_lr, rule.critic_mlp_lr, not compiled)
        self._step_actor = step_of(self.actor_optimizer, compiled)
        self._step_critic = step_of(self.critic_optimizer, compiled)

    @property
    def actor(self) -> Actor:
        """The trained actor."""
        return self.networks.actor

    @property
    def critic(self) -> Critic:
        """The trained critic."""
        return self.networks.critic

    def update(self, batch: Batch, reward_scale: float = 1.0) -> Report:
        """Update the critic and, every ``policy_delay`` updates, the actor and the targets.

        Args:
            batch: transitions as sampled.
            reward_scale: divisor of the rewards.

        Returns:
            Series by tag, scalars that stay on the device; those of the actor only when it was updated.
        """
        self.begin_update()
        with_actor = self.actor_is_next
        inputs = self.to_device(batch, reward_scale, with_actor)
        report = self.update_critic(inputs)
        if with_actor:
            report |= self.update_actor(inputs, self.updates + 1)
        self.count_update(with_actor)
        return report

    def join(self, ranks: Alone) -> None:
        """Take the mean of all gradients over ``ranks``, those of the algorithm's own optimizers included."""
        self.ranks = ranks
        for optimizer in self.algorithm.optimizers().values():
            optimizer.register_step_pre_hook(lambda optimizer, *_: ranks.average(gradients_of(optimizer)))

    @property
    def actor_is_next(self) -> bool:
        """Whether the next update takes in the actor and the targets."""
        return (self.updates + 1) % self._rule.policy_delay == 0

    def begin_update(self) -> None:
        """Set the learning rates of the next update."""
        set_learning_rates(self.optimizers().values(), self._rule, self.updates)

    def count_update(self, with_actor: bool) -> None:
        """Count an update that :meth:`update_critic` and, ``with_actor``, :meth:`update_actor` have made."""
        self.updates += 1
        self.policy_updates += int(with_actor)

    def update_critic(self, inputs: Transitions) -> Report:
        """One step of the critic; its series."""
        with self._aside.work():
            target = self.target(inputs)
        with self.autocast():
            q1, q2 = self.critic(inputs.now, inputs.actions)
        self._aside.join()
        loss = self.algorithm.critic_loss(q1, q2, target)
        with self._aside.work():
            report = _critic_report(inputs, q1.detach(), q2.detach(), target, loss.detach())
        self.critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norms = clip_and_measure(self.critic, self._rule.critic_max_norm, "critic", self.ranks)
        self._step_critic()
        self._aside.join()
        return norms | report

    def update_actor(self, inputs: Transitions, updates: int | Tensor) -> Report:
        """One step of the actor, then of the targets; its series.

        Args:
            updates: of the critic, this one included; a tensor where the step is recorded and repeated.
        """
        report = self._update_actor(inputs, updates)
        before = self._target_gaps()
        self.update_targets()
        self.target_steps = {tag: 1.0 - after / before[tag] for tag, after in self._target_gaps().items()}
        return report

    def to_device(self, batch: Batch | TensorBatch, reward_scale: float = 1.0, with_actor: bool = True) -> Transitions:
        """``batch`` as tensors; the frames are prepared once for all networks.

        Those of the observation are left out (no rows) for an update in which nobody sees them: one without the actor,
        of a critic that sees no frame.
        """
        tensor, prepare = self._tensor, self.actor.encoder.prepare
        window = tensor(batch.window)
        now, beyond = window[:, : batch.channels], window[:, -batch.channels :]
        seen = prepare(now) if with_actor or self.critic.sees_frames else now[:0]
        return Transitions(
            now=Inputs(seen, tensor(batch.states), tensor(batch.privileged)),
            actions=tensor(batch.actions),
            rewards=tensor(batch.rewards) / reward_scale,
            discounts=tensor(batch.discounts),
            terminated=tensor(batch.terminated),
            beyond=Inputs(prepare(beyond), tensor(batch.next_states), tensor(batch.next_privileged)),
            teacher=tensor(batch.teacher_actions),
        )

    @torch.no_grad()
    def target(self, inputs: Transitions) -> Tensor:
        """Value to regress to, ``(B,)``: reward plus the discounted value that the algorithm gives the next state."""
        with self.autocast():
            value = self.algorithm.next_value(inputs.beyond)
        target = inputs.rewards + inputs.discounts * value
        return target.clamp(-self._return_bound, self._return_bound) if self._rule.target_clamp else target

    def autocast(self) -> AbstractContextManager[None]:
        """The number format of convolutions and products."""
        return torch.autocast(self.device.type, self._precision, enabled=self._precision is not torch.float32)

    def learning_rates(self) -> dict[str, float]:
        """Learning rates as the optimizers hold them."""
        rates: dict[str, float] = {}
        for name, optimizer in (("actor", self.actor_optimizer), ("critic", self.critic_optimizer)):
            for group in optimizer.param_groups:
                rates[f"agent/{name}_cnn_lr" if group["part"] == "cnn" else f"agent/{name}_lr"] = float(group["lr"])
        return rates

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimizers by name, as a checkpoint keeps them."""
        return {"actor": self.actor_optimizer, "critic": self.critic_optimizer, **self.algorithm.optimizers()}

    def modules(self) -> dict[str, nn.Module]:
        """Networks by name, as a checkpoint keeps them."""
        trained = {name: online for name, (online, _) in self.networks.pairs().items()}
        targets = {f"{name}_target": target for name, (_, target) in self.networks.pairs().items()}
        return {**trained, **targets, **self.algorithm.modules()}

    @torch.no_grad()
    def update_targets(self) -> None:
        """``target <- (1 - tau) target + tau online`` for every trained weight, encoders included."""
        for online, target in self.networks.pairs().values():
            torch._foreach_lerp_(list[Tensor](target.trained()), list[Tensor](online.trained()), self._rule.tau)

    def _update_actor(self, inputs: Transitions, updates: int | Tensor) -> Report:
        with self.autocast():
            objective = self.algorithm.actor_objective(inputs.now)
        loss, report = objective.loss, Report()
        for term in self.terms:
            more, series = term(objective, inputs, updates)
            loss, report = loss + more, report | series
        with self._aside.work():
            report |= _actor_report(objective.q.detach(), objective.penalty.detach())
        self.actor_optimizer.zero_grad(set_to_none=True)
        # Only these: gradients of the critic are neither needed nor to be touched here.
        loss.backward(inputs=self.actor.trained())
        norms = clip_and_measure(self.actor, self._rule.actor_max_norm, "actor", self.ranks)
        self._step_actor()
        report |= norms | self.algorithm.after_actor_update()
        self._aside.join()
        return report

    @torch.no_grad()
    def _target_gaps(self) -> dict[str, Tensor]:
        """Distance (L2 norm) of each part of each target from the trained network, by the tag of its step."""
        labels: list[str] = []
        online: list[Tensor] = []
        target: list[Tensor] = []
        for name, (ours, theirs) in self.networks.pairs().items():
            for part, label in (("mlp", name), ("cnn", f"{name}_cnn")):
                labels += [label] * len(ours.part(part))
                online += ours.part(part)
                target += theirs.part(part)
        grouped: dict[str, list[Tensor]] = {}
        for label, norm in zip(labels, norms_of(list(torch._foreach_sub(online, target))), strict=True):
            grouped.setdefault(label, []).append(norm)
        return {f"agent/{label}_target_step": norm_of_norms(parts) for label, parts in grouped.items()}

    def _tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array).to(self.device, non_blocking=True)


def make_agent(settings: Settings, state_dim: int, seed: int) -> LearningAgent:
    """The agent of a run."""
    return LearningAgent(settings, state_dim, seed)


def make_networks(settings: Settings, state_dim: int, seed: int, actor_class: type[Actor]) -> Networks:
    """Networks on the learner's device, drawn from ``seed``, and targets that are copies of them."""
    device = device_of(settings.learning)
    weights = torch.Generator().manual_seed(seed)
    actor = actor_class(settings.observation, settings.network, state_dim)
    critic = make_critic(settings, state_dim)
    for network in (actor, critic):
        initialise(network, weights)
        put_on(network, device)
    # requires_grad stays as it is in the copies, for it tells trained weights from frozen ones.
    targets = copy.deepcopy(actor), copy.deepcopy(critic)
    return Networks(actor, critic, *targets, torch.Generator(device).manual_seed(seed))


def _critic_report(inputs: Transitions, q1: Tensor, q2: Tensor, target: Tensor, loss: Tensor) -> Report:
    rewards, target_mean = inputs.rewards, target.mean()
    return {
        "train/critic_loss": loss,
        "train/q1_value": q1.mean(),
        "train/q2_value": q2.mean(),
        "debug/q1_pred_mean": q1.mean(),
        "debug/q2_pred_mean": q2.mean(),
        "debug/target_q_mean": target_mean,
        "debug/overestimation": torch.maximum(q1, q2).mean() - target_mean,
        "debug/td_error": 0.5 * ((q1 - target).abs() + (q2 - target).abs()).mean(),
        "debug/reward_mean": rewards.mean(),
        "debug/reward_std": rewards.std(),
        "debug/reward_min": rewards.min(),
        "debug/reward_max": rewards.max(),
        "debug/done_ratio": inputs.terminated.float().mean(),
    }


def _actor_report(q: Tensor, penalty: Tensor) -> Report:
    # The loss is logged without penalty and further terms, so that it can be held against the value it is minus of.
    return {
        "train/actor_loss": -q.mean(),
        "debug/actor_penalty": penalty.mean(),
        "debug/q1_for_actor_mean": q.mean(),
        "debug/q1_for_actor_max": q.max(),
        "debug/q1_for_actor_min": q.min(),
    }
