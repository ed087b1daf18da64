# SPDX-License-Identifier: Apache-2.0
"""Encoders turn the stacked frames of an observation into features.

``network.encoder`` names one of :data:`td3_driving.settings.ENCODERS`, or the import path of a class of your own.
Frames are ``(batch, channels, height, width)`` uint8, the planes of the oldest frame first.

An encoder may hold weights that no optimizer moves, as a pretrained one does. Its constructor sets ``requires_grad``
of these parameters to False and gives them the same values at every call. Buffers count as frozen too. Frozen weights
travel to the policy once, and a checkpoint keeps them once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.driving.observation import stack_shape
from td3_driving.plugins import resolve
from td3_driving.settings import NetworkSettings, ObservationSettings, SettingsError

PIXEL_MAX = 255.0
NEEDS = ("prepare", "forward", "initialise", "before_acting", "to_onnx", "unused")
"""What an encoder from outside the package must have; :class:`Encoder` has all of it."""


class GraphWriter(Protocol):
    """Writes an encoder down as ONNX operators; a value is known by its name."""

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write one operator and return the name of its output."""
        ...

    def to_float(self, value: str) -> str:
        """Write the conversion of uint8 to float32."""
        ...

    def constant(self, values: NDArray[Any]) -> str:
        """Write a constant, float32 or int64."""
        ...

    def layer(self, layer: nn.Module, value: str) -> str:
        """Write a layer of torch.nn, or a Sequential of such layers.

        Raises:
            ValueError: no ONNX operator is known for it.
        """
        ...


class Encoder(nn.Module):
    """Base of every encoder.

    A subclass is made with ``(observation, network)``, the two groups of settings. It sets ``layers``, and ``frozen``
    if it has frozen layers: one after the other they turn frames scaled to [0, 1], ``(B, channels, height, width)``,
    into features ``(B, features)``. One that needs more overrides :meth:`prepare`, :meth:`forward`, :meth:`to_onnx`.

    Attributes:
        features: width of the output.
        frozen: layers without trained weights, in ``eval`` mode; they run once per batch for all networks.
        layers: the layers after them.
        unused: settings of the group ``network`` that the encoder does not read.
    """

    unused: frozenset[str] = frozenset()

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.frozen = nn.Sequential()
        self.layers = nn.Sequential()

    def prepare(self, frames: Tensor) -> Tensor:
        """Do what takes no trained weight: ``(B, channels, height, width)`` uint8 -> what :meth:`forward` reads.

        It runs once per batch; actor, critic and their targets share the result.
        """
        prepared: Tensor = self.frozen(frames.to(torch.float32) / PIXEL_MAX)
        return prepared

    def forward(self, prepared: Tensor) -> Tensor:
        """Features ``(B, features)`` of what :meth:`prepare` returned."""
        features: Tensor = self.layers(prepared)
        return features

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the first values of the trained weights. A pretrained encoder that is tuned overrides this."""
        fill(self, generator)

    def before_acting(self) -> None:
        """Called after weights were loaded into a policy that will not train."""

    def to_onnx(self, graph: GraphWriter, frames: str) -> str:
        """Write :meth:`prepare` and :meth:`forward` as ONNX operators.

        Args:
            frames: name of the uint8 input ``(1, channels, height, width)``.

        Returns:
            The name of the features ``(1, features)``.
        """
        scaled = graph.add("Div", graph.to_float(frames), graph.constant(np.array(PIXEL_MAX, np.float32)))
        return graph.layer(self.layers, graph.layer(self.frozen, scaled))


def make_encoder(observation: ObservationSettings, network: NetworkSettings) -> Encoder:
    """The encoder that ``network.encoder`` names, its weights not yet meaningful.

    Raises:
        SettingsError: there is none of that name, or the frames are too small for it.
    """
    encoder: Encoder = resolve(network.encoder, CLASSES, NEEDS, "network.encoder")(observation, network)
    return encoder


def fill(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the trained weights and biases from ``generator`` (CPU): uniform in ±1/sqrt(fan in).

    Layers whose parameters all have one dimension, such as LayerNorm, stay as they are.
    """
    for layer in network.modules():
        wide = [weight for weight in layer.parameters(recurse=False) if weight.dim() > 1]
        if wide:
            fill_layer(layer, 1.0 / math.sqrt(wide[0][0].numel()), generator)


