# SPDX-License-Identifier: Apache-2.0
"""Every command of README, CONTRIBUTING and the guides fits the code, and is run by a test or says what it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.reference.parsers import make_targets

from .blocks import GUIDES, ROOT, Command, blocks, commands, key, section
from .command_checks import Wrong, check

COMMANDS = [command for page in GUIDES for command in commands(page)]
CHECKED = [command for command in COMMANDS if not command.carried_out]


@pytest.mark.parametrize("command", CHECKED, ids=str)
def test_command_fits_the_code(command: Command) -> None:
    check(command.text)


def test_make_says_what_each_target_does() -> None:
    assert [target for target, meaning in make_targets().items() if not meaning] == []


def test_commands_are_found() -> None:
    texts = {command.text for command in COMMANDS}
    assert {"make train", "make test", "td3-driving deploy policy.zip"} <= texts
    assert len(COMMANDS) > 100


@pytest.mark.parametrize(
    "text",
    [
        "make fly",
        "make train STEP=5",
        "make train STEPS=0",
        "make train PROFILE=fast",
        "make train OPTIONS='--set learning.gama=0.9'",
        "make train OPTIONS='--set learning.gamma=2'",
        "make train OPTIONS=--stage2",
        "td3-driving judge runs/latest",
        "td3-driving evaluate runs/latest --route 5",
        "td3-driving doctor --brief",
        "tools/env.sh td3-driving export runs/latest --out policy.zip",
        "ros2 launch td3_driving fly.launch.py",
        "ros2 launch td3_driving train.launch.py simulator:=carle",
        "ros2 launch td3_driving train.launch.py stepz:=5",
        "ros2 run td3_driving gates",
        "ros2 run td3_driving gate --ros-args -p limit.steer:=1",
        "ros2 service call /drive/swap_bundle td3_driving_msgs/srv/Swap '{}'",
        "ros2 run td3_driving gate --ros-args -p limits.stear:=1",
        "ros2 run td3_driving gate --ros-args --params-file config/gate.yaml",
        "ros2 topic echo /td3/rewards",
        "ros2 service call gate/halt std_srvs/srv/Trigger",
        "torchrun --nnodes=2 -m td3_driving.launching.learners -- --profil quick",
        "python -m tools.headless http://127.0.0.1:9090/ page.png --second 60",
        "python docs/make_pictures.py",
        "python docs/make_picture.py runs/latest picture.png --colour 3",
        "python -m no_such_module",
        "tools/env.sh python -m pytest tests/nodes/test_nothing.py",
        "tools/vehicle.sh FOLDER",
        "telnet localhost",
    ],
)
def test_wrong_command_is_found(text: str) -> None:
    with pytest.raises((Wrong, ValueError)):
        check(text)


RUN_BY = {
    "make build": (".ci/run", "make test"),
    "make test": (".ci/run", "make test"),
    "pytest": (".ci/run", "make test"),
    "make lint": (".github/workflows/ci.yml", "make lint"),
    "make docs": (".github/workflows/ci.yml", "make docs"),
    "td3-driving replay": ("tests/bags/test_recorded_run.py", "main("),
    "td3-driving conformance": ("tests/conformance/test_conformance.py", "conformance"),
    "td3-driving evaluate": ("tests/evaluation/test_cli.py", "main("),
    "td3-driving deploy": ("tests/nodes/vehicle/test_deploy_vehicle.py", "deploy"),
    "td3-doctor": ("tests/doctor/test_wheel.py", "doctor.cli"),
    "td3_driving": ("tests/doctor/test_wheel.py", "tag_table"),
    "td3-driving enclaves": ("tests/trust/test_keystore.py", "main("),
    "td3-driving view": ("tests/launching/test_view.py", "view.main"),
    "td3-driving simulator": ("tests/launching/test_simulator_command.py", "simulator.main"),
    "tools": ("tests/docs/test_site.py", "tools.reference"),
}
"""Where a command is run that no tutorial runs: a file, and what stands in it."""
ROS = ("ros2", "source")
"""The name of these alone says that they need ROS 2."""
NEED = re.compile(r"CARLA|GPU|vehicle|minute|hour|Docker|an environment of its own|remove|by hand|of yours|renew|mends")
"""What the text around a command says if nothing runs it."""


SHELL = re.compile(r"`tools/env\.sh bash`|environment of (its own|yours)|Install it")
"""Where a page says in which shell its commands are found without ``tools/env.sh``."""
OWN = re.compile(r"([A-Z_0-9]+=\S+ )*(td3-driving|td3-doctor|python3?|pip) ")
"""How a command begins that an ordinary shell does not find."""


@pytest.mark.parametrize(
    "page", [page for page in GUIDES if page.parent.name != "tutorials"], ids=lambda page: page.stem
)
def test_commands_of_a_block_are_found_by_the_shell_that_the_page_names(page: Path) -> None:
    """Tutorials say it on top and are carried out."""
    text = page.read_text(encoding="utf-8")
    bare = [line for block in blocks(page) if block.language != "python" for line in block.code.splitlines()]
    bare = [line for line in bare if OWN.match(line.removeprefix("$ "))]
    assert not bare or SHELL.search(text), f"which shell finds {bare[0]!r}?"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_setting_has_a_set_of_its_own(page: Path) -> None:
    """``--set a.b=1 c.d=2`` is refused as an unknown argument."""
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"--set\s+[a-z_]+\.[a-z_]+=[^\s'`]+\s+[a-z_]+\.[a-z_]+=", text)


CARRIED_OUT = {key(command.text) for command in COMMANDS if command.carried_out}


@pytest.mark.parametrize("command", CHECKED, ids=str)
def test_command_is_run_or_says_what_it_needs(command: Command) -> None:
    name = key(command.text)
    if name in CARRIED_OUT or name in ROS:
        return
    if name in RUN_BY:
        where, word = RUN_BY[name]
        assert word in (ROOT / where).read_text(encoding="utf-8"), f"{where} does not run it"
        return
    assert NEED.search(section(command)), f"nothing runs {name!r}, and the text does not say what it needs"
