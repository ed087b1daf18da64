# SPDX-License-Identifier: Apache-2.0
"""Checks an ONNX model before it may run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.contract import ACTION, FRAMES, STATE, Contract
from td3_driving.driving.action import ACTION_DIM

OPERATORS = frozenset(
    (
        *("Cast", "Conv", "Relu", "Transpose", "Flatten", "Gemm", "Concat", "LayerNormalization", "Slice", "Tanh"),
        *("Add", "Mul", "Div", "BatchNormalization", "MaxPool", "GlobalAveragePool"),
    )
)
"""The operators that a policy may use; each is in the standard operator set and depends on its inputs alone."""
OPSET, IR_VERSION = 17, 9
"""Operator set and file format that the export writes; both are older than the oldest onnxruntime that is supported."""
MOST_NODES = 200


def check_model(data: bytes, contract: Contract) -> None:
    """Refuse a model that is not a plain feed-forward policy of this contract.

    Raises:
        BundleError: one sentence on what is wrong.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        raise BundleError(f"the model is no ONNX file: {error}") from error
    _check_kind(model)
    graph = model.graph
    for tensor in graph.initializer:
        _check_weight(tensor)
    for node in graph.node:
        _check_node(node)
    frames, state = (1, *contract.frames_shape), (1, contract.state_size)
    wanted = {FRAMES: (onnx.TensorProto.UINT8, frames), STATE: (onnx.TensorProto.FLOAT, state)}
    _check_ports("input", graph.input, wanted)
    _check_ports("output", graph.output, {ACTION: (onnx.TensorProto.FLOAT, (1, ACTION_DIM))})


def _check_kind(model: Any) -> None:
    opsets = [(item.domain, item.version) for item in model.opset_import]
    if opsets != [("", OPSET)]:
        raise BundleError(f"the model uses the operator sets {opsets}, only version {OPSET} of the standard one may be")
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise BundleError("the model holds functions, training information or sparse weights")
    if not 0 < len(model.graph.node) <= MOST_NODES:
        raise BundleError(f"the model has {len(model.graph.node)} operators, 1 .. {MOST_NODES} may be")


def _check_node(node: Any) -> None:
    if node.domain or node.op_type not in OPERATORS:
        raise BundleError(f"the model uses the operator {node.op_type!r}, which no policy needs")
    for attribute in node.attribute:
        if attribute.type not in _PLAIN:
            raise BundleError(f"operator {node.op_type} carries a tensor or a graph in {attribute.name!r}")


_PLAIN = frozenset({onnx.AttributeProto.INT, onnx.AttributeProto.INTS, onnx.AttributeProto.FLOAT})


def _check_weight(tensor: Any) -> None:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise BundleError(f"weight {tensor.name!r} lies in another file")
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"weight {tensor.name!r} cannot be read: {error}") from error
    if values.dtype not in (np.float32, np.int64):
        raise BundleError(f"weight {tensor.name!r} is {values.dtype}, float32 is needed")
    if not np.isfinite(values).all():
        raise BundleError(f"weight {tensor.name!r} is not finite")


def _check_ports(kind: str, ports: Iterable[Any], wanted: Mapping[str, tuple[int, tuple[int, ...]]]) -> None:
    found = {
        port.name: (
            port.type.tensor_type.elem_type,
            tuple(axis.dim_value for axis in port.type.tensor_type.shape.dim),
        )
        for port in ports
    }
    if found != wanted:
        raise BundleError(f"contract mismatch: the model's {kind}s are {found}, the contract asks for {wanted}")
