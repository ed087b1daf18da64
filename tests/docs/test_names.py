# SPDX-License-Identifier: Apache-2.0
"""Names that the guides mention amid their sentences are those of the code: settings, options, arguments, topics."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tools.reference.parsers import launch_files, make_variables, parsers

from .blocks import GUIDES, ROOT, blocks
from .command_checks import PARAMETERS

THIS = Path(__file__).resolve()
SETTING = re.compile(r"(?<![\w./~-])([a-z_]+)\.([a-z_0-9]+)\b(?![(.])")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
ARGUMENT = re.compile(r"(?<![\w.])([a-z_]+):=")
VARIABLE = re.compile(r"(?<![\w.])([A-Z]{3,}[A-Z_]*)=")
TOPIC = re.compile(r"/?(?:td3|carla|gate|policy|drive|manual)/[\w/]+")
ENDINGS = {"py", "md", "yaml", "json", "zip", "html", "launch", "csv", "png"}
"""What follows the dot of a file's name."""
FOREIGN_OPTIONS = {
    "--max-suite-reruns",  # pytest
    *("--symlink-install", "--packages-select"),  # colcon
    *("--ros2", "--sync", "--list", "--weather"),  # CARLA and its examples
    *("--node-rank", "--master-addr", "--nproc-per-node"),  # torchrun
    *("--logdir", "--build", "--layout", "--show-args"),  # tensorboard, docker, plotjuggler, ros2 launch
}
FOREIGN_ARGUMENTS = {"synchronous_mode_wait_for_vehicle_control_command"}
FOREIGN_TOPICS = {"carla/weather_control", "carla/debug_marker", "carla/ego_vehicle/rgb_rear/image"}
"""Of the CARLA bridge, and of a camera that a tutorial adds."""
READERS_OWN = {"reward.time_to_collision"}
"""A term that a tutorial lets its reader make."""
OF_THE_SHELL = re.compile(
    r"PYTHONPATH|ROS_DOMAIN_ID|CARLA(_ROOT)?|NAME|TAG|SERIES|SDL_VIDEODRIVER|MLFLOW_\w+|FASTDDS_\w+|ROS_AUTOMATIC_\w+"
)
"""Variables that no make of ours takes, and capitals that stand for a name."""


@cache
def topics() -> set[str]:
    """Topics and services of the reference, without the slash before them; ``~`` is the node drive."""
    page = (ROOT / "docs" / "reference" / "topics.md").read_text(encoding="utf-8")
    return {name.replace("~", "drive").lstrip("/") for name in re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)}


@cache
def options() -> set[str]:
    """Of our commands, and those that a script of the repository spells out."""
    ours = {option for parser in parsers().values() for option in parser._option_string_actions}
    scripts = [path for folder in ("tests", "tools") for path in (ROOT / folder).rglob("*.py") if path != THIS]
    texts = [text for text in (path.read_text(encoding="utf-8") for path in scripts) if "add_argument" in text]
    return ours | {option for text in texts for option in re.findall(r'"(--[a-z][\w-]*)"', text)}


@cache
def arguments() -> set[str]:
    """Of all launch files, and parameters that stand alone."""
    return {name for _, known in launch_files().values() for name in known} | {"use_sim_time", "interface"}


def wrong_names(code: str) -> list[str]:
    """What a piece of code within a sentence names and the project does not have."""
    found = []
    for group, name in SETTING.findall(code):
        known = PARAMETERS.get(group)
        if known is not None and name not in known | ENDINGS and f"{group}.{name}" not in READERS_OWN:
            found.append(f"there is no setting {group}.{name}")
    found += [f"no option {name}" for name in OPTION.findall(code) if name not in options() | FOREIGN_OPTIONS]
    found += [f"no argument {name}" for name in ARGUMENT.findall(code) if name not in arguments() | FOREIGN_ARGUMENTS]
    variables = (name for name in VARIABLE.findall(code) if not OF_THE_SHELL.fullmatch(name))
    found += [f"make takes no {name}" for name in variables if name not in make_variables()]
    if TOPIC.fullmatch(code) and code.lstrip("/") not in topics() | FOREIGN_TOPICS:
        found.append(f"there is no topic {code}")
    return found


def spans(page: Path) -> list[str]:
    """The pieces of code within the sentences and tables of a page."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.code, "")
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_names_of_a_page_are_those_of_the_code(page: Path) -> None:
    assert {code: said for code in spans(page) if (said := wrong_names(code))} == {}


@pytest.mark.parametrize(
    "code",
    [
        "learning.gama",
        "limits.stear=0.5",
        "--stagd",
        "view:=true --brieff",
        "bundel:=policy.zip",
        "STEP=200",
        "td3/rewards",
        "/gate/state",
    ],
)
def test_a_wrong_name_is_seen(code: str) -> None:
    assert len(wrong_names(code)) == 1


def test_right_names_are_found_right() -> None:
    right = (
        "learning.gamma=0.9",
        "--staged",
        "view:=true",
        "STEPS=200",
        "td3/reward",
        "policy.zip",
        "drive/swap_bundle",
    )
    assert [wrong_names(code) for code in right] == [[]] * len(right)
