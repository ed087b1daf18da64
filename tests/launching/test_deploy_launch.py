# SPDX-License-Identifier: Apache-2.0
"""What is started on a vehicle, from the launch file and from the command: the same processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from td3_driving.cli import COMMANDS as CLI
from td3_driving.launching import deploy, vehicle_inputs
from td3_driving.launching.child import MODULES, command
from td3_driving.launching.deployment import (
    CAMERA,
    COMMANDS,
    IN_CHARGE,
    INTERFACES,
    ODOMETRY,
    DeployOptions,
    deployment,
)
from td3_driving.launching.vehicle_inputs import check_parameters
from td3_driving.runs.profiles import config_directory

from ..nodes.policy_bundle import make_bundle, small_settings


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "policy.zip"
    path.write_bytes(b"")
    return path


@pytest.fixture
def launch_file(load_launch_file: Callable[[str], Any]) -> Any:
    return load_launch_file("deploy")


def values(launch_file: Any, bundle: Path, **changed: str) -> dict[str, str]:
    return (
        {name: default for name, (default, _, _) in launch_file.ARGUMENTS.items()} | {"bundle": str(bundle)} | changed
    )


def kinds(actions: list[Any]) -> list[str]:
    return [type(action).__name__ for action in actions]


@pytest.mark.parametrize("interface", INTERFACES)
def test_gate_and_policy_share_sensors_and_only_the_gate_has_the_vehicles_command(bundle: Path, interface: str) -> None:
    topics = {"camera": "/front", "command": "/drive_me", "route": "/path"}
    gate, drive = deployment(DeployOptions(bundle, interface, namespace="car", topics=topics))
    assert (gate.name, gate.namespace, gate.on_exit) == ("gate", "/car", "required")
    assert (drive.name, drive.namespace, drive.on_exit) == ("drive", "/car", "respawn")
    assert gate.parameters == {"interface": interface}
    assert (CAMERA, "/front") in gate.remappings and (CAMERA, "/front") in drive.remappings
    assert (COMMANDS[interface], "/drive_me") in gate.remappings
    assert "/drive_me" not in dict(drive.remappings).values()
    assert dict(gate.remappings).get(ODOMETRY) == dict(drive.remappings).get(ODOMETRY)
    assert all(spec.executable in MODULES for spec in (gate, drive))


def test_shadow_has_no_gate_and_listens_to_whoever_drives(bundle: Path) -> None:
    (drive,) = deployment(DeployOptions(bundle, shadow=True, topics={"command": "/commands"}))
    assert drive.parameters["drive.shadow"] is True
    assert (IN_CHARGE, "/commands") in drive.remappings


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"interface": "tank"}, "'tank' is not one of carla, autoware, ackermann"),
        ({"sensor_qos": "best"}, "not one of best_effort, reliable"),
        ({"public_key": "/nowhere/key.pem"}, "/nowhere/key.pem: no such file"),
        ({"params_file": "/nowhere/gate.yaml"}, "/nowhere/gate.yaml: no such file"),
        ({"topics": {"camera": "a b"}}, "camera: 'a b' is no name that ROS takes"),
        ({"topics": {"route": "way//on"}}, "route: 'way//on' is no name that ROS takes"),
        ({"namespace": "/car 1/"}, "namespace: 'car 1' is no name that ROS takes"),
        ({"bundle": Path("/nowhere/policy.zip")}, "bundle /nowhere/policy.zip: no such file"),
        ({"threads": 0}, "drive.threads: 0 is outside 1 .. 64"),
        ({"sync_tolerance": -1.0}, "drive.sync_tolerance: -1.0 is outside 0.0 .. 0.1 s"),
        ({"sync_tolerance": float("nan")}, "drive.sync_tolerance: nan is outside"),
    ],
)
def test_options_that_cannot_be_are_refused(bundle: Path, changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=r"no|outside") as caught:
        DeployOptions(**{"bundle": bundle, **changed})
    assert reason in str(caught.value)


def test_every_argument_is_described_and_closed_where_it_can_be(launch_file: Any) -> None:
    declared = {name: launch_file._argument(name).named for name in launch_file.ARGUMENTS}
    assert all(named["description"] for named in declared.values())
    assert declared["interface"]["choices"] == INTERFACES
    assert "default_value" not in declared["bundle"], "nothing drives without a bundle"
    switches = {name for name, named in declared.items() if named["choices"] == launch_file.SWITCH}
    assert switches == {"shadow", "autostart", "use_sim_time", "view"}


def test_launch_and_command_start_the_same_processes(launch_file: Any, bundle: Path) -> None:
    changed = {"interface": "autoware", "namespace": "car", "threads": "2", "camera_topic": "/front"}
    given = launch_file.options_of(values(launch_file, bundle, **changed))
    words = [str(bundle), "--interface", "autoware", "--namespace", "car", "--threads", "2", "--camera-topic", "/front"]
    by_command = deploy._options(deploy._parser().parse_args(words))
    assert deployment(given) == deployment(by_command)
    for spec in deployment(given):
        node = launch_file.process(spec, values(launch_file, bundle))[-1].named
        line = command(spec, "")
        assert "--params-file" not in line
        assert (node["executable"], node["namespace"]) == (line[3], spec.namespace)
        rules = {f"{a}:={b}" for a, b in node["remappings"]}
        assert rules <= set(line) and f"__ns:={node['namespace']}" in line


def test_gate_that_ends_ends_all_and_a_policy_that_dies_comes_back(launch_file: Any, bundle: Path) -> None:
    arguments = values(launch_file, bundle)
    gate, drive = deployment(launch_file.options_of(arguments))

    def exits(spec: Any, code: int, shutdown: bool = False) -> list[Any]:
        event, context = SimpleNamespace(returncode=code), SimpleNamespace(is_shutdown=shutdown)
        return list(launch_file._exited(spec, arguments)(event, context))

    fail = exits(gate, -9)[0].named
    with pytest.raises(RuntimeError, match="gate ended"):
        fail["function"](None, *fail["args"])
    assert kinds(exits(drive, -9)) == ["LogInfo", "TimerAction"]
    assert kinds(exits(drive, 0)) == ["LogInfo"]
    assert kinds(exits(drive, 2)) == ["OpaqueFunction"], "the same bundle would be refused again"
    assert exits(gate, 0, shutdown=True) == []


def test_command_refuses_bad_input_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert CLI["deploy"][0] == deploy.__name__
    assert deploy.main(["/nowhere/policy.zip"]) == 2
    assert capsys.readouterr().err == "error: bundle /nowhere/policy.zip: no such file\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--threads", "0"], "error: --threads: 0 is outside 1 .. 64\n"),
        (["--sync-tolerance", "-1"], "error: --sync-tolerance: -1.0 is outside 0.0 .. 0.1 s\n"),
        ([], "error: the bundle is damaged or no zip archive"),
    ],
)
def test_no_process_starts_where_input_is_bad(
    bundle: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "Supervisor", lambda *_: pytest.fail("a process would have started"))
    assert deploy.main([str(bundle), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(reason) and error.count("\n") == 1


PARAMETERS = "gate:\n  ros__parameters:\n    limits: {lateral_acceleration: 8.0}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            PARAMETERS.replace("_acceleration:", "_accelration:"),
            "section gate: unknown setting 'limits.lateral_accelration'; did you mean",
        ),
        (PARAMETERS.replace("8.0", "-8.0"), "section gate: limits.lateral_acceleration: -8.0 is outside"),
        (PARAMETERS.replace("8.0", "fast"), "section gate: limits.lateral_acceleration: 'fast' is of type str"),
        ("car:\n  drive:\n    ros__parameters: {drive: {threads: 100}}\n", "section drive: drive.threads: 100 is"),
        (
            "/**:\n  ros__parameters: {limits: {lateral_acceleration: 8.0}}\n",
            "section drive: unknown setting 'limits.lateral_acceleration'",
        ),
        ("gate: 3\n", "gate is not followed by ros__parameters:"),
        ("gate: [\n", "not a YAML file"),
        ("", "not a ROS 2 parameter file"),
    ],
)
def test_parameters_are_checked_before_anything_starts(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"gate\.yaml") as caught:
        check_parameters(file)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        PARAMETERS,
        "/car/gate:\n  ros__parameters: {use_sim_time: true, interface: carla, limits: {lateral_acceleration: 1e1}}\n",
        "somebody:\n  ros__parameters: {any: thing}\n",
    ],
)
def test_parameters_that_the_nodes_take_pass(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text(text)
    check_parameters(file)


def test_a_sound_bundle_passes_and_large_images_get_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vehicle_inputs, "free_shared_memory", lambda: 2**30)
    file = tmp_path / "policy.zip"
    file.write_bytes(make_bundle())
    assert vehicle_inputs.require_sound(DeployOptions(file), {}) == {}
    file.write_bytes(make_bundle(small_settings(simulator__camera_width=1280, simulator__camera_height=720)))
    (room,) = vehicle_inputs.require_sound(DeployOptions(file), {}).items()
    assert room == ("FASTDDS_DEFAULT_PROFILES_FILE", str(config_directory() / "dds" / "large_images.xml"))
    assert vehicle_inputs.require_sound(DeployOptions(file), {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}) == {}
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        vehicle_inputs.require_sound(DeployOptions(file), {})


def test_our_own_parameter_file_passes() -> None:
    check_parameters(config_directory() / "vehicle" / "gate.yaml")


def test_the_gate_knows_every_interface_that_can_be_asked_for() -> None:
    pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
    from td3_driving.nodes.vehicle.gate import INTERFACES as IN_THE_GATE

    assert set(IN_THE_GATE) == set(INTERFACES)
