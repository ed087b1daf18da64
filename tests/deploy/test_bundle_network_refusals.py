# SPDX-License-Identifier: Apache-2.0
"""What the network of a bundle must not be: each case refused with one sentence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from td3_driving.deploy.bundle import (
    MODEL,
)

from .tampered import members, refusal, resealed


def changed_model(change: Callable[[onnx.ModelProto], object]) -> str:
    model = onnx.load_model_from_string(members()[MODEL])
    change(model)
    return refusal(resealed({MODEL: model.SerializeToString()}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weight_that_is_not_finite_is_refused(value: float) -> None:
    def change(model: onnx.ModelProto) -> None:
        weight = numpy_helper.to_array(model.graph.initializer[2]).copy()
        weight.flat[1] = value
        model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weight, model.graph.initializer[2].name))

    assert "weight 'w2' is not finite" in changed_model(change)


def test_finite_but_other_weights_do_not_reproduce_the_golden_actions() -> None:
    def change(model: onnx.ModelProto) -> None:
        last = model.graph.initializer[-1]
        last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) + np.float32(0.01), last.name))

    assert "golden observation" in changed_model(change)


def test_weights_in_another_file_are_refused() -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")

    assert "weight 'w0' lies in another file" in changed_model(change)


@pytest.mark.parametrize("operator", ["If", "Loop", "Identity", "RandomNormal"])
def test_operators_that_no_policy_needs_are_refused(operator: str) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].op_type = operator

    assert f"operator '{operator}'" in changed_model(change)


def graph_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "g", [], [])))


def half_weight(model: onnx.ModelProto) -> None:
    half = numpy_helper.from_array(np.zeros(3, np.float16), "w0")
    model.graph.initializer[0].CopyFrom(half)


def short_weight(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: setattr(model.graph.node[1], "domain", "com.custom"), "operator 'Conv'"),
        (lambda model: model.opset_import.append(helper.make_opsetid("com.custom", 1)), "operator sets"),
        (lambda model: setattr(model.opset_import[0], "version", 28), "operator sets"),
        (lambda model: model.functions.add(name="f"), "functions"),
        (lambda model: model.graph.node.extend([model.graph.node[0]] * 300), "operators, 1 .. 200"),
        (lambda model: model.graph.ClearField("node"), "0 operators"),
        (graph_attribute, "a tensor or a graph in 'body'"),
        (half_weight, "float16"),
        (short_weight, "cannot be read"),
        (lambda model: setattr(model.graph.input[0], "name", "x"), "contract mismatch: the model's inputs"),
        (lambda model: model.graph.output.add(name="y"), "contract mismatch: the model's outputs"),
    ],
)
def test_any_other_model_is_refused(change: Callable[[onnx.ModelProto], object], reason: str) -> None:
    assert reason in changed_model(change)


def test_disconnected_graph_is_refused_by_onnxruntime() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[2].input[0] = "nowhere"

    assert "onnxruntime refuses the model" in changed_model(change)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_random_bytes_are_no_model(data: bytes) -> None:
    refusal(resealed({MODEL: data}))
