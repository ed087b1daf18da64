# SPDX-License-Identifier: Apache-2.0
"""An evaluation over ROS counts no drive that somebody else touched, and says whose hand it was."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl

from td3_driving.driving.observation import frame_shape
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.table import Entry
from td3_driving.nodes.ros import qos
from td3_driving.nodes.training.frame_intake import SensorFrame
from td3_driving.nodes.training.policy import PolicyNode
from td3_driving.nodes.training.reset_calls import EpisodeStart

from ...shared.patience import HANG
from ..stranger import EGO, Stranger

ROAD = Route(np.column_stack((np.arange(0.0, 300.0), np.zeros(300))))


@pytest.fixture
def evaluator(domain_id: int) -> Iterator[PolicyNode]:
    """A policy node that evaluates the lane keeper; it gets its resets and frames by hand."""
    words = ("evaluate:=lane_keeper", "evaluate_routes:=1", "resetter:=''")
    rclpy.init(args=["--ros-args", *(word for given in words for word in ("-p", given))], domain_id=domain_id)
    node = PolicyNode()
    node._evaluations.at_the_end(0, 0)
    yield node
    node.destroy_node()
    rclpy.shutdown()


def begin(node: PolicyNode, number: int) -> SensorFrame:
    node._on_reset(EpisodeStart(ROAD, 0, 1, number))
    shape = frame_shape(node.settings.observation)
    return SensorFrame(np.zeros(shape, np.uint8), VehicleState(number, 5.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0), False, 0)


def test_a_drive_with_a_second_publisher_of_commands_is_cut_named_and_driven_again(
    evaluator: PolicyNode, domain_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(evaluator._out, "command", lambda command, stamp_ns: sent.append(stamp_ns))
    evaluations, topic = evaluator._evaluations, f"{EGO}/vehicle_control_cmd"
    evaluator._on_frame(begin(evaluator, 1))
    assert sent == [1] and evaluator.frames.driving
    with Stranger(domain_id) as stranger:
        writer = stranger.node.create_publisher(CarlaEgoVehicleControl, topic, qos.BRIDGE)
        deadline = time.monotonic() + HANG
        while "/stranger (GUID " not in evaluator._others.touched():
            assert time.monotonic() < deadline, "the stranger is not seen"
            time.sleep(0.02)
        evaluator._on_frame(begin(evaluator, 2))
        assert sent == [1] and not evaluator.frames.driving, "no command after it came"
        assert "others to let go: /stranger (GUID " in evaluator._waiting.reason
        stranger.leave(writer)
        while evaluator._others.touched():
            assert time.monotonic() < deadline, "the stranger has not left"
            time.sleep(0.02)
    evaluator._on_frame(begin(evaluator, 3))
    assert sent == [1, 3] and evaluations.tour is not None and evaluations.tour.results == []
    (reason,) = evaluations._again  # type: ignore[attr-defined]
    assert reason.startswith("/stranger (GUID ") and reason.endswith(f"publishes on {topic} too")
    entry = Entry("lane_keeper", evaluations.tour.plan, "straight", [], False)
    assert evaluations._about(entry)["driven_again"] == [{"reason": reason, "times": 1}]  # type: ignore[attr-defined]
