# SPDX-License-Identifier: Apache-2.0
"""A test of several processes that fails may be begun once more, as ``make test`` allows it; nothing else may."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..shared.patience import HANG
from ..shared.scheduling import has_processes
from .test_scheduling import ROOT, items

CONFTEST = """
import pytest
from tests.conftest import pytest_collection_modifyitems

@pytest.fixture
def domain_id():
    return 0
"""
TESTS = """
from pathlib import Path

def begun(name):
    mark = Path(__file__).with_name(name)
    mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
    return len(mark.read_text())

def test_unsteady(domain_id):
    assert begun("unsteady") == 2, "the first try heard nothing"

def test_broken(domain_id):
    assert begun("broken") == 0, "never right"

def test_alone():
    assert begun("alone") == 2, "no process is here"
"""


def outcome(folder: Path, test: str, *options: str) -> tuple[int, str]:
    """The exit status of pytest for one test, and what it says."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_unsteadiness.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-c", os.devnull, "--rootdir", str(folder), *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, f"{folder}/test_unsteadiness.py::{test}"],
        env=clean | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src" / "td3_driving")])},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    return done.returncode, done.stdout + done.stderr


ALLOWED = ("--max-suite-reruns", "3", "--rerun-show-tracebacks")


@pytest.mark.parametrize(
    ("test", "options", "status"),
    [
        ("test_unsteady", ALLOWED, 0),
        ("test_unsteady", (), 1),
        ("test_unsteady", ("--max-suite-reruns", "0"), 1),
        ("test_broken", ALLOWED, 1),
        ("test_alone", ALLOWED, 1),
    ],
)
def test_who_gets_a_second_try(tmp_path: Path, test: str, options: tuple[str, ...], status: int) -> None:
    code, said = outcome(tmp_path, test, *options)
    assert code == status, said


def test_the_first_failure_is_shown(tmp_path: Path) -> None:
    _, said = outcome(tmp_path, "test_unsteady", *ALLOWED)
    assert "RERUN test_unsteadiness.py::test_unsteady" in said
    assert "the first try heard nothing" in said
    assert "1 passed, 1 rerun" in said


def test_tests_with_processes_are_known() -> None:
    named = (
        "tests/carla_server/test_actors.py::test_a",
        "tests/learning/test_ranks.py::test_a",
        "tests/x/test_graph.py::test_a",
    )
    assert all(map(has_processes, items(*named)))
    assert not any(map(has_processes, items("tests/doctor/test_cli.py::test_a", "tests/docs/test_site.py::test_a")))
