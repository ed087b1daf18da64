"""Actor and critic. The actor owns an encoder; a critic that looks through the camera owns another one.

Layout: frames are ``(batch, channels, height, width)`` uint8, the planes of the oldest frame first; states
``(batch, state_dim)``, privileged vectors ``(batch, privileged_dim)`` and actions ``(batch, 2)`` float32. Convolutions
run on *patches* (see :func:`to_patches`), made once per batch and shared by all networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.driving.observation import stack_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.settings import NetworkSettings, ObservationSettings, Settings, SettingsError

ACTION_DIM = 2
STRIDE = 4  # of the first convolution, whose kernel is twice as wide
PIXEL_MAX = 255.0
# Channels of the first convolution, then (channels, kernel, stride) of the following ones.
# nature: Mnih et al. 2015, Human-level control through deep reinforcement learning; small: Mnih et al. 2013.
CONVOLUTIONS = {"nature": (32, ((64, 4, 2), (64, 3, 1))), "small": (16, ((32, 4, 2),))}


def to_patches(frames: Tensor) -> Tensor:
    """Frames as blocks of 4x4 pixels: ``(B, C, H, W)`` uint8 -> ``(B, 16 C, H // 4, W // 4)`` channels-last.

    An 8x8 convolution of stride 4 on frames is a 2x2 convolution of stride 1 on these blocks, with many channels
    instead of few: the same products, in an order that the convolution kernels of a CPU are fast at. Rows and columns
    beyond a multiple of 4 are not reached by the convolution either. Values stay 0 .. 255; the type becomes float32.
    """
    batch, stack, height, width = frames.shape
    rows, columns = height // STRIDE, width // STRIDE
    if width % STRIDE:
        frames = frames[..., : columns * STRIDE].contiguous()
    # Four neighbouring pixels move as one word, which is what makes the rearrangement cheap.
    words = frames[:, :, : rows * STRIDE].view(torch.int32).reshape(batch, stack, rows, STRIDE, columns)
    blocks = words.permute(0, 2, 4, 1, 3).contiguous().view(torch.uint8)
    return blocks.view(batch, rows, columns, stack * STRIDE * STRIDE).to(torch.float32).permute(0, 3, 1, 2)


class PatchConvolution(nn.Module):
    """The first convolution (8x8, stride 4, no padding) and the scaling of pixels to [0, 1], on :func:`to_patches`.

    The weight is kept in the usual form ``(out, stack, 8, 8)``, as if it met frames scaled to [0, 1].
    """

    def __init__(self, stack: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, stack, 2 * STRIDE, 2 * STRIDE))
        self.bias = nn.Parameter(torch.empty(channels))
        self._frozen: Tensor | None = None

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, 16 stack, rows, columns)`` of 0 .. 255 -> ``(B, channels, rows - 1, columns - 1)``."""
        weight = self.patch_weight() if self._frozen is None else self._frozen
        return functional.conv2d(patches, weight, self.bias)

    def freeze(self) -> None:
        """Arrange the weight once, for many calls without training; to be repeated whenever the weight changes."""
        self._frozen = self.patch_weight().detach().contiguous(memory_format=torch.channels_last)

    def patch_weight(self) -> Tensor:
        """The weight for unscaled patches, ``(out, 16 stack, 2, 2)``."""
        channels, stack = self.weight.shape[:2]
        split = self.weight.view(channels, stack, 2, STRIDE, 2, STRIDE).permute(0, 1, 3, 5, 2, 4)
        return split.reshape(channels, stack * STRIDE * STRIDE, 2, 2) / PIXEL_MAX


@dataclass(frozen=True, slots=True)
class Inputs:
    """What networks see of a batch, on the device.

    Attributes:
        patches: ``(B, 16 C, rows, columns)`` from :func:`to_patches`.
        states: ``(B, state_dim)``.
        privileged: ``(B, privileged_dim)``, for the critic alone.
    """

    patches: Tensor
    states: Tensor
    privileged: Tensor


class Encoder(nn.Module):
    """Convolutions and one linear layer: patches -> ``(B, features)``, not negative."""

    def __init__(self, observation: ObservationSettings, settings: NetworkSettings) -> None:
        super().__init__()
        first, rest = CONVOLUTIONS[settings.encoder]
        self.first = PatchConvolution(stack_shape(observation)[0], first)
        layers: list[nn.Module] = [nn.ReLU(inplace=True)]
        size = [observation.frame_height // STRIDE - 1, observation.frame_width // STRIDE - 1]
        channels = first
        for out, kernel, stride in rest:
            layers += [nn.Conv2d(channels, out, kernel, stride), nn.ReLU(inplace=True)]
            size = [(length - kernel) // stride + 1 for length in size]
            channels = out
        if min(size) < 1:
            raise SettingsError(
                f"frames of {observation.frame_width}x{observation.frame_height} are too small for the encoder"
                f" {settings.encoder!r}"
            )
        self.convolutions = nn.Sequential(*layers)
        self.projection = nn.Linear(channels * size[0] * size[1], settings.features)

    def forward(self, patches: Tensor) -> Tensor:
        """``patches`` from :func:`to_patches` -> ``(B, features)``."""
        # Flattened rows, columns, channels: the order in which channels-last lies in memory, so nothing is copied.
        maps = self.convolutions(self.first(patches)).permute(0, 2, 3, 1)
        return functional.relu(self.projection(maps.reshape(maps.shape[0], -1)))


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
    """An encoder, where it has one, and what stands on it; each has a learning rate and a gradient norm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, list[nn.Parameter]] = {}

    def part(self, name: str) -> list[nn.Parameter]:
        """Parameters of part ``cnn`` (the encoder) or ``mlp`` (everything else)."""
        if name not in ("cnn", "mlp"):
            raise ValueError(f"{name!r} is no part of a network; cnn and mlp are")
        if name not in self._parts:
            # Every update asks several times, and a walk through all modules costs as much as a small layer.
            parameters = self.named_parameters()
            self._parts[name] = [value for key, value in parameters if key.startswith("encoder.") == (name == "cnn")]
        return self._parts[name]


class Actor(Network):
    """Deterministic policy: ``tanh`` of a linear layer with small initial weights."""

    encoder: Encoder
    outputs = ACTION_DIM

    def __init__(self, observation: ObservationSettings, settings: NetworkSettings, state_dim: int) -> None:
        super().__init__()
        self.encoder = Encoder(observation, settings)
        self.trunk = mlp(settings.features + state_dim, self.outputs, settings)
        self.action_init = settings.action_init

    def forward(self, patches: Tensor, states: Tensor) -> Tensor:
        """The action ``(B, 2)`` in [-1, 1]."""
        return self.forward_with_preactivation(patches, states)[0]

    def forward_with_preactivation(self, patches: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """The action and what the ``tanh`` was applied to, each ``(B, 2)``."""
        preactivation = self._trunk_output(patches, states)[:, :ACTION_DIM].float()
        return torch.tanh(preactivation), preactivation

    def _trunk_output(self, patches: Tensor, states: Tensor) -> Tensor:
        output: Tensor = self.trunk(torch.cat([self.encoder(patches), states], dim=1))
        return output


class GaussianActor(Actor):
    """Squashed Gaussian policy of SAC (Haarnoja et al. 2018); its deterministic action is that of the mean."""

    outputs = 2 * ACTION_DIM
    LOG_STD_RANGE = (-5.0, 2.0)

    def sample(self, patches: Tensor, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """An action ``(B, 2)``, its log density ``(B,)``, and the mean before ``tanh``.

        ``noise`` is ``(B, 2)``, standard normal.
        """
        mean, log_std = self._trunk_output(patches, states).float().chunk(2, dim=1)
        low, high = self.LOG_STD_RANGE
        log_std = low + 0.5 * (high - low) * (torch.tanh(log_std) + 1.0)
        raw = mean + log_std.exp() * noise
        gaussian = -0.5 * (noise.square() + math.log(2.0 * math.pi)) - log_std
        # log(1 - tanh(x)^2) in a form that does not underflow (paper, appendix C).
        squash = 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (gaussian - squash).sum(dim=1), mean


class Critic(Network):
    """Twin Q functions on the same features, which :class:`CameraCritic` and :class:`PrivilegedCritic` make."""

    heads: nn.ModuleList

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
        self.encoder = Encoder(observation, settings)
        inputs = settings.features + state_dim + ACTION_DIM
        self.heads = nn.ModuleList([mlp(inputs, 1, settings) for _ in range(2)])

    def features(self, seen: Inputs) -> Tensor:
        return torch.cat([self.encoder(seen.patches), seen.states], dim=1)


class PrivilegedCritic(Critic):
    """Knows lane and traffic and sees no frame: it has no encoder (Pinto et al. 2018)."""

    def __init__(self, settings: NetworkSettings, privileged_dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList([mlp(privileged_dim + ACTION_DIM, 1, settings) for _ in range(2)])

    def features(self, seen: Inputs) -> Tensor:
        return seen.privileged


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fill every weight from ``generator`` (CPU): uniform in ±1/sqrt(fan in), the last actor layer ±``action_init``."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, PatchConvolution)):
            _fill(module, 1.0 / math.sqrt(module.weight[0].numel()), generator)
    if isinstance(network, Actor):
        _fill(network.trunk[-1], network.action_init, generator)


def _fill(module: nn.Module, bound: float, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in module.parameters(recurse=False):
            parameter.uniform_(-bound, bound, generator=generator)


def make_actor(settings: Settings, state_dim: int) -> Actor:
    """An actor of the form that ``learning.algorithm`` needs, its weights not yet meaningful."""
    kind = GaussianActor if settings.learning.algorithm == "sac" else Actor
    return kind(settings.observation, settings.network, state_dim)


def make_critic(settings: Settings, state_dim: int) -> Critic:
    """A critic of the form that ``network.critic`` asks for, its weights not yet meaningful."""
    dimension = privileged_dim(settings)
    if dimension:
        return PrivilegedCritic(settings.network, dimension)
    return CameraCritic(settings.observation, settings.network, state_dim)
