# SPDX-License-Identifier: Apache-2.0
"""The doctor alone: it imports nothing else of the project, nor torch or ROS, and runs without them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from td3_driving.doctor.tag_table import tag_table

from ..shared.patience import HANG

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[2]
DOCTOR = ROOT / "src/td3_driving/td3_driving/doctor"
WHEEL = tomllib.loads((ROOT / "tools/doctor_wheel/pyproject.toml").read_text())["project"]
MODULES = {"pyyaml": "yaml", "protobuf": "google"}
# What only a bag, or only the callback, needs.
OPTIONAL = {
    "bag.py": {"rosbags"},
    "readers/bag_guard.py": {"backports", "compression", "lz4"},
    "callbacks.py": {"torch", "stable_baselines3"},
}
BLOCKED = ("torch", "rclpy", "tensorflow", "rosbags", "stable_baselines3", "cv2", "panda3d", "safetensors")


def imported(path):
    """Every module that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", sorted(DOCTOR.rglob("*.py")), ids=lambda path: path.relative_to(DOCTOR).as_posix())
def test_only_what_the_wheel_depends_on_is_imported(path):
    allowed = {MODULES.get(name, name) for name in WHEEL["dependencies"]}
    allowed |= OPTIONAL.get(path.relative_to(DOCTOR).as_posix(), set())
    for module in imported(path):
        top = module.partition(".")[0]
        assert module.startswith("td3_driving.doctor") or top in allowed | sys.stdlib_module_names, module


def test_it_runs_alone(tmp_path, write_events, healthy, samples):
    """A copy of the package under a namespace, with everything else of the project and its libraries out of reach."""
    shutil.copytree(DOCTOR, tmp_path / "alone" / "td3_driving" / "doctor")
    write_events(tmp_path / "run" / "events.out.tfevents.1", samples(healthy()))
    blocks = "".join(f"sys.modules[{name!r}] = None\n" for name in BLOCKED)
    code = f"import sys\n{blocks}from td3_driving.doctor.cli import main\nsys.exit(main(sys.argv[1:]))"
    files = [tmp_path / name for name in ("report.html", "report.json")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run"), "--html", str(files[0]), "--json", str(files[1])],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "alone")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert all(file.stat().st_size for file in files)


def test_a_bag_without_its_reader_is_refused(tmp_path):
    (tmp_path / "a.mcap").write_bytes(b"x")
    code = (
        "import sys\nsys.modules['rosbags'] = None\n"
        "from td3_driving.doctor.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(DOCTOR.parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path / "a.mcap")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 2
    assert "install the package rosbags" in done.stderr


def test_the_table_of_tags_in_the_documentation_is_the_code_s():
    assert (ROOT / "docs/doctor_tags.md").read_text() == tag_table()
