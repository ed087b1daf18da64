# SPDX-License-Identifier: Apache-2.0
"""``td3-driving deploy`` as a service runs it: policy and gate move the car of the embedded simulator, and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import CarlaEgoVehicleControl
from std_srvs.srv import Trigger
from td3_driving_msgs.msg import GateStatus

from td3_driving.nodes.ros import qos

from ..bridge_harness import EGO, Client, start, stop
from ..policy_bundle import lane_following_weights, make_bundle, small_settings

COMMAND, ODOMETRY = f"{EGO}/vehicle_control_cmd", f"{EGO}/odometry"
LENIENT = """
gate:
  ros__parameters:
    budget: {comfortable_after: 2.0, camera_age: 2.0, emergency_after: 5.0, compare_stamps: false}
"""
"""Budgets for a test machine that may be busy with something else."""


@pytest.fixture
def service(tmp_path: Path, domain_id: int) -> Iterator[subprocess.Popen[str]]:
    """The command, in a session of its own, beside a simulator in real time."""
    settings = small_settings(observation__state="map", network__hidden_layers=1)
    (tmp_path / "policy.zip").write_bytes(make_bundle(settings, weights=lane_following_weights(settings)))
    (tmp_path / "gate.yaml").write_text(LENIENT)
    simulator = start(domain_id, map="curves", route="auto", wait_for_control=False, real_time_factor=1.0)
    words = [sys.executable, "-m", "td3_driving.cli", "deploy", "policy.zip", "--params-file", "gate.yaml"]
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    stop(simulator, signal.SIGTERM)


def test_the_car_drives_through_the_gate_and_the_end_of_the_service_stops_it(
    service: subprocess.Popen[str], domain_id: int
) -> None:
    client = Client(domain_id)
    client.node.destroy_publisher(client._command)  # The gate tolerates no second writer.
    client.listen(COMMAND, CarlaEgoVehicleControl)
    client.listen("gate/status", GateStatus, qos.STATUS)

    def speed() -> float:
        if client.heard["gate/status"] and client.heard["gate/status"][-1].latched:
            client.call(Trigger, "gate/reset", Trigger.Request())
        return float(client.heard[ODOMETRY][-1].twist.twist.linear.x) if client.heard[ODOMETRY] else 0.0

    client.until(lambda: speed() > 2.0, timeout=HANG)

    def names() -> set[str]:
        return {name for name, _ in client.node.get_node_names_and_namespaces()}

    def writers() -> list[str]:
        return [info.node_name for info in client.node.get_publishers_info_by_topic(COMMAND)]

    # Names come over a topic of their own, which may lag behind the commands.
    client.until(lambda: {"drive", "gate", "simulator"} <= names() and "gate" in writers(), timeout=HANG)
    assert writers() == ["gate"], "the policy itself commands nothing"
    service.send_signal(signal.SIGTERM)
    output, _ = service.communicate(timeout=HANG)
    assert service.returncode == 0, output
    client.listen_for(0.3)
    last = client.heard[COMMAND][-1]
    assert last.throttle == 0.0 and last.brake > 0.0
    assert "drive: " in output and "gate: " in output and "Traceback" not in output
    client.close()


def test_a_refused_bundle_is_told_before_anything_starts(tmp_path: Path, domain_id: int) -> None:
    (tmp_path / "policy.zip").write_bytes(b"no bundle")
    answer = subprocess.run(
        [sys.executable, "-m", "td3_driving.cli", "deploy", "policy.zip"],
        cwd=tmp_path,
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert (answer.returncode, answer.stdout) == (2, ""), "no process has started"
    assert answer.stderr.startswith("error: the bundle is damaged or no zip archive") and answer.stderr.count("\n") == 1
