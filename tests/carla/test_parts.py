# SPDX-License-Identifier: Apache-2.0
"""The parts of a CARLA session, each alone: versions, bounded calls, programs, the server, the bridge's files."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from threading import Event

import pytest

from ..shared.patience import HANG

pytest.importorskip("carla", reason="the package carla is not installed")

import carla
import yaml

from td3_driving.carla import bridge, objects, server, versions
from td3_driving.carla.calls import Calls
from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.programs import Program, find_executable
from td3_driving.settings import CarlaSettings, Settings, SimulatorSettings

CONFIG = Path(__file__).resolve().parents[2] / "config"
SETTINGS = CarlaSettings(rpc_timeout=60.0)


# Versions.


@pytest.mark.parametrize("name", ["Town01", "Carla/Maps/Town01", "/Game/Carla/Maps/Town01", "Town01/"])
def test_short_names(name: str) -> None:
    assert versions.short_name(name) == "Town01"


def test_every_release_fits_itself_and_no_other() -> None:
    for client in versions.VERSIONS:
        for other in versions.VERSIONS:
            if client == other:
                assert versions.check_pair(client, other) == ""
            else:
                with pytest.raises(CarlaError, match=f"install carla=={re.escape(other)}"):
                    versions.check_pair(client, other)


@pytest.mark.parametrize("release", ["0.9.12", "0.10.0", "1.0.0"])
def test_releases_outside_the_table_are_refused(release: str) -> None:
    with pytest.raises(CarlaError, match=r"0\.9\.13 \.\. 0\.9\.16 are supported"):
        versions.check_pair(release, release)


def test_a_build_without_a_release_is_let_through_with_a_word() -> None:
    assert "not both releases" in versions.check_pair("0.9.16", "a1b2c3d-dirty")
    assert versions.release_of("0.9.15-12-g1234567") == "0.9.15"


def test_the_table_agrees_with_the_installed_wheel() -> None:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert python in versions.VERSIONS[versions.release_of(versions.installed())].pythons


def test_a_missing_client_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise versions.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions.metadata, "version", missing)
    with pytest.raises(CarlaError, match=r"not installed; .* pip install carla=="):
        versions.installed()


# Calls.


def test_results_and_errors_come_back() -> None:
    calls = Calls(HANG)
    assert calls("sum", lambda a, b: a + b, 2, 3) == 5
    with pytest.raises(KeyError):
        calls("look up", {}.__getitem__, "nothing")


def test_a_call_that_hangs_is_given_up() -> None:
    never = Event()
    with pytest.raises(ServerLost, match=r"get_world: no answer within 0\.2 s"):
        Calls(0.2)("get_world", never.wait, HANG)
    never.set()


def test_a_time_out_of_the_client_is_a_lost_server() -> None:
    def fail() -> None:
        raise RuntimeError("time-out of\n 10000ms")

    with pytest.raises(ServerLost, match="tick: time-out of 10000ms"):
        Calls(HANG)("tick", fail)


def test_a_plain_complaint_is_no_lost_server() -> None:
    def fail() -> None:
        raise CarlaError("no such town")

    with pytest.raises(CarlaError) as raised:
        Calls(HANG)("load", fail)
    assert not isinstance(raised.value, ServerLost)


# Programs.


def test_a_program_writes_a_log_and_is_ended_with_what_it_started(tmp_path: Path) -> None:
    text = "import os, signal, time\nchild = os.fork()\nprint(os.getpid(), flush=True)\nsignal.pause()"
    program = Program("bridge", [sys.executable, "-c", text], tmp_path, os.environ)
    deadline = time.monotonic() + HANG
    while len(program.log.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pids = [int(word) for word in program.log.read_text().split()]
    program.stop(((signal.SIGTERM, 5.0),))
    assert not program.alive
    deadline = time.monotonic() + HANG
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child of the program is left"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_last_words_of_a_program(tmp_path: Path) -> None:
    program = Program("bridge", [sys.executable, "-c", "print('no map'); raise SystemExit(3)"], tmp_path, os.environ)
    deadline = time.monotonic() + HANG
    while program.alive:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "bridge ended with exit code 3 (no map)" in program.account()


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CarlaError, match="cannot start /no/such/thing"):
        Program("server", ["/no/such/thing"], tmp_path, os.environ)


def test_executables_are_found_in_sourced_workspaces(tmp_path: Path) -> None:
    path = tmp_path / "two" / "lib" / "carla_ros_bridge" / "bridge"
    path.parent.mkdir(parents=True)
    path.write_text("")
    environment = {"AMENT_PREFIX_PATH": f"{tmp_path / 'one'}:{tmp_path / 'two'}"}
    assert find_executable("carla_ros_bridge", "bridge", environment) == str(path)
    with pytest.raises(CarlaError, match="no ROS package carla_spawn_objects"):
        find_executable("carla_spawn_objects", "carla_spawn_objects", environment)


# Server.


def test_command_line_of_the_server() -> None:
    words = server.server_command(Path("/opt/CarlaUE4.sh"), CarlaSettings(port=2100, quality="Epic"))
    assert words[0] == "/opt/CarlaUE4.sh"
    assert set(words[1:]) == {"-carla-rpc-port=2100", "-quality-level=Epic", "-nosound", "-RenderOffScreen"}
    assert "-RenderOffScreen" not in server.server_command(Path("x"), CarlaSettings(off_screen=False))


def test_a_server_elsewhere_cannot_be_started() -> None:
    with pytest.raises(CarlaError, match=r"a server on 10\.0\.0\.7 cannot be started from here"):
        server.server_command(Path("x"), CarlaSettings(host="10.0.0.7"))


def test_where_the_start_script_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CarlaError, match=r"set CARLA_ROOT or carla\.executable"):
        server.executable(CarlaSettings(), {})
    with pytest.raises(CarlaError, match="does not exist"):
        server.executable(CarlaSettings(), {"CARLA_ROOT": str(tmp_path)})
    (tmp_path / "CarlaUE4.sh").write_text("")
    assert server.executable(CarlaSettings(), {"CARLA_ROOT": str(tmp_path)}) == tmp_path / "CarlaUE4.sh"
    given = CarlaSettings(executable=str(tmp_path / "CarlaUE4.sh"))
    assert server.executable(given, {}) == tmp_path / "CarlaUE4.sh"


# Files for the bridge.


def test_parameters_of_the_bridge() -> None:
    settings = Settings(simulator=SimulatorSettings(fixed_delta=0.1), carla=CarlaSettings(host="box", port=2100))
    given = yaml.safe_load(bridge.bridge_parameters(settings, "Carla/Maps/Town02"))["/**"]["ros__parameters"]
    assert given["ego_vehicle_role_name"] == ["ego_vehicle"]
    assert given["town"] == "Carla/Maps/Town02"
    assert given["synchronous_mode"] is given["synchronous_mode_wait_for_vehicle_control_command"] is True
    assert (given["host"], given["port"], given["fixed_delta_seconds"]) == ("box", 2100, 0.1)


def test_version_gate_of_the_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge.check_version_gate("0.9.16")
    package = tmp_path / "carla_ros_bridge"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    (package / "CARLA_VERSION").write_text("0.9.13\n")
    bridge.check_version_gate("0.9.13")
    with pytest.raises(CarlaError, match=r"'0\.9\.13' only, and 0\.9\.16 .* newline"):
        bridge.check_version_gate("0.9.16")
    (package / "CARLA_VERSION").write_text("0.9.16")
    with pytest.raises(CarlaError, match=r"'0\.9\.1' only"):
        bridge.check_version_gate("0.9.16")


def test_the_bridge_finds_the_client_behind_its_own_modules() -> None:
    home = str(Path(carla.__file__).parent.parent)
    assert bridge.with_client({"PYTHONPATH": "/ros:/bridge", "A": "b"}) == {
        "PYTHONPATH": f"/ros:/bridge:{home}",
        "A": "b",
    }
    assert bridge.with_client({})["PYTHONPATH"] == home
    assert bridge.with_client({"PYTHONPATH": f"{home}:/ros"})["PYTHONPATH"] == f"{home}:/ros"


@pytest.mark.parametrize("name", ["training", "full"])
def test_objects_of_this_project(name: str) -> None:
    settings = SimulatorSettings(camera_width=320, camera_height=180, camera_fov=100.0)
    document = json.loads(objects.objects_text(objects.objects_file(name, CONFIG), settings))
    ego = next(entry for entry in document["objects"] if entry["id"] == "ego_vehicle")
    sensors = {entry["id"]: entry for entry in ego["sensors"]}
    camera = sensors["rgb_front"]
    assert (camera["image_size_x"], camera["image_size_y"], camera["fov"]) == (320, 180, 100.0)
    order = list(sensors)
    assert order.index("rgb_front") < order.index("collision") < order.index("tf") < order.index("odometry")
    assert order.index("rgb_front") < order.index("objects") < order.index("odometry"), "the frame ends as before"
    assert all("spawn_point" in entry for entry in ego["sensors"] if "pseudo" not in entry["type"])
    assert "spawn_point" not in ego, "the ego appears anywhere; a reset puts it where the route starts"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ego: ego["sensors"].pop(0), "lack a sensor.camera.rgb with the id rgb_front"),
        (lambda ego: ego["sensors"].append({"type": "sensor.other.imu", "id": "tf"}), "several sensors have the id tf"),
        (lambda ego: ego.update(id="hero"), "no vehicle with the id ego_vehicle"),
        (lambda ego: ego.pop("sensors"), "is not a file of objects"),
    ],
)
def test_objects_that_cannot_work_are_refused(change, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    document = json.loads((CONFIG / "objects" / "training.json").read_text())
    change(document["objects"][0])
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    with pytest.raises(CarlaError, match=message):
        objects.objects_text(objects.objects_file(str(path), CONFIG), SimulatorSettings())


def test_a_training_that_must_know_the_others_needs_their_list(tmp_path: Path) -> None:
    """That of the ego, or that of the world."""
    document = json.loads((CONFIG / "objects" / "training.json").read_text())
    sensors = document["objects"][0]["sensors"]
    (listed,) = [entry for entry in sensors if entry["type"] == "sensor.pseudo.objects"]
    path = tmp_path / "mine.json"
    ours = objects.objects_text(objects.objects_file("training", CONFIG), SimulatorSettings(), True)
    assert "sensor.pseudo.objects" in ours
    sensors.remove(listed)
    path.write_text(json.dumps(document))
    objects.objects_text(path, SimulatorSettings())
    with pytest.raises(CarlaError, match=r"no sensor\.pseudo\.objects with the id objects, which network\.critic"):
        objects.objects_text(path, SimulatorSettings(), True)
    document["objects"].append(listed)
    path.write_text(json.dumps(document))
    objects.objects_text(path, SimulatorSettings(), True)


def test_unknown_objects_name_the_known_ones() -> None:
    with pytest.raises(CarlaError, match="there are full, training"):
        objects.objects_file("none-such", CONFIG)
