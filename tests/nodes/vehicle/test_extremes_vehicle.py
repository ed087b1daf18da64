# SPDX-License-Identifier: Apache-2.0
"""Messages with the extremes of every field, through the callbacks of gate and drive node."""

from __future__ import annotations

import array
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool
from td3_driving_msgs.msg import PolicyTick

from td3_driving.nodes.bridge.messages import path
from td3_driving.nodes.ros.conversions import time_message
from td3_driving.nodes.vehicle.drive import DriveNode
from td3_driving.nodes.vehicle.gate import GateNode

from ..extremes import FEW, hurl, quieten
from ..policy_bundle import make_bundle

FRAME_NS = 50_000_000


@pytest.fixture
def gate(domain_id: int) -> Iterator[GateNode]:
    rclpy.init(args=[], domain_id=domain_id)
    node = GateNode()
    quieten(node)
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def drive(tmp_path: Path, domain_id: int) -> Iterator[DriveNode]:
    (tmp_path / "bundle.zip").write_bytes(make_bundle())
    rclpy.init(args=["--ros-args", "-p", f"drive.bundle:={tmp_path}/bundle.zip"], domain_id=domain_id)
    node = DriveNode()
    node._start()
    quieten(node)
    yield node
    node.destroy_node()
    rclpy.shutdown()


class Inputs:
    """What a vehicle in good order sends."""

    def __init__(self) -> None:
        self.image = Image(height=36, width=64, encoding="bgra8", step=256, data=array.array("B", bytes(9216)))
        self.odometry = Odometry()
        self.odometry.pose.pose.orientation.w, self.odometry.twist.twist.linear.x = 1.0, 5.0
        self.command = CarlaEgoVehicleControl(throttle=0.3)
        self.compressed = CompressedImage(format="jpeg", data=array.array("B", bytes(100)))
        self.now = 0

    def stamp(self, now: int) -> None:
        """All of them are of ``now`` [ns]."""
        self.now = now
        for message in (self.image, self.odometry, self.command, self.compressed):
            message.header.stamp = time_message(now)


def test_the_gate_bears_every_message_and_commands_nothing_out_of_range(gate: GateNode) -> None:
    sent: list[bool] = []
    publish = gate._vehicle.publish

    def check(output: Any, stamp_ns: int) -> None:
        command = output.command
        sent.append(0.0 <= command.throttle <= 1.0 and 0.0 <= command.brake <= 1.0 and abs(command.steer) <= 1.0)
        publish(output, stamp_ns)

    gate._vehicle.publish = check  # type: ignore[method-assign]
    inputs = Inputs()

    def settle() -> None:
        """Genuine inputs, and the timed output that follows."""
        inputs.stamp(gate.get_clock().now().nanoseconds)
        gate._on_odometry(inputs.odometry)
        gate._on_image(inputs.image)
        gate._on_command(inputs.command)
        gate._on_timer()

    settle()
    hurl(inputs.command, 1, gate._on_command, between=settle)
    hurl(inputs.command, 2, gate._on_manual, between=settle)
    hurl(inputs.odometry, 3, gate._on_odometry, between=settle)
    hurl(inputs.image, 4, gate._on_image, between=settle)
    hurl(inputs.compressed, 5, gate._on_image, between=settle)
    hurl(PolicyTick(), 6, gate._on_policy_tick, between=settle)
    hurl(Bool(), 7, gate._on_override, between=settle)
    gate._report_on_inputs()
    assert sent and all(sent)


def test_the_drive_node_bears_every_message_and_commands_nothing_out_of_range(drive: DriveNode) -> None:
    sent: list[bool] = []
    publish = drive._command.publish

    def check(command: CarlaEgoVehicleControl) -> None:
        numbers = command.throttle, command.brake, command.steer
        sent.append(all(map(math.isfinite, numbers)) and max(map(abs, numbers)) <= 1.0)
        publish(command)

    drive._command.publish = check  # type: ignore[method-assign, assignment]
    inputs, road = Inputs(), path(np.column_stack((np.arange(300.0), np.zeros((300, 2)))), 0)

    def settle() -> None:
        """The next genuine frame on the genuine route."""
        inputs.stamp(inputs.now + FRAME_NS)
        if drive._route is None or len(sent) % 50 == 0:
            drive._on_route(road)
        drive._on_image(inputs.image)
        drive._on_odometry(inputs.odometry)

    for _ in range(20):
        settle()
    assert len(sent) > 10, "genuine frames are answered"
    hurl(inputs.odometry, 8, drive._on_odometry, between=settle)
    hurl(inputs.image, 9, drive._on_image, between=settle)
    hurl(inputs.compressed, 10, drive._on_image, between=settle)
    hurl(road, 11, drive._on_route, between=settle, cases=FEW)
    hurl(inputs.command, 12, drive._on_command, between=settle)
    drive._keep_house(math.inf)
    assert all(sent)
