"""The actor as an ONNX model: ``uint8`` frames and a state vector in, the deterministic action out.

The graph is written operator by operator instead of traced, so equal weights give equal bytes and every operator in it
is a known one (:data:`td3_driving.deploy.bundle_model.OPERATORS`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from td3_driving import __version__
from td3_driving.deploy.bundle_model import IR_VERSION, OPSET
from td3_driving.deploy.contract import ACTION, FRAMES, STATE, Contract
from td3_driving.driving.action import ACTION_DIM
from td3_driving.learning.networks import PIXEL_MAX, STRIDE, Actor


def model_bytes(actor: Actor, contract: Contract) -> bytes:
    """The ONNX file image of ``actor``."""
    graph = _Graph()
    graph.encoder(actor)
    graph.trunk(actor)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "policy",
            [
                helper.make_tensor_value_info(FRAMES, TensorProto.UINT8, (1, *contract.frames_shape)),
                helper.make_tensor_value_info(STATE, TensorProto.FLOAT, (1, contract.state_size)),
            ],
            [helper.make_tensor_value_info(ACTION, TensorProto.FLOAT, (1, ACTION_DIM))],
            graph.weights,
        ),
        producer_name="td3_driving",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


class _Graph:
    """Operators in their order; each one reads the value that the last one made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._value = FRAMES

    def encoder(self, actor: Actor) -> None:
        """Frames to features; pixels are scaled to [0, 1] by the weights of the first convolution."""
        first = actor.encoder.first
        self._add("Cast", to=TensorProto.FLOAT)
        self._convolution(first.weight / PIXEL_MAX, first.bias, STRIDE)
        for layer in actor.encoder.convolutions:
            self._layer(layer)
        self._add("Transpose", perm=[0, 2, 3, 1])
        self._add("Flatten", axis=1)
        self._layer(actor.encoder.projection)
        self._add("Relu")

    def trunk(self, actor: Actor) -> None:
        """Features and state to the action; a Gaussian actor acts by its mean."""
        self._add("Concat", STATE, axis=1)
        for layer in actor.trunk:
            self._layer(layer)
        if actor.outputs != ACTION_DIM:
            limits = [self._constant(np.array([number], np.int64)) for number in (0, ACTION_DIM, 1)]
            self._add("Slice", *limits)
        self._add("Tanh")
        self.nodes[-1].output[0] = ACTION

    def _layer(self, layer: nn.Module) -> None:
        if isinstance(layer, nn.ReLU):
            self._add("Relu")
        elif isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            self._convolution(layer.weight, layer.bias, layer.stride[0])
        elif isinstance(layer, nn.Linear):
            self._add("Gemm", self._weight(layer.weight), self._weight(layer.bias), transB=1)
        elif isinstance(layer, nn.LayerNorm):
            self._add(
                "LayerNormalization",
                self._weight(layer.weight),
                self._weight(layer.bias),
                axis=-1,
                epsilon=layer.eps,
            )
        else:
            raise TypeError(f"no ONNX operator is known for {type(layer).__name__}")

    def _convolution(self, weight: Tensor, bias: Tensor, stride: int) -> None:
        self._add("Conv", self._weight(weight), self._weight(bias), strides=[stride, stride])

    def _weight(self, tensor: Tensor) -> str:
        return self._constant(tensor.detach().cpu().float().numpy())

    def _constant(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        made = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self._value, *inputs], [made], **attributes))
        self._value = made
