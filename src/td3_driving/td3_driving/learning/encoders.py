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
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from td3_driving.driving.observation import stack_shape
from td3_driving.learning.patches import PIXEL_MAX, STRIDE, PatchConvolution, PictureMatrix, to_patches
from td3_driving.plugins import resolve
from td3_driving.settings import NetworkSettings, ObservationSettings, SettingsError

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
        self.first = PatchConvolution(stack_shape(observation)[0], self.channels)
        layers: list[nn.Module] = [nn.ReLU(inplace=True)]
        size = [observation.frame_height // STRIDE - 1, observation.frame_width // STRIDE - 1]
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
        self._matrices: list[PictureMatrix] = []
        self._acts = False

    def prepare(self, frames: Tensor) -> Tensor:
        """``(B, C, H, W)`` uint8 -> blocks of 4x4 pixels, ``(B, 16 C, H // 4, W // 4)`` float32 of 0 .. 255."""
        return to_patches(frames)

    def forward(self, prepared: Tensor) -> Tensor:
        if self._acts and torch.is_grad_enabled():
            # Who asks for gradients trains, and fused steps of optimizers leave no trace in the parameters.
            self._acts, self._matrices = False, []
        if self._acts and len(prepared) == 1:
            return self._forward_one(prepared)
        # Flattened rows, columns, channels: the order in which channels-last lies in memory, so nothing is copied.
        maps = self.convolutions(self.first(prepared)).permute(0, 2, 3, 1)
        return functional.relu(self.projection(maps.reshape(maps.shape[0], -1)))

    def before_acting(self) -> None:
        """Let :meth:`forward` answer single observations by :meth:`_forward_one`, until gradients are asked for.

        For networks that nobody trains. Writing that torch does not count, as by fused steps of optimizers on gradients
        from elsewhere or through ``parameter.data``, needs another call.
        """
        self._acts, self._matrices = True, []
        self._arranged()

    def _arranged(self) -> list[PictureMatrix]:
        """The convolutions as matrices of the weights as they are; arranged anew where torch counted a change."""
        if not self._matrices or any(matrix.stale for matrix in self._matrices):
            later = [layer for layer in self.convolutions if isinstance(layer, nn.Conv2d)]
            first = self.first
            # Tensors made in inference mode could not be used outside of it.
            with torch.inference_mode(False), torch.no_grad():
                self._matrices = [PictureMatrix.of(first, first.patch_weight(), 1)]
                self._matrices += [PictureMatrix.of(layer, layer.weight, layer.stride[0]) for layer in later]
        return self._matrices

    def _forward_one(self, prepared: Tensor) -> Tensor:
        """:meth:`forward` of one observation, each convolution as one matrix product.

        The sums have the order of the convolution kernels for channels-last. What those do besides takes longer than
        the products of so small a batch.
        """
        maps = prepared[0].permute(1, 2, 0)
        for matrix in self._arranged():
            maps = matrix.convolve(maps).relu_()
        return functional.relu(self.projection(maps.reshape(1, -1)))

    def to_onnx(self, graph: GraphWriter, frames: str) -> str:
        """Pixels are scaled to [0, 1] by the weights of the first convolution."""
        channels, stack = self.first.weight.shape[:2]
        first = nn.Conv2d(stack, channels, 2 * STRIDE, STRIDE)
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


CLASSES: dict[str, type[Encoder]] = {"nature": NatureEncoder, "small": SmallEncoder}
"""Class of each name in :data:`td3_driving.settings.ENCODERS`."""
