# SPDX-License-Identifier: Apache-2.0
"""The encoders of the package: the published convolutions, their sizes, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch.nn import functional

from td3_driving.learning.encoders import Encoder, fill, make_encoder
from td3_driving.settings import ENCODERS, NetworkSettings, ObservationSettings, SettingsError


def encoder_of(kind: str, observation: ObservationSettings, features: int = 20) -> Encoder:
    encoder = make_encoder(observation, NetworkSettings(encoder=kind, features=features))
    encoder.initialise(torch.Generator().manual_seed(observation.frame_width))
    return encoder


def published(encoder: Encoder, frames: torch.Tensor) -> torch.Tensor:
    """8x8, stride 4, on pixels scaled to [0, 1]; then the other layers, flattened rows, columns, channels."""
    maps = functional.conv2d(frames.float() / 255, encoder.first.weight, encoder.first.bias, stride=4)
    maps = encoder.convolutions(maps).permute(0, 2, 3, 1)
    return torch.relu(encoder.projection(maps.flatten(1)))


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.sampled_from(ENCODERS), st.integers(36, 72), st.integers(36, 72), st.integers(1, 4), st.booleans())
def test_an_encoder_is_the_published_stack(kind: str, height: int, width: int, stack: int, sliced: bool) -> None:
    """Also on the strided views that the replay memory hands out, and of one observation when it acts."""
    encoder = encoder_of(kind, ObservationSettings(frame_height=height, frame_width=width, stack=stack))
    generator = torch.Generator().manual_seed(height * 100 + width)
    frames = torch.randint(0, 256, (2, stack + 1, height, width), dtype=torch.uint8, generator=generator)
    frames = frames[:, 1:] if sliced else frames[:, 1:].contiguous()
    expected = published(encoder, frames)
    torch.testing.assert_close(encoder(encoder.prepare(frames)), expected, rtol=1e-4, atol=1e-4)
    encoder.before_acting()
    torch.testing.assert_close(acting(encoder, frames), expected, rtol=1e-4, atol=1e-4)
    for one, features in zip(frames.split(1), expected.split(1)):
        torch.testing.assert_close(acting(encoder, one), features, rtol=1e-4, atol=1e-4)


def acting(encoder: Encoder, frames: torch.Tensor) -> torch.Tensor:
    """The features as a policy computes them."""
    with torch.inference_mode():
        return encoder(encoder.prepare(frames)).clone()


def load_a_state(encoder: Encoder, state: dict[str, torch.Tensor]) -> None:
    encoder.load_state_dict(state)


def assign_a_state(encoder: Encoder, state: dict[str, torch.Tensor]) -> None:
    encoder.load_state_dict(state, assign=True)


@torch.no_grad()
def copy_in_place(encoder: Encoder, state: dict[str, torch.Tensor]) -> None:
    for name, parameter in encoder.named_parameters():
        parameter.copy_(state[name])


def lay_others_below(encoder: Encoder, state: dict[str, torch.Tensor]) -> None:
    for name, parameter in encoder.named_parameters():
        parameter.data = state[name]


def write_past_autograd_and_say_so(encoder: Encoder, state: dict[str, torch.Tensor]) -> None:
    for name, parameter in encoder.named_parameters():
        parameter.data.copy_(state[name])
    encoder.before_acting()


LOADS = (load_a_state, assign_a_state, copy_in_place, lay_others_below, write_past_autograd_and_say_so)


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_policy_acts_by_the_weights_that_were_written_last(kind: str, load: Callable[..., None]) -> None:
    """Whichever layer's they are; what torch does not count is said by ``before_acting``."""
    observation = ObservationSettings(frame_height=36, frame_width=36, stack=1)
    encoder = encoder_of(kind, observation)
    frames = torch.randint(0, 256, (1, 1, 36, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    encoder.before_acting()
    acting(encoder, frames)
    for number, changed in enumerate(name for name, _ in encoder.named_parameters()):
        state = {name: value.clone() for name, value in encoder.state_dict().items()}
        state[changed] += 0.01 * (number + 1) * torch.ones_like(state[changed])
        before = acting(encoder, frames)
        load(encoder, state)
        after = acting(encoder, frames)
        assert not torch.equal(before, after), changed
        torch.testing.assert_close(after, published(encoder, frames), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", ENCODERS)
def test_who_is_trained_acts_by_what_was_learned(kind: str, fused: bool) -> None:
    """Also where somebody acts between the forward pass and the step, which torch does not count where it is fused."""
    encoder = encoder_of(kind, ObservationSettings(frame_height=36, frame_width=36, stack=1))
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01, fused=fused)
    frames = torch.randint(0, 256, (3, 1, 36, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for batch in (frames, frames[:1], frames[1:2]):
        encoder.before_acting()
        before = acting(encoder, frames[:1])
        loss = -encoder(encoder.prepare(batch)).sum()
        assert torch.allclose(acting(encoder, frames[:1]), before, rtol=1e-4, atol=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after = acting(encoder, frames[:1])
        assert not torch.allclose(before, after, rtol=0.01, atol=0.01)
        torch.testing.assert_close(after, published(encoder, frames[:1]), rtol=1e-4, atol=1e-4)


def test_a_copy_acts_by_its_own_weights() -> None:
    encoder = encoder_of("small", ObservationSettings(frame_height=36, frame_width=36, stack=1))
    frames = torch.full((1, 1, 36, 36), 7, dtype=torch.uint8)
    encoder.before_acting()
    acting(encoder, frames)
    copied = deepcopy(encoder)
    with torch.no_grad():
        copied.first.weight += 0.01
    torch.testing.assert_close(acting(copied, frames), published(copied, frames), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(acting(encoder, frames), published(encoder, frames), rtol=1e-4, atol=1e-4)


def test_a_single_observation_has_gradients_too() -> None:
    encoder = encoder_of("small", ObservationSettings(frame_height=36, frame_width=36, stack=1))
    encoder.before_acting()
    encoder(encoder.prepare(torch.full((1, 1, 36, 36), 200, dtype=torch.uint8))).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize(("kind", "side", "maps"), [("nature", 84, 3136), ("nature", 36, 64), ("small", 42, 288)])
def test_sizes(kind: str, side: int, maps: int) -> None:
    """NatureCNN on 84x84 has 64 maps of 7x7."""
    encoder = encoder_of(kind, ObservationSettings(frame_height=side, frame_width=side))
    assert encoder.projection.in_features == maps
    frames = torch.zeros(2, 4, side, side, dtype=torch.uint8)
    assert encoder(encoder.prepare(frames)).shape == (2, encoder.features) == (2, 20)


def test_wide_and_coloured_stacks_fit_and_frames_that_are_too_small_are_refused() -> None:
    observation = ObservationSettings(frame_height=32, frame_width=96, colour="colour", stack=2)
    encoder = encoder_of("small", observation)
    assert encoder.first.weight.shape == (16, 6, 8, 8)
    assert encoder(encoder.prepare(torch.zeros(2, 6, 32, 96, dtype=torch.uint8))).shape == (2, 20)
    with pytest.raises(SettingsError, match="frames of 96x32 are too small for the encoder 'nature'"):
        encoder_of("nature", observation)


def test_an_encoder_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(SettingsError, match=r"encoder: 'resnet' is not one of nature, small, nor an import path"):
        NetworkSettings(encoder="resnet")
    assert list(ENCODERS) == ["nature", "small"]
    with pytest.raises(SettingsError, match="lacks prepare, forward, initialise"):
        make_encoder(ObservationSettings(), NetworkSettings(encoder="td3_driving.settings:GROUPS"))


def test_what_is_filled_is_within_its_fan_in_and_what_is_frozen_stays() -> None:
    """A kernel of 3 channels of 2x2 has a fan-in of 12; normalisation starts as the identity."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 50, 2), torch.nn.BatchNorm2d(50), torch.nn.Linear(4, 5))
    kept = layers[2].weight.requires_grad_(False).clone()
    fill(layers, torch.Generator().manual_seed(0))
    assert 0.95 / 12**0.5 < float(layers[0].weight.detach().abs().max()) <= 1.0 / 12**0.5
    assert float(layers[0].bias.detach().abs().max()) <= 1.0 / 12**0.5
    assert torch.equal(layers[1].weight, torch.ones(50))
    assert torch.equal(layers[2].weight, kept)
