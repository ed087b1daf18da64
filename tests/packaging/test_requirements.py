# SPDX-License-Identifier: Apache-2.0
"""What the program imports is declared, what is declared is pinned, and what is missing is named."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from td3_driving.cli import COMMANDS, main
from td3_driving.processes.extras import EXTRAS, MODULES, install, remedy

from ..shared.patience import HANG

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "src" / "td3_driving" / "td3_driving"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = ("ros.txt", "runtime.txt", "dev.txt", "live.txt")
PYTHONS = ("3.10", "3.11", "3.12")
IMPORTED_AS = {"opencv-python-headless": "cv2", "pyyaml": "yaml", "pillow": "PIL", "rerun-sdk": "rerun"} | {
    "mlflow-skinny": "mlflow"
}
"""Import names that differ from the names of the packages."""
OF_ROS = re.compile(
    r"rclpy|rcl_interfaces|launch|launch_ros|ament_index_python|builtin_interfaces|rosidl_\w+|.*_(msgs|srvs)$"
)
OF_ANOTHER_PROGRAM = {"stable_baselines3"}
"""Imported by the doctor's callback alone, which runs inside the program that has it."""
OF_USERS = {"wandb", "mlflow", "live"}
"""Loggers that some users have, and the live page; each is an extra of its own, and none is in ``all``."""
OF_DEVELOPERS = {"scenariogeneration"}
"""Imported by the script that writes the maps anew."""
BY_ANOTHER_PACKAGE = {"google": "tensorboard", "backports": "rosbags", "lz4": "rosbags", "direct": "panda3d"}
"""Modules that a declared package brings along."""


def imported() -> Iterator[tuple[Path, str]]:
    """Top-level names of all modules that the program imports from elsewhere, and where."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            yield from ((path, name.split(".")[0]) for name in names)


def foreign() -> set[str]:
    """The same without the standard library, ROS and the project itself."""
    known = sys.stdlib_module_names | {"td3_driving", "compression"} | OF_ANOTHER_PROGRAM
    names = {BY_ANOTHER_PACKAGE.get(name, name) for _, name in imported()}
    return {name for name in names if name not in known and not OF_ROS.fullmatch(name)}


def module_of(requirement: str) -> str:
    """The module that a requirement line brings."""
    name = canonicalize_name(Requirement(requirement).name)
    return IMPORTED_AS.get(name, name.replace("-", "_"))


def lines(file: str) -> list[str]:
    """The requirements of a file."""
    text = (REPOSITORY / "requirements" / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_pip_install_brings_what_is_imported() -> None:
    """Plain or with an extra; and the table by which a missing package is explained names that extra."""
    plain = {module_of(line) for line in PROJECT["dependencies"]}
    extras = {
        module_of(line): extra
        for extra, wanted in PROJECT["optional-dependencies"].items()
        if extra != "all"
        for line in wanted
    }
    wanted = foreign() - plain - OF_DEVELOPERS
    assert {name: MODULES.get(name) for name in wanted} == {name: extras.get(name, "undeclared") for name in wanted}


def test_what_is_missing_is_installed_by_a_command_that_brings_the_whole_extra() -> None:
    """The project itself is on no index, so ``pip install 'td3_driving[...]'`` would find nothing."""
    declared = {name: tuple(wanted) for name, wanted in PROJECT["optional-dependencies"].items() if name != "all"}
    assert declared == EXTRAS
    assert shlex.split(install("live")) == [sys.executable, "-m", "pip", "install", *EXTRAS["live"]]


def test_all_is_every_extra() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(everything).extras == PROJECT["optional-dependencies"].keys() - {"all", *OF_USERS}


def test_make_build_installs_what_is_imported() -> None:
    installed = {module_of(line) for file in ("runtime.txt", "dev.txt", "torch.txt") for line in lines(file)}
    assert foreign() - OF_USERS - {"rerun"} <= installed


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_once_for_every_python(python: str) -> None:
    machine = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    machine |= {"platform_python_implementation": "CPython", "platform_system": "Linux", "os_name": "posix"}
    pins = [Requirement(line) for line in lines("constraints.txt")]
    valid = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(machine)]
    names = [canonicalize_name(pin.name) for pin in valid]
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"==[\w.!]+", str(pin.specifier)) for pin in valid)
    wanted = {canonicalize_name(Requirement(line).name) for file in FILES for line in lines(file)}
    assert wanted <= set(names)


def test_a_pin_is_within_what_is_asked_for() -> None:
    pins = {canonicalize_name(pin.name): pin for pin in map(Requirement, lines("constraints.txt"))}
    for line in (line for file in FILES for line in lines(file)):
        asked = Requirement(line)
        (pinned,) = pins[canonicalize_name(asked.name)].specifier
        assert pinned.version in asked.specifier, line


@pytest.mark.parametrize(("command", "module"), [("export", "torch"), ("bundle", "onnx"), ("bundle", "cryptography")])
def test_a_command_without_what_it_needs_says_what_to_install(command: str, module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from td3_driving.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES.parent)}
    words = [sys.executable, "-c", code, command, "nowhere"]
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=HANG)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: td3-driving {command} needs {module}"), answer.stderr
    assert answer.stderr.endswith(f"not installed: {install(MODULES[module])}\n"), answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_missing_ros_is_told_and_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "make build" in remedy("td3_driving_msgs.msg") and "make build" in remedy("rclpy")
    assert remedy("td3_driving.learning.nowhere") == ""
    monkeypatch.setitem(COMMANDS, "broken", ("td3_driving.nowhere", "is not there"))
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        main(["broken"])
