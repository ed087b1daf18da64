# SPDX-License-Identifier: Apache-2.0
"""The ONNX operator of each layer of torch.nn that a policy may consist of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from td3_driving.deploy.bundle_archive import BundleError


@dataclass(frozen=True)
class Operator:
    """An ONNX operator, its weights in their order, and its attributes."""

    name: str
    tensors: tuple[Tensor, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def operator_of(layer: nn.Module) -> Operator:
    """The operator that computes what ``layer`` does in a policy that does not train.

    Raises:
        BundleError: none is known for the layer, or not with its options.
    """
    make = _MAKERS.get(type(layer))
    operator = None if make is None else make(layer)
    if operator is None:
        raise BundleError(f"no ONNX operator is known for the layer {layer}; let the encoder override to_onnx")
    return operator


def _convolution(layer: nn.Conv2d) -> Operator | None:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return None
    attributes: dict[str, Any] = {"strides": list(layer.stride)}
    if any(layer.padding):
        attributes["pads"] = [*layer.padding, *layer.padding]
    if layer.dilation != (1, 1):
        attributes["dilations"] = list(layer.dilation)
    if layer.groups != 1:
        attributes["group"] = layer.groups
    return Operator("Conv", _weight_and_bias(layer), attributes)


def _linear(layer: nn.Linear) -> Operator:
    return Operator("Gemm", _weight_and_bias(layer), {"transB": 1})


def _weight_and_bias(layer: nn.Conv2d | nn.Linear) -> tuple[Tensor, ...]:
    return (layer.weight,) if layer.bias is None else (layer.weight, layer.bias)


def _layer_norm(layer: nn.LayerNorm) -> Operator | None:
    if not layer.elementwise_affine or layer.bias is None:
        return None
    attributes = {"axis": -len(layer.normalized_shape), "epsilon": layer.eps}
    return Operator("LayerNormalization", (layer.weight, layer.bias), attributes)


def _batch_norm(layer: nn.BatchNorm2d) -> Operator | None:
    if layer.training or not layer.affine or layer.running_mean is None or layer.running_var is None:
        return None
    tensors = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    return Operator("BatchNormalization", tensors, {"epsilon": layer.eps})


def _max_pool(layer: nn.MaxPool2d) -> Operator | None:
    if layer.ceil_mode or layer.return_indices or _pair(layer.dilation) != [1, 1]:
        return None
    sizes = {"kernel_shape": layer.kernel_size, "strides": layer.stride}
    return Operator(
        "MaxPool", (), {name: _pair(size) for name, size in sizes.items()} | {"pads": 2 * _pair(layer.padding)}
    )


def _mean(layer: nn.AdaptiveAvgPool2d) -> Operator | None:
    return Operator("GlobalAveragePool") if layer.output_size in (1, (1, 1)) else None


def _flatten(layer: nn.Flatten) -> Operator | None:
    return Operator("Flatten", (), {"axis": 1}) if (layer.start_dim, layer.end_dim) == (1, -1) else None


def _pair(size: int | tuple[int, ...]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


_MAKERS: Mapping[type[nn.Module], Callable[[Any], Operator | None]] = {
    nn.ReLU: lambda _: Operator("Relu"),
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.LayerNorm: _layer_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.MaxPool2d: _max_pool,
    nn.AdaptiveAvgPool2d: _mean,
    nn.Flatten: _flatten,
}
