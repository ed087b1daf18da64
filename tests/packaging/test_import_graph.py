# SPDX-License-Identifier: Apache-2.0
"""The layers of the packages, and what the tool that prints them finds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..shared.patience import HANG

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / "tools" / "import_graph.py"
SOURCES = REPOSITORY / "src" / "td3_driving" / "td3_driving"


def printed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The tool, run as a person runs it."""
    return subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, timeout=HANG)


def planted(folder: Path, **modules: str) -> Path:
    """A tree of sources: module, with __ between its parts, and its text."""
    for name, text in modules.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_no_arrow_between_the_packages_runs_up() -> None:
    answer = printed()
    assert (answer.stderr, answer.returncode) == ("", 0)
    rows = {row.split()[1]: row for row in answer.stdout.splitlines()}
    folders = {path.name for path in SOURCES.iterdir() if any(path.glob("*.py"))} - {"nodes"}
    assert folders <= rows.keys()
    assert rows["doctor"].split() == ["0", "doctor"], "the doctor imports nothing of ours"


def test_the_guide_for_contributors_shows_these_layers() -> None:
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| (\d) \| (.+) \|$", guide, re.M))
    for row in printed().stdout.splitlines():
        level, package = row.split()[:2]
        assert re.search(rf"\b{package.rpartition('.')[2]}\b", shown[level]), row


def test_every_room_of_the_nodes_is_a_package_of_its_own() -> None:
    rooms = {f"nodes.{path.name}" for path in (SOURCES / "nodes").iterdir() if any(path.glob("*.py"))}
    assert rooms <= {row.split()[1] for row in printed().stdout.splitlines()}
    assert {path.name for path in (SOURCES / "nodes").glob("*.py")} <= {"__init__.py"}


def test_an_arrow_upwards_is_named_wherever_it_is_written(tmp_path: Path) -> None:
    low = "def later():\n    from td3_driving.nodes.ros import qos\n    return qos\n"
    answer = printed(planted(tmp_path, driving__reward=low, nodes__ros__qos="", nodes__ros____init__=""))
    assert answer.returncode == 1
    assert answer.stderr == "error: driving imports nodes.ros (1 times): an arrow up\n"


@pytest.mark.parametrize(
    "text",
    [
        'OF = "td3_driving.learning.td3:TD3"',
        'OF = {"td3": "td3_driving.learning.td3"}',
        'def later(name):\n    return f"td3_driving.learning.{name}:Name"',
        'OF = "td3_driving.learning." + "td3"',
    ],
)
def test_an_arrow_upwards_is_named_where_a_text_carries_it(tmp_path: Path, text: str) -> None:
    answer = printed(planted(tmp_path, settings=text, learning__td3=""))
    assert answer.returncode == 1
    assert answer.stderr == "error: settings imports learning (1 times): an arrow up\n"


@pytest.mark.parametrize("text", ["td3_driving.rviz", "see td3_driving.learning.td3", "td3_driving_msgs.learning"])
def test_a_text_that_names_no_module_is_no_arrow(tmp_path: Path, text: str) -> None:
    answer = printed(planted(tmp_path, settings=f"TEXT = {text!r}", learning__td3=""))
    assert (answer.returncode, answer.stderr) == (0, "")


def test_packages_of_one_layer_do_not_know_each_other(tmp_path: Path) -> None:
    two = {"sim__world": "import td3_driving.learning.td3\n", "learning__td3": "from td3_driving.sim import world\n"}
    answer = printed(planted(tmp_path, **two))
    assert answer.returncode == 1
    assert [line.split(" (")[0] for line in answer.stderr.splitlines()] == [
        "error: learning imports sim",
        "error: sim imports learning",
    ]


def test_arrows_are_counted_once_for_each_name(tmp_path: Path) -> None:
    text = "from td3_driving.driving.route import Route, RoutePlace\nfrom td3_driving.settings import Settings\n"
    answer = printed(planted(tmp_path, sim__world=text, driving__route="", settings=""), "--dot")
    assert answer.returncode == 0
    arrows = [line.strip() for line in answer.stdout.splitlines() if "->" in line]
    assert arrows == ['"sim" -> "driving" [label=2]', '"sim" -> "settings" [label=1]']


def test_a_package_without_a_layer_is_named(tmp_path: Path) -> None:
    answer = printed(planted(tmp_path, elsewhere__new="from td3_driving import settings\n", settings=""))
    assert (answer.returncode, answer.stderr) == (1, "error: elsewhere has no layer\n")
