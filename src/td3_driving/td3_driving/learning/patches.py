# SPDX-License-Identifier: Apache-2.0
"""A first convolution that a CPU is fast at: frames as blocks of 4x4 pixels, and one picture as a matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PIXEL_MAX = 255.0
STRIDE = 4
"""Of the first convolution, whose kernel is twice as wide [px]."""


@dataclass(frozen=True, slots=True)
class PictureMatrix:
    """A convolution without padding as a matrix product over the windows of one picture.

    Attributes:
        layer: whose parameters these are a copy of; made_of: what :func:`_state_of` told of them.
        weight: ``(out, kernel * kernel * channels)``; bias: ``(out,)``.
        kernel, stride: in pixels, along rows and columns alike.
    """

    layer: PatchConvolution | nn.Conv2d
    made_of: tuple[tuple[int, int], ...]
    weight: Tensor
    bias: Tensor
    kernel: int
    stride: int

    @classmethod
    def of(cls, layer: PatchConvolution | nn.Conv2d, weight: Tensor, stride: int) -> PictureMatrix:
        """Of ``layer`` with the usual weight ``(out, channels, kernel, kernel)``."""
        assert layer.bias is not None
        matrix = weight.permute(0, 2, 3, 1).flatten(1).contiguous()
        return cls(layer, _state_of(layer), matrix, layer.bias.detach(), weight.shape[-1], stride)

    @property
    def stale(self) -> bool:
        """Whether the layer has other parameters than those that were copied, as far as :func:`_state_of` tells."""
        return _state_of(self.layer) != self.made_of

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


def _state_of(layer: nn.Module) -> tuple[tuple[int, int], ...]:
    """Where each parameter of ``layer`` lies, and how often it was written in place.

    torch counts neither fused steps of optimizers nor writing through ``parameter.data``.
    """
    return tuple(
        (parameter.data_ptr(), parameter._version) for parameter in layer._parameters.values() if parameter is not None
    )


class PatchConvolution(nn.Module):
    """The first convolution (8x8, stride 4, no padding) and the scaling of pixels to [0, 1], on :func:`to_patches`.

    The weight has the usual form ``(out, stack, 8, 8)``, as if it met frames scaled to [0, 1].
    """

    def __init__(self, stack: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, stack, 2 * STRIDE, 2 * STRIDE))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, 16 stack, rows, columns)`` of 0 .. 255 -> ``(B, channels, rows - 1, columns - 1)``."""
        return functional.conv2d(patches, self.patch_weight(), self.bias)

    def patch_weight(self) -> Tensor:
        """The weight for unscaled patches, ``(out, 16 stack, 2, 2)``."""
        channels, stack = self.weight.shape[:2]
        split = self.weight.view(channels, stack, 2, STRIDE, 2, STRIDE).permute(0, 1, 3, 5, 2, 4)
        return split.reshape(channels, stack * STRIDE * STRIDE, 2, 2) / PIXEL_MAX


def to_patches(frames: Tensor) -> Tensor:
    """Blocks of 4x4 pixels, channels-last: ``(B, C, H, W)`` uint8 -> ``(B, 16 C, H // 4, W // 4)`` float32.

    Rows and columns beyond a multiple of 4 are left out; the convolution does not reach them either.
    """
    batch, stack, height, width = frames.shape
    rows, columns = height // STRIDE, width // STRIDE
    if width % STRIDE:
        frames = frames[..., : columns * STRIDE].contiguous()
    # Four neighbouring pixels move as one word, which makes the rearrangement cheap.
    words = frames[:, :, : rows * STRIDE].view(torch.int32).reshape(batch, stack, rows, STRIDE, columns)
    blocks = words.permute(0, 2, 4, 1, 3).contiguous().view(torch.uint8)
    return blocks.view(batch, rows, columns, stack * STRIDE * STRIDE).to(torch.float32).permute(0, 3, 1, 2)
