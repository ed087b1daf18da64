# SPDX-License-Identifier: Apache-2.0
"""Actor and critic. The actor owns an encoder; a critic that sees the camera owns another one of the same kind.

States are ``(batch, state_dim)``, privileged vectors ``(batch, privileged_dim)`` and actions ``(batch, 2)``; all are
float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.privileged import privileged_dim
from td3_driving.learning.encoders import Encoder, fill, fill_layer, make_encoder
from td3_driving.settings import NetworkSettings, ObservationSettings, Settings


@dataclass(frozen=True, slots=True)
class Inputs:
    """What networks see of a batch, on the device.

    Attributes:
        frames: what :meth:`~td3_driving.learning.encoders.Encoder.prepare` made of them.
        states: ``(B, state_dim)``.
        privileged: ``(B, privileged_dim)``, for the critic alone.
    """

    frames: Tensor
    states: Tensor
    privileged: Tensor


def mlp(inputs: int, outputs: int, settings: NetworkSettings) -> nn.Sequential:
    """Hidden layers with ReLU (LayerNorm before it, if asked for) and a linear output."""
    layers: list[nn.Module] = []
    for _ in range(settings.hidden_layers):
        layers.append(nn.Linear(inputs, settings.hidden))
        if settings.layer_norm:
            layers.append(nn.LayerNorm(settings.hidden))
        layers.append(nn.ReLU())
        inputs = settings.hidden
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class Network(nn.Module):
    """An encoder, where it has one, and the layers on it. Each part has its own learning rate and gradient norm.

    Attributes:
        compiled: methods that do all the work of an update; see
            :func:`~td3_driving.learning.device.compile_networks`.
    """

    compiled: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, list[nn.Parameter]] = {}

    def part(self, name: str) -> list[nn.Parameter]:
        """Trained parameters of part ``cnn`` (the encoder) or ``mlp`` (everything else)."""
        if name not in ("cnn", "mlp"):
            raise ValueError(f"{name!r} is no part of a network; cnn and mlp are")
        if name not in self._parts:
            # Every update asks several times, and a walk through all modules costs as much as a small layer.
            trained = ((key, value) for key, value in self.named_parameters() if value.requires_grad)
            self._parts[name] = [value for key, value in trained if key.startswith("encoder.") == (name == "cnn")]
        return self._parts[name]

    def trained(self) -> list[nn.Parameter]:
        """All parameters that an optimizer moves."""
        return self.part("cnn") + self.part("mlp")

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that change in training, by name."""
        names = {name for name, value in self.named_parameters() if value.requires_grad}
        return {name: value for name, value in self.state_dict().items() if name in names}

    def frozen_state(self) -> dict[str, Tensor]:
        """Buffers and frozen weights, by name; empty for most encoders."""
        trained = self.trained_state()
        return {name: value for name, value in self.state_dict().items() if name not in trained}


class Actor(Network):
    """Deterministic policy: ``tanh`` of a linear layer with small initial weights.

    Attributes:
        outputs: width of the last layer; its first two elements are the action before ``tanh``.
    """

    outputs = ACTION_DIM
    compiled: tuple[str, ...] = ("forward_with_preactivation",)

    def __init__(self, observation: ObservationSettings, settings: NetworkSettings, state_dim: int) -> None:
        super().__init__()
        self.encoder = make_encoder(observation, settings)
        self.trunk = mlp(self.encoder.features + state_dim, self.outputs, settings)
        self.action_init = settings.action_init

    def forward(self, frames: Tensor, states: Tensor) -> Tensor:
        """The action ``(B, 2)`` in [-1, 1]."""
        return self.forward_with_preactivation(frames, states)[0]

    def forward_with_preactivation(self, frames: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """The action and what the ``tanh`` was applied to, each ``(B, 2)``."""
        preactivation = self.trunk_output(frames, states)[:, :ACTION_DIM].float()
        return torch.tanh(preactivation), preactivation

    def trunk_output(self, frames: Tensor, states: Tensor) -> Tensor:
        """What the last layer says, ``(B, outputs)``."""
        output: Tensor = self.trunk(torch.cat([self.encoder(frames), states], dim=1))
        return output


class Critic(Network):
    """Twin Q functions on the same features, which :class:`CameraCritic` and :class:`PrivilegedCritic` make.

    Attributes:
        sees_frames: whether the features depend on the frames.
    """

    heads: nn.ModuleList
    sees_frames = True
    compiled = ("forward", "features", "values", "first_value")

    def features(self, seen: Inputs) -> Tensor:
        """What the heads are given beside the action, ``(B, features)``."""
        raise NotImplementedError

    def forward(self, seen: Inputs, actions: Tensor) -> tuple[Tensor, Tensor]:
        """``Q1`` and ``Q2`` of each row, each ``(B,)``."""
        return self.values(self.features(seen), actions)

    def values(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """``Q1`` and ``Q2`` on ``features``, which must be this critic's own."""
        inputs = torch.cat([features, actions], dim=1)
        return self.heads[0](inputs).squeeze(1).float(), self.heads[1](inputs).squeeze(1).float()

    def first_value(self, features: Tensor, actions: Tensor) -> Tensor:
        """``Q1`` alone, ``(B,)``."""
        value: Tensor = self.heads[0](torch.cat([features, actions], dim=1)).squeeze(1).float()
        return value


class CameraCritic(Critic):
    """Sees frames through an encoder of its own, and the state."""

    def __init__(self, observation: ObservationSettings, settings: NetworkSettings, state_dim: int) -> None:
        super().__init__()
        self.encoder = make_encoder(observation, settings)
        inputs = self.encoder.features + state_dim + ACTION_DIM
        self.heads = nn.ModuleList([mlp(inputs, 1, settings) for _ in range(2)])

    def features(self, seen: Inputs) -> Tensor:
        return torch.cat([self.encoder(seen.frames), seen.states], dim=1)


class PrivilegedCritic(Critic):
    """Knows lane and traffic and sees no frame: it has no encoder (Pinto et al. 2018)."""

    sees_frames = False

    def __init__(self, settings: NetworkSettings, privileged_dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList([mlp(privileged_dim + ACTION_DIM, 1, settings) for _ in range(2)])

    def features(self, seen: Inputs) -> Tensor:
        return seen.privileged


def initialise(network: Network, generator: torch.Generator) -> None:
    """Draw the trained weights from ``generator`` (CPU); the last layer of an actor is uniform in ±``action_init``."""
    for part in network.children():
        if isinstance(part, Encoder):
            part.initialise(generator)
        else:
            fill(part, generator)
    if isinstance(network, Actor):
        fill_layer(network.trunk[-1], network.action_init, generator)


def make_critic(settings: Settings, state_dim: int) -> Critic:
    """A critic of the form that ``network.critic`` asks for, its weights not yet meaningful."""
    dimension = privileged_dim(settings)
    if dimension:
        return PrivilegedCritic(settings.network, dimension)
    return CameraCritic(settings.observation, settings.network, state_dim)
