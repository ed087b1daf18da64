# SPDX-License-Identifier: Apache-2.0
"""The actor as an ONNX model: ``uint8`` frames and a state vector in, the deterministic action out.

The graph is written operator by operator instead of traced, so equal weights give equal bytes and every operator in it
is a known one (:data:`td3_driving.deploy.bundle_model.OPERATORS`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from td3_driving import __version__
from td3_driving.deploy.bundle_model import IR_VERSION, OPSET
from td3_driving.deploy.contract import ACTION, FRAMES, STATE, Contract
from td3_driving.driving.action import ACTION_DIM
from td3_driving.export.onnx_layers import operator_of
from td3_driving.learning.networks import Actor


def model_bytes(actor: Actor, contract: Contract) -> bytes:
    """The ONNX file image of ``actor``.

    Raises:
        BundleError: a layer of its encoder has no ONNX operator.
    """
    graph = OnnxGraph()
    graph.policy(actor)
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


class OnnxGraph:
    """A :class:`~td3_driving.learning.encoders.GraphWriter`: operators in their order, and their weights."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def policy(self, actor: Actor) -> None:
        """Write frames and state to action; a Gaussian actor acts by its mean."""
        features = actor.encoder.to_onnx(self, FRAMES)
        value = self.layer(actor.trunk, self.add("Concat", features, STATE, axis=1))
        if actor.outputs != ACTION_DIM:
            limits = [self.constant(np.array([number], np.int64)) for number in (0, ACTION_DIM, 1)]
            value = self.add("Slice", value, *limits)
        self.add("Tanh", value)
        self.nodes[-1].output[0] = ACTION

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write one operator and return the name of its output."""
        made = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [made], **attributes))
        return made

    def to_float(self, value: str) -> str:
        """Write the conversion of uint8 to float32."""
        return self.add("Cast", value, to=TensorProto.FLOAT)

    def constant(self, values: NDArray[Any]) -> str:
        """Write a constant, float32 or int64."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name))
        return name

    def layer(self, layer: nn.Module, value: str) -> str:
        """Write a layer of torch.nn, or a Sequential of such layers.

        Raises:
            BundleError: no ONNX operator is known for it.
        """
        if isinstance(layer, nn.Sequential):
            for part in layer:
                value = self.layer(part, value)
            return value
        operator = operator_of(layer)
        tensors = [self.constant(tensor.detach().cpu().float().numpy()) for tensor in operator.tensors]
        return self.add(operator.name, value, *tensors, **operator.attributes)
