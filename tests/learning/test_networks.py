# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Callable

import pytest
import torch

from td3_driving.driving.privileged import privileged_dim
from td3_driving.learning.agent import make_agent
from td3_driving.learning.algorithms.sac import GaussianActor
from td3_driving.learning.networks import Actor, CameraCritic, Inputs, PrivilegedCritic, initialise, make_critic
from td3_driving.settings import Settings

Make = Callable[..., Settings]
STATE_DIM = 3


def test_initial_actions_are_near_zero_and_bounded(small: Make) -> None:
    settings = small(network__action_init=3e-3)
    actor = Actor(settings.observation, settings.network, STATE_DIM)
    initialise(actor, torch.Generator().manual_seed(0))
    assert actor.trunk[-1].weight.abs().max() <= 3e-3
    frames = torch.randint(0, 256, (4, 3, 36, 36), dtype=torch.uint8)
    assert actor(actor.encoder.prepare(frames), torch.ones(4, STATE_DIM)).abs().max() < 0.05


def test_the_seed_alone_decides_the_weights(small: Make) -> None:
    settings = small()
    critics = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        critics.append(CameraCritic(settings.observation, settings.network, STATE_DIM))
        initialise(critics[-1], torch.Generator().manual_seed(5))
    first, second = (critic.state_dict() for critic in critics)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["heads.0.0.weight"], first["heads.1.0.weight"])


def test_parts_divide_the_network(small: Make) -> None:
    settings = small(network__layer_norm=True)
    critic = CameraCritic(settings.observation, settings.network, STATE_DIM)
    cnn, mlp = critic.part("cnn"), critic.part("mlp")
    assert {id(p) for p in cnn} == {id(p) for p in critic.encoder.parameters()}
    assert len(cnn) + len(mlp) == len(list(critic.parameters()))
    with pytest.raises(ValueError, match="no part"):
        critic.part("head")


def test_layer_norm_is_there_when_asked_for(small: Make) -> None:
    for wanted in (False, True):
        settings = small(network__layer_norm=wanted, network__hidden_layers=3)
        actor = Actor(settings.observation, settings.network, STATE_DIM)
        assert sum(isinstance(layer, torch.nn.LayerNorm) for layer in actor.trunk) == (3 if wanted else 0)


def test_log_density_of_the_squashed_gaussian(small: Make) -> None:
    """Against the change of variables written out: log N(u) - sum log(1 - tanh(u)^2)."""
    settings = small()
    actor = GaussianActor(settings.observation, settings.network, STATE_DIM)
    initialise(actor, torch.Generator().manual_seed(0))
    images = actor.encoder.prepare(torch.zeros(6, 3, 36, 36, dtype=torch.uint8))
    states = torch.randn(6, STATE_DIM, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
    action, log_density, mean = actor.sample(Inputs(images, states, torch.zeros(6, 0)), noise)
    raw = torch.atanh(action)
    std = (raw - mean) / noise
    normal = -0.5 * noise**2 - std.log() - 0.5 * math.log(2 * math.pi)
    expected = (normal - torch.log(1 - action**2)).sum(dim=1)
    torch.testing.assert_close(log_density, expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(actor(images, states), torch.tanh(mean))


def test_a_privileged_critic_sees_no_frame_and_has_no_encoder(small: Make) -> None:
    """Its value does not change with patches and states that are not even numbers."""
    settings = small()
    critic = make_critic(settings, STATE_DIM)
    initialise(critic, torch.Generator().manual_seed(0))
    assert isinstance(critic, PrivilegedCritic) and critic.part("cnn") == []
    assert not any("encoder" in name or "conv" in name for name in critic.state_dict())
    assert critic.heads[0][0].in_features == privileged_dim(settings) + 2
    told, actions = torch.rand(2, privileged_dim(settings)), torch.rand(2, 2)
    patches, states = torch.full((2, 48, 9, 9), torch.nan), torch.full((2, STATE_DIM), torch.nan)
    values = critic(Inputs(patches, states, told), actions)
    assert torch.equal(values[0], critic(Inputs(torch.zeros(2, 48, 9, 9), states, told), actions)[0])
    assert all(torch.isfinite(value).all() for value in values)


def test_the_actor_learns_through_its_action_alone_and_is_told_nothing(small: Make) -> None:
    agent = make_agent(small(), STATE_DIM, 0)
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (5, 3, 36, 36), dtype=torch.uint8, generator=generator)
    told = torch.rand(5, privileged_dim(small()), generator=generator)
    now = Inputs(agent.actor.encoder.prepare(frames), torch.rand(5, STATE_DIM, generator=generator), told)
    objective = agent.algorithm.actor_objective(now)
    gradient = torch.autograd.grad(objective.q.sum(), objective.action, retain_graph=True)[0]
    through = torch.autograd.grad(objective.action, list(agent.actor.parameters()), gradient, retain_graph=True)
    whole = torch.autograd.grad(objective.q.sum(), list(agent.actor.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(through, whole, strict=True))
    assert any(part.abs().sum() > 0 for part in whole)
    other = agent.algorithm.actor_objective(Inputs(now.frames, now.states, torch.zeros_like(told)))
    assert torch.equal(other.action, objective.action)
