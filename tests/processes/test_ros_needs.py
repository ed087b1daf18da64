# SPDX-License-Identifier: Apache-2.0
"""What ROS needs of a machine, taken away one by one: one sentence and exit code 2 before any node starts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from td3_driving.processes.ros_needs import NotReadyError, check_ros, ensure_home, log_note, log_variables

from ..nodes.policy_bundle import make_bundle
from ..shared.patience import HANG

MODULE = "td3_driving.cli"


def a_middleware(prefix: Path, name: str) -> None:
    index = prefix / "share" / "ament_index" / "resource_index" / "rmw_typesupport"
    index.mkdir(parents=True)
    for file in (name, "rmw_implementation"):
        (index / file).touch()


def test_missing_middleware_is_named_with_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_middleware(tmp_path / "ros", "rmw_fastrtps_cpp")
    a_middleware(tmp_path / "mine", "rmw_zenoh_cpp")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    known = {"AMENT_PREFIX_PATH": f"{tmp_path / 'ros'}{os.pathsep}{tmp_path / 'mine'}", "HOME": str(tmp_path)}
    for there in ("", "rmw_fastrtps_cpp", "rmw_zenoh_cpp"):
        check_ros({**known, "RMW_IMPLEMENTATION": there})
    with pytest.raises(NotReadyError) as refused:
        check_ros({**known, "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"})
    assert str(refused.value) == (
        "RMW_IMPLEMENTATION rmw_cyclonedds_cpp is not installed; installed: rmw_fastrtps_cpp, rmw_zenoh_cpp. Install"
        " ros-$ROS_DISTRO-rmw-cyclonedds-cpp, or unset RMW_IMPLEMENTATION"
    )
    check_ros({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp", "AMENT_PREFIX_PATH": str(tmp_path / "elsewhere")})


@pytest.mark.parametrize("name", ["ROS_LOG_DIR", "ROS_HOME"])
def test_folder_for_logs_that_cannot_be_written_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotReadyError, match=f"^{name}: .*file.* cannot be written; name another folder or unset it$"):
        check_ros({name: str(tmp_path / "file" / "log"), "HOME": str(tmp_path)})
    check_ros({name: str(tmp_path / "fine"), "HOME": "/proc"})


@pytest.mark.parametrize("home", [None, "", "/proc"])
def test_logs_go_elsewhere_without_a_home(home: str | None, tmp_path: Path) -> None:
    environment = {} if home is None else {"HOME": home}
    fallback = tmp_path / "run" / "log"
    found = log_variables(environment, fallback)
    assert found == {"ROS_LOG_DIR": str(fallback)} and fallback.is_dir()
    assert log_note(found).endswith(f"the logs of ROS go to {fallback}")


def test_logs_stay_where_they_are(tmp_path: Path) -> None:
    for environment in ({"HOME": str(tmp_path)}, {"ROS_LOG_DIR": str(tmp_path)}, {"ROS_HOME": str(tmp_path)}):
        assert log_variables(environment, tmp_path / "never") == {} and not (tmp_path / "never").exists()
    assert log_note({}) == ""


@pytest.mark.parametrize("home", [None, ""])
def test_a_folder_stands_in_for_a_missing_home(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", home or "")
    if home is None:
        monkeypatch.delenv("HOME")
    assert ensure_home() == f"HOME is not set: {os.environ['HOME']} stands in for it"
    assert Path(os.environ["HOME"]).parent == tmp_path and os.access(os.environ["HOME"], os.W_OK)
    assert ensure_home() == ""


def test_maps_load_without_a_home(tmp_path: Path) -> None:
    """CARLA's library crashes in its import where HOME is not set."""
    pytest.importorskip("carla")
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", MODULE, "evaluate", "parked", "--map", "straight", "--routes", "1"]
    done = subprocess.run(
        [*command, "--set", "episode.max_steps=10"], env=environment, capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("HOME is not set: ")


def refused(arguments: list[str], *wrapper: str, **variables: str) -> str:
    """The one sentence of a command that must end with 2 before anything starts."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [*wrapper, sys.executable, "-m", MODULE, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and not done.stdout
    return line


@pytest.fixture
def commands(tmp_path: Path) -> list[list[str]]:
    bundle = tmp_path / "policy.zip"
    bundle.write_bytes(make_bundle())
    return [["train", "--run", str(tmp_path / "run")], ["deploy", str(bundle)], ["conformance"]]


def test_commands_refuse_a_missing_middleware(commands: list[list[str]], tmp_path: Path) -> None:
    a_middleware(tmp_path / "ros", "rmw_fastrtps_cpp")
    for command in commands:
        prefixes = f"{tmp_path / 'ros'}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}"
        line = refused(command, RMW_IMPLEMENTATION="rmw_nothing_cpp", AMENT_PREFIX_PATH=prefixes)
        assert "rmw_nothing_cpp is not installed" in line
    assert not (tmp_path / "run").exists()


def test_commands_refuse_a_log_folder_that_cannot_be_written(commands: list[list[str]]) -> None:
    for command in commands:
        assert "ROS_LOG_DIR: /proc/log cannot be written" in refused(command, ROS_LOG_DIR="/proc/log")


def test_commands_refuse_without_loopback(commands: list[list[str]]) -> None:
    alone = ("unshare", "--net", "--map-root-user")
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True, timeout=HANG)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody make a network namespace")
    for command in commands:
        assert "the loopback interface is down" in refused(command, *alone)
