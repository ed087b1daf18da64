# SPDX-License-Identifier: Apache-2.0
"""The gate node at its borders: a person, other kinds of vehicles, parameters, missing packages, wall time."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import CarlaEgoVehicleControl
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Bool, String
from td3_driving_msgs.msg import GateStatus, PolicyTick

from td3_driving.deploy.gate_types import Mode
from td3_driving.deploy.limits import GateSettings
from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header, time_message

from ..gate_bench import COMMAND, EGO, MadeUp, end, gate_process

Maker = Callable[..., MadeUp]


@pytest.fixture
def bench(domain_id: int) -> Iterator[Maker]:
    """Starts a gate and a bench for it."""
    opened: list[tuple[MadeUp, subprocess.Popen[str]]] = []

    def make(*arguments: str, command: tuple[str, Any] = (COMMAND, CarlaEgoVehicleControl)) -> MadeUp:
        opened.append((MadeUp(domain_id, command), gate_process(domain_id, *arguments)))
        return opened[-1][0]

    yield make
    for made, gate in opened:
        made.close()
        end(gate)


def test_person_parameters_and_ages(bench: Maker) -> None:
    made = bench("-p", "stop.hold:=3.0")
    the_person_drives(made)
    the_policy_tells_its_times(made)
    parameters_are_described_and_cannot_be_set(made)
    assert made.trigger("gate/stop").success
    assert made.step().reason == "operator: emergency stop asked for"
    made.speed = 0.0
    made.step(3)
    assert made.trigger("gate/reset").success
    assert made.step().mode == GateStatus.ACTIVE


def the_person_drives(made: MadeUp) -> None:
    made.engage()
    made.step(5)
    command = made.commands[-1]
    assert (command.throttle, command.brake, command.steer) == (pytest.approx(0.2), 0.0, 0.0)
    assert command.header.frame_id == "ego_vehicle"

    made.override.publish(Bool(data=True))
    made.until(lambda: made.step().mode == GateStatus.COMFORTABLE_STOP, "stop until the person says something")
    assert (made.status.reason, made.status.latched) == ("manual: none yet", False)
    made.manual.publish(CarlaEgoVehicleControl(throttle=0.9, steer=-1.0, reverse=True))
    made.until(lambda: made.step().mode == GateStatus.MANUAL, "person at the wheel")
    # What the gate says of a command may arrive before the command.
    made.until(lambda: made.commands[-1].reverse, "the person's command")
    command = made.commands[-1]
    assert (command.throttle, command.steer, command.reverse) == (pytest.approx(0.9), -1.0, True), "unfiltered, at once"
    made.override.publish(Bool(data=False))
    made.until(lambda: made.step().mode == GateStatus.ACTIVE, "policy at the wheel")


def the_policy_tells_its_times(made: MadeUp) -> None:
    ticks = made.node.create_publisher(PolicyTick, "policy/tick", qos.STATUS)
    made.until(lambda: ticks.get_subscription_count(), "gate on policy/tick")

    def timed() -> bool:
        stamp = time_message(made.now + 50_000_000)
        ticks.publish(PolicyTick(sensor_stamp=stamp, observation_ms=3.5, inference_ms=7.25))
        return not math.isnan(made.step().observation_ms)

    made.until(timed, "timings of the policy")
    assert (made.status.observation_ms, made.status.inference_ms) == (3.5, 7.25)
    assert (made.status.age_ms, nanoseconds(made.status.sensor_stamp)) == (0.0, made.now)
    assert 0.0 <= made.status.gate_ms < 1e4


def parameters_are_described_and_cannot_be_set(made: MadeUp) -> None:
    described = made.call(DescribeParameters, "gate/describe_parameters", asked("limits.jerk", "stop.hold"))
    jerk, hold = described.descriptors
    assert jerk.read_only and "0.5 .. 100" in jerk.description and "m/s^3" in jerk.description
    assert (hold.floating_point_range[0].from_value, hold.floating_point_range[0].to_value) == (0.3, 10.0)
    change = Parameter(name="stop.hold", value=ParameterValue(type=3, double_value=1.0))
    result = made.call(SetParameters, "gate/set_parameters", SetParameters.Request(parameters=[change]))
    assert not result.results[0].successful
    assert made.status.limits_hash != GateSettings().digest(), "a limit was changed at the start"


def asked(*names: str) -> Any:
    return DescribeParameters.Request(names=list(names))


def test_ackermann(bench: Maker) -> None:
    """At 5 m/s throttle 0.2 is 0.771 m/s^2: half a second later that is 5.385 m/s."""
    stamped = pytest.importorskip("ackermann_msgs.msg").AckermannDriveStamped
    made = bench("-p", "interface:=ackermann", command=("ackermann_cmd", stamped))
    made.engage()
    made.steer = 0.1
    made.step(20)
    sent = made.commands[-1]
    full = 1.22173 * (1.0 - 0.1 * 5.0 / 5.5556)
    assert sent.drive.steering_angle == pytest.approx(-0.1 * full, rel=1e-5), "left is positive"
    assert sent.drive.steering_angle_velocity == pytest.approx(1.5 * full)
    assert (sent.drive.speed, sent.drive.acceleration) == (
        pytest.approx(5.385, abs=1e-3),
        pytest.approx(0.771, abs=1e-3),
    )
    assert (sent.header.frame_id, nanoseconds(sent.header.stamp)) == ("base_link", made.now)
    made.silent = {"command"}
    made.step(30)
    sent = made.commands[-1]
    assert (sent.drive.speed, sent.drive.acceleration) == (0.0, 5.0), (
        "a stop: speed 0, with the deceleration as magnitude"
    )


def test_autoware(bench: Maker) -> None:
    control = pytest.importorskip("autoware_control_msgs.msg").Control
    report = pytest.importorskip("autoware_vehicle_msgs.msg").ControlModeReport
    made = bench("-p", "interface:=autoware", command=("control/command/control_cmd", control))
    mode = made.node.create_publisher(report, "vehicle/status/control_mode", qos.BRIDGE)
    made.until(mode.get_subscription_count, "gate")
    made.meet()
    made.until(lambda: made.step().mode == GateStatus.DISENGAGED, "gate that leaves the vehicle alone")
    mode.publish(report(mode=report.MANUAL))
    made.step(10)
    assert (made.status.mode, made.commands) == (GateStatus.DISENGAGED, [])

    def engaged() -> bool:
        mode.publish(report(mode=report.AUTONOMOUS))
        return made.step().mode == GateStatus.ACTIVE

    made.until(engaged, "active gate")
    made.steer = -0.1
    for _ in range(10):
        engaged()
    sent = made.commands[-1]
    full = 1.22173 * (1.0 - 0.1 * 5.0 / 5.5556)
    assert sent.lateral.steering_tire_angle == pytest.approx(0.1 * full, rel=1e-5), "left is positive"
    assert sent.lateral.is_defined_steering_tire_rotation_rate and sent.longitudinal.is_defined_acceleration
    assert not sent.longitudinal.is_defined_jerk
    assert sent.longitudinal.acceleration == pytest.approx(0.771, abs=1e-3)
    assert sent.longitudinal.velocity == pytest.approx(5.385, abs=1e-3)
    assert {nanoseconds(part.stamp) for part in (sent, sent.lateral, sent.longitudinal)} == {made.now}

    mode.publish(report(mode=report.AUTONOMOUS_STEER_ONLY))
    made.until(lambda: made.step().mode == GateStatus.DISENGAGED, "gate that lets go")
    made.commands.clear()
    made.step(5)
    assert made.commands == []


@pytest.mark.parametrize("latched", [True, False])
def test_autoware_latched(bench: Maker, latched: bool) -> None:
    """A latched listener and a volatile one hear the command; a mode that was latched once, before the gate, holds."""
    control = pytest.importorskip("autoware_control_msgs.msg").Control
    report = pytest.importorskip("autoware_vehicle_msgs.msg").ControlModeReport
    made = bench("-p", "interface:=autoware", command=("control/command/control_cmd", control))
    heard: list[Any] = []
    made.node.create_subscription(control, "control/command/control_cmd", heard.append, qos.BRIDGE_LATCHED_ONE)
    mode = made.node.create_publisher(report, "vehicle/status/control_mode", qos.BRIDGE_LATCHED_ONE)
    if latched:
        mode.publish(report(mode=report.AUTONOMOUS))
    made.meet()
    if not latched:
        made.until(lambda: made.step().mode == GateStatus.DISENGAGED, "gate that leaves the vehicle alone")
        assert made.status.reason == "the vehicle has not reported its control mode yet"
        mode.publish(report(mode=report.AUTONOMOUS))
    made.until(lambda: made.step().mode == GateStatus.ACTIVE, "active gate")
    made.step(60)
    assert made.status.mode == GateStatus.ACTIVE, "3 s later, three times the age that a repeated report may have"
    made.until(lambda: heard and heard[-1].stamp == made.commands[-1].stamp, "the command, latched")
    made.node.destroy_publisher(mode)
    made.until(lambda: made.step().mode == GateStatus.COMFORTABLE_STOP, "stop without the mode's publisher")
    assert made.status.reason == "control mode: the publisher of the latched report is gone"


def test_compressed_camera_and_a_foreign_type(bench: Maker) -> None:
    made = bench()
    made.node.destroy_publisher(made.camera)
    topic = f"{EGO}/rgb_front/image"
    foreign = made.node.create_publisher(String, topic, qos.BRIDGE)
    text = f"camera: none yet; topic /{topic} is std_msgs/msg/String, not sensor_msgs/msg/Image or sensor_msgs/msg/Comp"

    def told() -> str:
        made.diagnostics.clear()
        made.until(lambda: "gate: inputs" in made.diagnostics, "report")
        return made.diagnostics["gate: inputs"].message

    made.until(lambda: text in told(), "word of the type")
    made.node.destroy_publisher(foreign)
    made.camera = made.node.create_publisher(CompressedImage, topic, qos.BRIDGE)
    made.compressed = True
    made.until(made.camera.get_subscription_count, "gate on the compressed topic")
    made.engage()


def test_ackermann_is_heard_latched_too(bench: Maker) -> None:
    stamped = pytest.importorskip("ackermann_msgs.msg").AckermannDriveStamped
    made = bench("-p", "interface:=ackermann", command=("ackermann_cmd", stamped))
    heard: list[Any] = []
    made.node.create_subscription(stamped, "ackermann_cmd", heard.append, qos.BRIDGE_LATCHED_ONE)
    made.engage()
    made.until(lambda: made.step() and heard, "the command, latched")


def test_wall_time(bench: Maker) -> None:
    """Without simulated time: the gate speaks between the commands, and stops when they stay away."""
    made = bench(
        "-p", "use_sim_time:=false", "-p", "budget.emergency_after:=5.0", "-p", "budget.comfortable_after:=2.0"
    )
    made.until(lambda: made.policy.get_subscription_count() and made.camera.get_subscription_count(), "gate")

    def frame() -> bool:
        if made.statuses and made.status.latched:
            made.trigger("gate/reset")  # The machine was too busy to send frames in time.
        made.now, made.frames = time.time_ns(), made.frames + 1
        made.send_inputs()
        made.policy.publish(CarlaEgoVehicleControl(header=header(made.now, ""), throttle=0.2))
        return bool(made.statuses) and made.status.mode == GateStatus.ACTIVE

    made.until(frame, "active gate")
    before = len(made.commands)
    made.until(lambda: len(made.commands) >= before + 20, "twenty outputs without a new command")
    made.until(lambda: made.status.mode == GateStatus.EMERGENCY_STOP, "emergency stop")
    assert "none for" in made.status.reason
    made.until(lambda: made.commands[-1].brake > 0.5, "brake")
    assert made.commands[-1].header.stamp.sec > 1_600_000_000


def test_reports_go_on_while_every_output_falls_before_a_command(bench: Maker) -> None:
    """At 30 outputs per second and a command every 50 ms, each output by the clock expects a command soon."""
    made = bench("-p", "use_sim_time:=false", "-p", "budget.rate:=30.0")
    made.until(lambda: made.policy.get_subscription_count() and made.camera.get_subscription_count(), "gate")
    sent_at = 0.0

    def reported() -> bool:
        nonlocal sent_at
        if time.monotonic() - sent_at >= 0.05:
            sent_at = time.monotonic()
            made.now, made.frames = time.time_ns(), made.frames + 1
            made.send_inputs()
            made.policy.publish(CarlaEgoVehicleControl(header=header(made.now, ""), throttle=0.2))
        return bool(made.diagnostics)

    for _ in range(4):
        made.diagnostics.clear()
        made.until(reported, "report while commands come", timeout=HANG)


def test_modes_are_those_of_the_message() -> None:
    assert {mode: getattr(GateStatus, mode.name) for mode in Mode} == {mode: int(mode) for mode in Mode}


def test_bad_parameter_is_one_sentence(domain_id: int) -> None:
    refused(gate_process(domain_id, "-p", "interface:=bus"), ("interface", "'bus'", "carla, autoware, ackermann"))


def test_missing_package_is_named(tmp_path: Path, domain_id: int) -> None:
    """A package that hides the real one and is not there either."""
    package = "autoware_vehicle_msgs"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(f"raise ModuleNotFoundError('{package}', name='{package}')\n")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    gate = gate_process(domain_id, "-p", "interface:=autoware", PYTHONPATH=path)
    refused(gate, (f"the ROS package {package} is missing", "install ros-"))


def refused(gate: subprocess.Popen[str], words: tuple[str, ...]) -> None:
    _, errors = gate.communicate(timeout=HANG)
    assert gate.returncode == 2, errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: ") and all(word in last for word in words), errors
    assert "Traceback" not in errors
