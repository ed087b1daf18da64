# SPDX-License-Identifier: Apache-2.0
"""The teacher in the loss of the actor, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

import numpy as np
import pytest
import torch

from td3_driving.learning.agent import make_agent
from td3_driving.learning.batch import Batch
from td3_driving.learning.imitation import imitation_loss, imitation_weight
from td3_driving.settings import LearningSettings, Settings

Make = Callable[..., Settings]
STATE_DIM, SIZE = 3, 8


def batch(teacher: Any) -> Batch:
    rng = np.random.default_rng(0)
    floats = {name: rng.standard_normal((SIZE, 53)).astype(np.float32) for name in ("privileged", "next_privileged")}
    floats |= {name: rng.standard_normal((SIZE, STATE_DIM)).astype(np.float32) for name in ("states", "next_states")}
    return Batch(
        window=rng.integers(0, 256, (SIZE, 4, 36, 36), dtype=np.uint8),
        channels=3,
        actions=rng.uniform(-1, 1, (SIZE, 2)).astype(np.float32),
        rewards=rng.standard_normal(SIZE).astype(np.float32),
        discounts=np.full(SIZE, 0.9, np.float32),
        terminated=np.zeros(SIZE, bool),
        teacher_actions=np.broadcast_to(np.asarray(teacher, np.float32), (SIZE, 2)).copy(),
        **floats,
    )


def test_the_distance_of_rows_by_hand_and_none_from_rows_without_a_teacher() -> None:
    """(0.3, 0) and (0, -0.4) away: 0.09 + 0.16 over the two rows that have a teacher."""
    action = torch.tensor([[0.5, 0.5], [0.1, 0.2], [-0.5, 0.0]], requires_grad=True)
    nan = float("nan")
    teacher = torch.tensor([[0.2, 0.5], [nan, 0.3], [-0.5, 0.4]])
    loss = imitation_loss(action, teacher)
    assert loss.item() == pytest.approx((0.09 + 0.16) / 2)
    loss.backward()
    assert action.grad is not None
    assert action.grad.flatten().tolist() == pytest.approx([0.3, 0.0, 0.0, 0.0, 0.0, -0.4])


def test_pedals_count_more_where_the_teacher_brakes_and_steering_does_not() -> None:
    """Weights 9, 1, 1 have the mean 11/3; scaled to a mean of 1 they are 27/11, 3/11, 3/11."""
    action = torch.tensor([[0.0, 0.0], [0.2, 0.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.0, -0.5], [0.0, 0.4], [0.0, 0.0]])
    expected = (0.04 + 27 / 11 * 0.25 + 3 / 11 * 0.16) / 3
    assert imitation_loss(action, teacher, braking=9.0).item() == pytest.approx(expected)
    assert imitation_loss(action, teacher, braking=1.0).item() == pytest.approx((0.04 + 0.25 + 0.16) / 3)


@pytest.mark.parametrize("braking", [1.0, 9.0])
def test_rows_without_a_teacher_weigh_nothing(braking: float) -> None:
    action = torch.tensor([[0.1, 0.3], [0.5, 0.5]], requires_grad=True)
    loss = imitation_loss(action, torch.tensor([[0.1, -0.1], [float("nan"), -0.3]]), braking)
    loss.backward()
    assert loss.item() == pytest.approx(0.16)
    assert action.grad is not None and not action.grad[1].any()


def test_without_any_teacher_the_loss_is_zero_and_flat() -> None:
    action = torch.zeros(4, 2, requires_grad=True)
    loss = imitation_loss(action, torch.full((4, 2), float("nan")))
    loss.backward()
    assert loss.item() == 0.0 and action.grad is not None and not action.grad.any()


def test_the_weight_falls_linearly_and_stays() -> None:
    rule = LearningSettings(teacher="idm", teacher_weight=2.0, teacher_weight_end=0.5, teacher_decay=100)
    weights = [imitation_weight(rule, updates) for updates in (0, 50, 100, 10_000)]
    assert weights == pytest.approx([2.0, 1.25, 0.5, 0.5])
    assert imitation_weight(replace(rule, teacher="none"), 0) == 0.0


@pytest.mark.parametrize("algorithm", ["td3", "ddpg", "sac"])
def test_without_a_teacher_nothing_of_it_is_learned(small: Make, algorithm: str) -> None:
    """What a memory holds of a teacher changes no bit where none is asked for, and a teacher of weight 0 neither."""
    choices = {"none": {}, "weightless": {"learning__teacher": "idm", "learning__teacher_weight": 0.0}}
    weights = []
    for changes in choices.values():
        for shown in (np.nan, 0.7):
            agent = make_agent(small(learning__algorithm=algorithm, learning__policy_delay=1, **changes), STATE_DIM, 0)
            for _ in range(3):
                report = agent.update(batch(shown))
            weights.append(torch.cat([parameter.detach().flatten() for parameter in agent.actor.parameters()]))
            assert ("debug/imitation_loss" in report) == bool(changes)
    assert all(torch.equal(weights[0], other) for other in weights[1:])


@pytest.mark.parametrize("critic", ["privileged", "camera"])
def test_a_heavy_teacher_is_followed(small: Make, critic: str) -> None:
    settings = small(
        network__critic=critic, learning__teacher="idm", learning__teacher_weight=1000.0,
        learning__teacher_decay=10**6, learning__policy_delay=1, learning__actor_mlp_lr=1e-2,
    )  # fmt: skip
    agent = make_agent(settings, STATE_DIM, 0)
    losses = [float(agent.update(batch((0.5, -0.25)))["debug/imitation_loss"]) for _ in range(60)]
    assert losses[0] == pytest.approx(0.5**2 + 0.25**2, abs=0.05)
    assert losses[-1] < 0.01
    inputs = agent.to_device(batch(np.nan))
    action = agent.actor(inputs.now.frames, inputs.now.states).mean(dim=0)
    assert action.tolist() == pytest.approx([0.5, -0.25], abs=0.1)


def test_the_imitation_is_in_proportion_to_the_q(small: Make) -> None:
    """Q is -3 everywhere and flat; then the gradient of the actor is that of weight * 3 * distance."""
    settings = small(learning__teacher="idm", learning__teacher_weight=0.5, learning__policy_delay=1)
    agent = make_agent(settings, STATE_DIM, 0)
    for head in agent.critic.heads:
        head[-1].weight.data.zero_()
        head[-1].bias.data.fill_(-3.0)
    for group in agent.critic_optimizer.param_groups:
        group["lr"] = 0.0
    inputs = agent.to_device(batch((0.5, -0.25)))
    objective = agent.algorithm.actor_objective(inputs.now)
    assert objective.q.tolist() == pytest.approx([-3.0] * SIZE)
    parameters = list(agent.actor.parameters())
    weight = imitation_weight(settings.learning, 1)
    expected = torch.autograd.grad(weight * 3.0 * imitation_loss(objective.action, inputs.teacher), parameters)
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in expected))
    report = agent.update(batch((0.5, -0.25)))
    assert float(report["gradients/actor_norm_pre_clip"]) == pytest.approx(float(norm), rel=1e-4)
