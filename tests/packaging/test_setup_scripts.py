# SPDX-License-Identifier: Apache-2.0
"""The scripts behind make build: paths of wheels, what is rebuilt, what is refused."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import environment
import pytest
import wheel_paths
import workspace

from ..shared.patience import HANG

REPOSITORY = Path(__file__).resolve().parents[2]


FOREIGN = (
    'INCLUDES "/opt/python/cp311-cp311/include/python3.11;/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy"'
)


def test_paths_of_the_build_machine_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "share" / "std_msgs" / "cmake" / "export.cmake"
    file.parent.mkdir(parents=True)
    file.write_text(FOREIGN)
    assert wheel_paths.fix(tmp_path, "/here/include", "/here/site") == 1
    assert file.read_text() == 'INCLUDES "/here/include;/here/site/numpy"'
    assert wheel_paths.fix(tmp_path, "/here/include", "/here/site") == 0


def test_backslashes_in_a_path_are_kept() -> None:
    assert wheel_paths.rewritten("/opt/python/cp312-cp312/include/python3.12/x", r"\1", "") == r"\1/x"


@pytest.mark.parametrize("distribution", ["humble", "jazzy", "kilted"])
def test_sourced_distribution_is_used(distribution: str) -> None:
    assert workspace.flavour_of({"ROS_DISTRO": distribution}) == distribution


def test_without_ros_the_wheels_are_used() -> None:
    assert workspace.flavour_of({}) == environment.WHEELS


def test_unknown_distribution_is_named() -> None:
    with pytest.raises(environment.SetupError, match=r"ROS 2 foxy is sourced; humble, jazzy, kilted are supported"):
        workspace.flavour_of({"ROS_DISTRO": "foxy"})


def test_a_build_beside_other_work_has_no_load_limit() -> None:
    made = environment.Environment(REPOSITORY, environment.WHEELS, gpu=False)
    outer = {"PATH": "/bin", "MAKEFLAGS": "-j1 -l2 --jobserver-auth=3,4", "COLCON_PREFIX_PATH": "/other"}
    inner = workspace.colcon_variables(made, environment.WHEELS, outer)
    assert inner["MAKEFLAGS"] == f"-j{len(os.sched_getaffinity(0))}"
    assert "COLCON_PREFIX_PATH" not in inner


def test_compatibility_packages_only_where_the_machine_has_none(tmp_path: Path) -> None:
    marker = tmp_path / "share/ament_index/resource_index/packages/carla_msgs"
    marker.parent.mkdir(parents=True)
    marker.touch()
    packages = workspace.packages_to_build("jazzy", {"AMENT_PREFIX_PATH": str(tmp_path)})
    assert "carla_msgs" not in packages
    assert {"tf2_msgs", "autoware_control_msgs", "td3_driving_msgs", "td3_driving"} <= set(packages)


def test_own_installation_does_not_count_as_the_machines() -> None:
    assert not workspace.installed("carla_msgs", str(REPOSITORY / "install" / "carla_msgs"))


def test_digest_follows_contents_and_names(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = workspace.digest_of(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert workspace.digest_of(tmp_path) == first
    (tmp_path / "a.py").write_text("2")
    second = workspace.digest_of(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, workspace.digest_of(tmp_path)}) == 3


def build(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """tools/build.sh in a copy of the tools, so that it cannot touch this workspace."""
    (path / "tools").mkdir()
    (path / "tools" / "build.sh").write_text((REPOSITORY / "tools" / "build.sh").read_text())
    (path / "tools" / "workspace.py").write_text("print('built')")
    plain = {name: value for name, value in os.environ.items() if name not in ("ROS_DISTRO", "PYTHON")}
    command = ["bash", str(path / "tools" / "build.sh")]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, env={**plain, **variables})


def fake_python(path: Path, version: str) -> Path:
    """A program that answers the questions of the script as a Python of that version."""
    minor = version.split(".")[1]
    suits = f"(({minor} >= 10 && {minor} <= 12))"
    path.write_text(f'#!/bin/bash\ncase "$2" in *"sys.exit(not"*) {suits};; *print*) echo {version};; esac\n')
    path.chmod(0o755)
    return path


def test_wrong_python_is_named(tmp_path: Path) -> None:
    answer = build(tmp_path, PYTHON=str(fake_python(tmp_path / "old", "3.9")))
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: Python 3.10, 3.11 or 3.12 is needed, and")
    assert "is 3.9" in answer.stderr


def test_python_that_is_no_program_is_named(tmp_path: Path) -> None:
    answer = build(tmp_path, PYTHON="/no/such/python")
    assert (answer.returncode, answer.stderr) == (2, "error: PYTHON=/no/such/python is not a program\n")


def test_another_processor_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\necho aarch64\n")
    (tmp_path / "uname").chmod(0o755)
    answer = build(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: this machine is aarch64, and CARLA's library")


def test_the_python_of_an_opened_shell_is_the_workspaces_whatever_the_users_start_up_file_puts_first(
    tmp_path: Path,
) -> None:
    home, root = tmp_path / "home", tmp_path / "a workspace"
    for path in (home, root / "tools", root / ".venv" / "bin", root / "install"):
        path.mkdir(parents=True)
    for name in ("env.sh", "shell.bashrc"):
        shutil.copy(REPOSITORY / "tools" / name, root / "tools" / name)
    (root / ".venv" / "bin" / "activate").write_text(f'PATH="{root}/.venv/bin:$PATH"\n')
    (root / "install" / "setup.bash").write_text("SOURCED=yes\n")
    (home / ".bashrc").write_text("PATH=/shims:$PATH OWN=kept\ncd /\n")
    said = in_a_terminal([str(root / "tools" / "env.sh"), "bash"], "echo $OWN,$SOURCED,${PATH%%:*},\n", home)
    assert f"kept,yes,{root}/.venv/bin," in said


def in_a_terminal(command: list[str], typed: str, home: Path) -> str:
    """What a command shows to whoever types ``typed`` and ``exit`` into its terminal."""
    ours, its = pty.openpty()
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    child = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environ, start_new_session=True)
    os.close(its)
    os.write(ours, f"{typed}exit\n".encode())
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:
        pass  # Linux says so where the last other end of a terminal is closed.
    child.wait(timeout=HANG)
    os.close(ours)
    return said.decode()
