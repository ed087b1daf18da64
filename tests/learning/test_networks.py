from __future__ import annotations

import math
from typing import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch.nn import functional

from td3_driving.driving.privileged import privileged_dim
from td3_driving.learning.networks import (
    Actor,
    CameraCritic,
    Encoder,
    GaussianActor,
    Inputs,
    PatchConvolution,
    PrivilegedCritic,
    initialise,
    make_critic,
    to_patches,
)
from td3_driving.learning.td3 import TD3
from td3_driving.settings import NetworkSettings, ObservationSettings, Settings, SettingsError

Make = Callable[..., Settings]
STATE_DIM = 3


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.integers(8, 50), st.integers(8, 50), st.integers(1, 4), st.booleans())
def test_the_first_layer_is_the_published_convolution(height: int, width: int, stack: int, sliced: bool) -> None:
    """8x8, stride 4, on pixels scaled to [0, 1]; also on the strided views that the replay memory hands out."""
    generator = torch.Generator().manual_seed(height * 100 + width)
    layer = PatchConvolution(stack, 5)
    for parameter in layer.parameters():
        parameter.data.uniform_(-1, 1, generator=generator)
    frames = torch.randint(0, 256, (2, stack + 1, height, width), dtype=torch.uint8, generator=generator)
    frames = frames[:, 1:] if sliced else frames[:, 1:].contiguous()
    expected = functional.conv2d(frames.float() / 255, layer.weight, layer.bias, stride=4)
    torch.testing.assert_close(layer(to_patches(frames)), expected, rtol=1e-4, atol=1e-4)
    layer.freeze()
    torch.testing.assert_close(layer(to_patches(frames)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "side", "maps"), [("nature", 84, 3136), ("nature", 36, 64), ("small", 42, 288)])
def test_encoder_sizes(kind: str, side: int, maps: int) -> None:
    """NatureCNN on 84x84 has 64 maps of 7x7."""
    observation = ObservationSettings(frame_height=side, frame_width=side)
    encoder = Encoder(observation, NetworkSettings(encoder=kind, features=20))
    assert encoder.projection.in_features == maps
    frames = torch.zeros(2, 4, side, side, dtype=torch.uint8)
    assert encoder(to_patches(frames)).shape == (2, 20)


def test_initial_actions_are_near_zero_and_bounded(small: Make) -> None:
    settings = small(network__action_init=3e-3)
    actor = Actor(settings.observation, settings.network, STATE_DIM)
    initialise(actor, torch.Generator().manual_seed(0))
    assert actor.trunk[-1].weight.abs().max() <= 3e-3
    frames = torch.randint(0, 256, (4, 3, 36, 36), dtype=torch.uint8)
    assert actor(to_patches(frames), torch.ones(4, STATE_DIM)).abs().max() < 0.05


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
    patches = to_patches(torch.zeros(6, 3, 36, 36, dtype=torch.uint8))
    states = torch.randn(6, STATE_DIM, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
    action, log_density, mean = actor.sample(patches, states, noise)
    raw = torch.atanh(action)
    std = (raw - mean) / noise
    normal = -0.5 * noise**2 - std.log() - 0.5 * math.log(2 * math.pi)
    expected = (normal - torch.log(1 - action**2)).sum(dim=1)
    torch.testing.assert_close(log_density, expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(actor(patches, states), torch.tanh(mean))


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
    agent = TD3(small(), STATE_DIM, 0)
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (5, 3, 36, 36), dtype=torch.uint8, generator=generator)
    told = torch.rand(5, privileged_dim(small()), generator=generator)
    now = Inputs(to_patches(frames), torch.rand(5, STATE_DIM, generator=generator), told)
    objective = agent.actor_objective(now)
    gradient = torch.autograd.grad(objective.q.sum(), objective.action, retain_graph=True)[0]
    through = torch.autograd.grad(objective.action, list(agent.actor.parameters()), gradient, retain_graph=True)
    whole = torch.autograd.grad(objective.q.sum(), list(agent.actor.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(through, whole, strict=True))
    assert any(part.abs().sum() > 0 for part in whole)
    other = agent.actor_objective(Inputs(now.patches, now.states, torch.zeros_like(told)))
    assert torch.equal(other.action, objective.action)


def test_wide_and_coloured_stacks_fit_and_frames_that_are_too_small_are_refused() -> None:
    observation = ObservationSettings(frame_height=32, frame_width=96, colour="colour", stack=2)
    encoder = Encoder(observation, NetworkSettings(encoder="small", features=20))
    assert encoder.first.weight.shape == (16, 6, 8, 8)
    assert encoder(to_patches(torch.zeros(2, 6, 32, 96, dtype=torch.uint8))).shape == (2, 20)
    with pytest.raises(SettingsError, match="frames of 96x32 are too small for the encoder 'nature'"):
        Encoder(observation, NetworkSettings(encoder="nature"))