@torch.no_grad()
def fill_layer(layer: nn.Module, bound: float, generator: torch.Generator) -> None:
    """Draw the trained parameters of one layer from ``generator``: uniform in ±``bound``."""
    for parameter in layer.parameters(recurse=False):
        if parameter.requires_grad:
            parameter.uniform_(-bound, bound, generator=generator)


_STRIDE = 4  # of the first convolution, whose kernel is twice as wide


class _PatchEncoder(Encoder):
    """Convolutions and one linear layer with ReLU, arranged for the CPU.

    An 8x8 convolution of stride 4 on frames is a 2x2 convolution of stride 1 on blocks of 4x4 pixels, with many
    channels instead of few: the same products, in an order that the convolution kernels of a CPU are fast at.
    """

    channels: int
    """Output channels of the first convolution."""
    convolutions_after: tuple[tuple[int, int, int], ...]
    """(channels, kernel, stride) of the others."""

    def __init__(self, observation: ObservationSettings, network: NetworkSettings) -> None:
        super().__init__(network.features)
        self.first = _PatchConvolution(stack_shape(observation)[0], self.channels)
        layers: list[nn.Module] = [nn.ReLU(inplace=True)]
        size = [observation.frame_height // _STRIDE - 1, observation.frame_width // _STRIDE - 1]
        channels = self.channels
        for out, kernel, stride in self.convolutions_after:
            layers += [nn.Conv2d(channels, out, kernel, stride), nn.ReLU(inplace=True)]
            size = [(length - kernel) // stride + 1 for length in size]
            channels = out
        if min(size) < 1:
            raise SettingsError(
                f"frames of {observation.frame_width}x{observation.frame_height} are too small for the encoder"
                f" {network.encoder!r}"
            )
        self.convolutions = nn.Sequential(*layers)
        self.projection = nn.Linear(channels * size[0] * size[1], network.features)
        self._matrices: list[_Matrix] = []

    def prepare(self, frames: Tensor) -> Tensor:
        """``(B, C, H, W)`` uint8 -> blocks of 4x4 pixels, ``(B, 16 C, H // 4, W // 4)`` float32 of 0 .. 255."""
        return _to_patches(frames)

    def forward(self, prepared: Tensor) -> Tensor:
        if self._matrices and len(prepared) == 1:
            return self._forward_one(prepared)
        # Flattened rows, columns, channels: the order in which channels-last lies in memory, so nothing is copied.
        maps = self.convolutions(self.first(prepared)).permute(0, 2, 3, 1)
        return functional.relu(self.projection(maps.reshape(maps.shape[0], -1)))

    def before_acting(self) -> None:
        """Arrange the weights for :meth:`_forward_one`."""
        later = [layer for layer in self.convolutions if isinstance(layer, nn.Conv2d)]
        self._matrices = [_Matrix.of(self.first.patch_weight(), self.first.bias, 1)]
        self._matrices += [_Matrix.of(layer.weight, layer.bias, layer.stride[0]) for layer in later]

    def _forward_one(self, prepared: Tensor) -> Tensor:
        """:meth:`forward` of one observation, each convolution as one matrix product.

        The sums have the order of the convolution kernels for channels-last. What those do besides takes longer than
        the products of so small a batch.
        """
        maps = prepared[0].permute(1, 2, 0)
        for matrix in self._matrices:
            maps = matrix.convolve(maps).relu_()
        return functional.relu(self.projection(maps.reshape(1, -1)))

    def to_onnx(self, graph: GraphWriter, frames: str) -> str:
        """Pixels are scaled to [0, 1] by the weights of the first convolution."""
        channels, stack = self.first.weight.shape[:2]
        first = nn.Conv2d(stack, channels, 2 * _STRIDE, _STRIDE)
        first.weight, first.bias = nn.Parameter(self.first.weight / PIXEL_MAX), self.first.bias
        value = graph.layer(first, graph.to_float(frames))
        value = graph.add("Transpose", graph.layer(self.convolutions, value), perm=[0, 2, 3, 1])
        value = graph.layer(self.projection, graph.add("Flatten", value, axis=1))
        return graph.layer(nn.ReLU(), value)


class NatureEncoder(_PatchEncoder):
    """NatureCNN (Mnih et al. 2015, Human-level control through deep reinforcement learning)."""

    channels = 32
    convolutions_after = ((64, 4, 2), (64, 3, 1))


class SmallEncoder(_PatchEncoder):
    """Two convolutions, for low frames (Mnih et al. 2013, Playing Atari with Deep Reinforcement Learning)."""

    channels = 16
    convolutions_after = ((32, 4, 2),)


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A convolution without padding as a matrix product over the windows of one picture.

    Attributes:
        weight: ``(out, kernel * kernel * channels)``; bias: ``(out,)``.
        kernel, stride: in pixels, along rows and columns alike.
    """

    weight: Tensor
    bias: Tensor
    kernel: int
    stride: int

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, stride: int) -> _Matrix:
        """Of the usual weight ``(out, channels, kernel, kernel)``."""
        assert bias is not None
        return cls(weight.detach().permute(0, 2, 3, 1).flatten(1).contiguous(), bias.detach(), weight.shape[-1], stride)

    def convolve(self, maps: Tensor) -> Tensor:
        """``(rows, columns, channels)``, which lie so in memory -> the same of the output."""
        rows, columns, channels = maps.shape
        down, across = ((length - self.kernel) // self.stride + 1 for length in (rows, columns))
        # A row of a window lies in one piece.
        size = (down, across, self.kernel, self.kernel * channels)
        row, pixel = columns * channels, channels
        windows = maps.as_strided(size, (self.stride * row, self.stride * pixel, row, 1))
        product = functional.linear(windows.reshape(down * across, -1), self.weight, self.bias)
        return product.view(down, across, -1)


class _PatchConvolution(nn.Module):
    """The first convolution (8x8, stride 4, no padding) and the scaling of pixels to [0, 1], on :func:`_to_patches`.

    The weight has the usual form ``(out, stack, 8, 8)``, as if it met frames scaled to [0, 1].
    """

    def __init__(self, stack: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, stack, 2 * _STRIDE, 2 * _STRIDE))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, 16 stack, rows, columns)`` of 0 .. 255 -> ``(B, channels, rows - 1, columns - 1)``."""
        return functional.conv2d(patches, self.patch_weight(), self.bias)

    def patch_weight(self) -> Tensor:
        """The weight for unscaled patches, ``(out, 16 stack, 2, 2)``."""
        channels, stack = self.weight.shape[:2]
        split = self.weight.view(channels, stack, 2, _STRIDE, 2, _STRIDE).permute(0, 1, 3, 5, 2, 4)
        return split.reshape(channels, stack * _STRIDE * _STRIDE, 2, 2) / PIXEL_MAX


def _to_patches(frames: Tensor) -> Tensor:
    """Blocks of 4x4 pixels, channels-last: ``(B, C, H, W)`` uint8 -> ``(B, 16 C, H // 4, W // 4)`` float32.

    Rows and columns beyond a multiple of 4 are left out; the convolution does not reach them either.
    """
    batch, stack, height, width = frames.shape
    rows, columns = height // _STRIDE, width // _STRIDE
    if width % _STRIDE:
        frames = frames[..., : columns * _STRIDE].contiguous()
    # Four neighbouring pixels move as one word, which makes the rearrangement cheap.
    words = frames[:, :, : rows * _STRIDE].view(torch.int32).reshape(batch, stack, rows, _STRIDE, columns)
    blocks = words.permute(0, 2, 4, 1, 3).contiguous().view(torch.uint8)
    return blocks.view(batch, rows, columns, stack * _STRIDE * _STRIDE).to(torch.float32).permute(0, 3, 1, 2)


CLASSES: dict[str, type[Encoder]] = {"nature": NatureEncoder, "small": SmallEncoder}
"""Class of each name in :data:`td3_driving.settings.ENCODERS`."""
