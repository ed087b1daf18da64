# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node against the settings: read, described, guarded."""

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here; run: make build")

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.settings import Settings, SettingsError


@pytest.fixture
def context(domain_id: int):  # type: ignore[no-untyped-def]
    made = Context()
    rclpy.init(args=[], context=made, domain_id=domain_id)
    yield made
    made.try_shutdown()


def node(context: Context, values: dict[str, object]) -> Node:
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return Node(
        "node", context=context, parameter_overrides=overrides, automatically_declare_parameters_from_overrides=True
    )


def test_values_are_taken_and_the_rest_is_default(context: Context) -> None:
    settings, own = load_settings(node(context, {"learning.gamma": 0.95, "run_dir": "x"}), {"run_dir": "", "other": 3})
    assert settings.learning.gamma == 0.95
    assert settings.learning.tau == Settings().learning.tau
    assert own == {"run_dir": "x", "other": 3}


def test_every_setting_is_a_described_read_only_parameter(context: Context) -> None:
    made = node(context, {})
    load_settings(made)
    for name in Settings().flat():
        descriptor = made.describe_parameter(name)
        assert descriptor.read_only and descriptor.description, name
    result = made.set_parameters([Parameter("learning.gamma", value=0.5)])[0]
    assert not result.successful
    gamma = made.describe_parameter("learning.gamma").floating_point_range[0]
    assert (gamma.from_value, gamma.to_value) == (0.0, 0.9999)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning.gama": 0.9}, ("learning.gama", "did you mean", "learning.gamma")),
        ({"learning.gamma": 1.5}, ("gamma", "1.5", "0.9999")),
        ({"learning.gamma": "high"}, ("gamma", "'high'", "float")),
        ({"learning.batch_size": 2.5}, ("batch_size", "2.5", "int")),
        ({"learning.algorithm": "ppo"}, ("algorithm", "'ppo'", "td3")),
        ({"pacing.lead": 5}, ("lead", "5", "strict")),
        ({"run_dir": 7}, ("run_dir", "7", "str")),
        ({"tua": 0.1}, ("tua",)),
    ],
)
def test_bad_parameters_are_named_with_value_and_range(
    context: Context, values: dict[str, object], words: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(node(context, values), {"run_dir": ""})
    assert all(word in str(error.value) for word in words), str(error.value)
