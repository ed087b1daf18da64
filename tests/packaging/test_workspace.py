# SPDX-License-Identifier: Apache-2.0
"""What colcon and the links of the repository make of the packages."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ..shared.other_python import printed_by
from ..shared.patience import HANG

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "td3_driving"
WITH_ROS = ("nodes",)
WITH_TORCH = ("learning", "export")
ROS_MODULES = re.compile(r"rclpy|rcl_interfaces|launch|launch_ros|builtin_interfaces|.*_msgs$")
COMPAT = sorted(path.parent for path in (REPOSITORY / "src" / "compat").glob("*/package.xml"))


def colcon_types(*base_paths: Path) -> dict[str, str]:
    """Package -> type, as colcon identifies it."""
    pytest.importorskip("colcon_core", reason="colcon is not in this environment")
    command = [sys.executable, "-m", "colcon", "--log-base", os.devnull, "--log-level", "error", "list"]
    answer = subprocess.run(
        [*command, "--base-paths", *map(str, base_paths)], capture_output=True, text=True, timeout=HANG, check=True
    )
    rows = [line.split("\t") for line in answer.stdout.splitlines()]
    return {name: kind.strip("()") for name, _, kind in rows}


def modules(folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((PACKAGE / "td3_driving" / folder).rglob("*.py"))


def folders_but(left_out: tuple[str, ...]) -> list[str]:
    """All packages but some."""
    found = {path.name for path in (PACKAGE / "td3_driving").iterdir() if any(path.glob("*.py"))}
    assert found >= set(left_out)
    return sorted(found - set(left_out))


def imported(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_plain_colcon_finds_the_two_packages_with_their_types() -> None:
    assert colcon_types(REPOSITORY) == {"td3_driving": "ros.ament_python", "td3_driving_msgs": "ros.ament_cmake"}


def test_compatibility_packages_are_found_when_asked_for() -> None:
    names = ("ackermann_msgs", "autoware_control_msgs", "autoware_vehicle_msgs", "carla_msgs", "derived_object_msgs")
    assert colcon_types(*COMPAT) == dict.fromkeys((*names, "tf2_msgs"), "ros.ament_cmake")


@pytest.mark.parametrize("name", ["launch", "config"])
def test_links_lead_to_the_top_level(name: str) -> None:
    assert (PACKAGE / name).is_symlink()
    assert (PACKAGE / name).resolve() == REPOSITORY / name
    assert not os.path.isabs(os.readlink(PACKAGE / name))


@pytest.mark.parametrize("folder", ["launch", "config"])
def test_every_launch_and_config_file_is_installed(folder: str) -> None:
    share = REPOSITORY / "install" / "td3_driving" / "share" / "td3_driving"
    if not share.is_dir():
        pytest.skip("the workspace is not built")
    wanted = {path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*.*") if path.is_file()}
    there = {path.relative_to(share) for path in (share / folder).rglob("*.*")}
    assert {path for path in wanted if "__pycache__" not in path.parts} <= there


@pytest.mark.parametrize("package", [PACKAGE, REPOSITORY / "src/td3_driving_msgs", *COMPAT], ids=lambda path: path.name)
def test_manifest_names_licence_and_build_type(package: Path) -> None:
    root = ET.parse(package / "package.xml").getroot()
    assert root.get("format") == "3"
    assert root.findtext("name") == package.name
    assert root.findtext("license") == "Apache-2.0"
    kind = "ament_python" if (package / "setup.py").exists() else "ament_cmake"
    assert root.findtext("export/build_type") == kind


def test_versions_agree() -> None:
    stated = re.search(r'__version__ = "(.+)"', (PACKAGE / "td3_driving/__init__.py").read_text())
    assert stated is not None
    for package in ("td3_driving", "td3_driving_msgs"):
        assert ET.parse(REPOSITORY / "src" / package / "package.xml").getroot().findtext("version") == stated[1]
    released = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", (REPOSITORY / "CHANGELOG.md").read_text(), re.M)
    assert released[:1] in ([], [stated[1]]), "the newest version in the changelog is that of the packages"


def test_every_ros_package_that_is_imported_is_a_dependency() -> None:
    declared = {element.text for element in ET.parse(PACKAGE / "package.xml").getroot().iter("exec_depend")}
    used = {name for path in modules(WITH_ROS) for name in imported(path) if ROS_MODULES.fullmatch(name)}
    assert used <= declared


@pytest.mark.parametrize("package", [REPOSITORY / "src/td3_driving_msgs", *COMPAT], ids=lambda path: path.name)
def test_every_interface_is_built(package: Path) -> None:
    listed = set(re.findall(r'"((?:msg|srv)/\w+\.(?:msg|srv))"', (package / "CMakeLists.txt").read_text()))
    assert listed == {str(path.relative_to(package)) for path in package.glob("*/*.[ms][sr][gv]")}


def test_core_knows_no_ros() -> None:
    offenders = {str(path): imported(path) for path in modules(folders_but(WITH_ROS))}
    assert {path: names for path, names in offenders.items() if any(map(ROS_MODULES.fullmatch, names))} == {}


def test_only_learning_and_export_know_torch() -> None:
    """But for the doctor's callback, which is imported by those alone who have Stable-Baselines3."""
    callback = PACKAGE / "td3_driving/doctor/callbacks.py"
    assert [
        str(path) for path in modules(folders_but(WITH_TORCH)) if "torch" in imported(path) and path != callback
    ] == []


@pytest.mark.parametrize(
    "module", ["td3_driving.driving.observation", "td3_driving.doctor.cli", "td3_driving.launching.train"]
)
def test_what_a_vehicle_or_a_person_runs_loads_neither_torch_nor_ros(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('torch', 'rclpy') if name in sys.modules])"
    assert printed_by(code, PACKAGE).strip() == "[]"
