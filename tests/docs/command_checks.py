# SPDX-License-Identifier: Apache-2.0
"""Whether a command that a page prints fits what the code takes: options, arguments, targets, files."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

from td3_driving.deploy.drive_settings import DRIVE_GROUPS
from td3_driving.deploy.limits import GATE_GROUPS
from td3_driving.launching.child import MODULES
from td3_driving.runs.profiles import load_profile, override, profile_path
from td3_driving.settings import GROUPS, Settings
from tools.reference.messages_page import definitions
from tools.reference.parsers import launch_files, make_targets, make_variables, parsers

from .blocks import ROOT, words

PLACEHOLDER = re.compile(r"[A-Z]{3,}|/path/to/.*|.*….*")
"""A word that stands for something of the reader's."""
OWN = re.compile(r"=my_\w+:\w+$")
"""The value of a setting that is a module of the reader's."""
FOREIGN = ("bash", "colcon", "source", "export", "pip", "docker", "openssl", "cd", "tensorboard", "…")
"""Programs that are not ours."""
FOREIGN_ROS = ("param", "bag", "pkg", "node", "lifecycle")
_KINDS: list[tuple[str, Any]] = [*GROUPS.items(), *GATE_GROUPS.items(), *DRIVE_GROUPS.items()]
PARAMETERS = {
    group: {spec.name for name, kind in _KINDS if name == group for spec in fields(kind)} for group, _ in _KINDS
}
"""Names of the settings of each group, of a run, of the gate and of the drive node."""


class Wrong(AssertionError):
    """The page prints a command that the code does not take."""


def check(text: str) -> None:
    """Check one command.

    Raises:
        Wrong: it does not fit the code; the sentence says why.
    """
    _, parts = words(text)
    if parts and parts[0] == "tools/env.sh":
        parts = parts[1:]
    if parts and parts[0] == "torchrun":
        parts = ["td3-driving", "train", *parts[parts.index("--") + 1 :]]
    if not parts or PLACEHOLDER.fullmatch(parts[0]) or parts[0] in FOREIGN:
        return
    head = Path(parts[0]).name
    checks: dict[str, Callable[[list[str]], object]] = {
        "make": _make,
        "td3-driving": _td3_driving,
        "td3-doctor": lambda rest: _parsed("doctor", rest),
        "ros2": _ros2,
        "python": _python,
    }
    if head in checks:
        checks[head](parts[1:])
    elif not (ROOT / parts[0]).is_file():
        raise Wrong(f"{parts[0]} is neither known nor a file of the repository")


def _make(rest: list[str]) -> None:
    targets, variables = make_targets(), make_variables()
    for word in rest:
        name, equals, value = word.partition("=")
        if equals and name not in variables:
            raise Wrong(f"make takes no variable {name}")
        if not equals and word not in targets:
            raise Wrong(f"make has no target {word}")
        if name == "PROFILE":
            profile_path(value)
        if name == "OPTIONS":
            _parsed("train", shlex.split(value))
        if name in ("STEPS", "SEED"):
            override(Settings(), [f"run.{name.lower()}={value}"])


def _td3_driving(rest: list[str]) -> None:
    if PLACEHOLDER.fullmatch(rest[0]) or rest[0] == "--version":
        return
    if rest[0] not in parsers():
        raise Wrong(f"td3-driving has no command {rest[0]}")
    if len(rest) > 1 and "--help" not in rest:
        _parsed(rest[0], rest[1:])


def _parsed(name: str, rest: list[str]) -> argparse.Namespace:
    """The command line as the parser of the command reads it; its settings and its profile are checked too."""
    parser = parsers()[name]
    options = [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in parser._option_string_actions]
    if unknown:
        raise Wrong(f"{name} has no option {', '.join(unknown)}")

    def fail(_: argparse.ArgumentParser, message: str) -> None:
        raise Wrong(f"{name}: {message}")

    with patch.object(argparse.ArgumentParser, "error", fail):
        asked = parser.parse_args(rest)
    profile = getattr(asked, "profile", None)
    base = load_profile(profile_path(profile)) if profile else Settings()
    given = getattr(asked, "assignments", None) or getattr(asked, "set", None) or ()
    override(base, [assignment for assignment in given if not OWN.search(assignment)])
    return asked


def _ros2(rest: list[str]) -> None:
    if rest == ["launch"] or rest[0] in FOREIGN_ROS or "…" in rest:
        return
    if rest[0] in ("topic", "service"):
        _graph(rest[0], [word for word in rest[1:] if not word.startswith("-")])
    elif rest[1] != "td3_driving":
        return
    elif rest[0] == "launch":
        _launch(rest[2], rest[3:])
    elif rest[0] == "run":
        _run(rest[2], rest[3:])
    else:
        raise Wrong(f"ros2 {rest[0]} is not known here")


def _graph(what: str, rest: list[str]) -> None:
    """``ros2 topic`` and ``ros2 service``: the name, and the type of a service."""
    page = (ROOT / "docs" / "reference" / "topics.md").read_text(encoding="utf-8")
    names = {name.replace("~", "drive").strip("/") for name in re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)}
    if len(rest) > 1 and rest[1].strip("/") not in names:
        raise Wrong(f"there is no {what} {rest[1]}")
    known = {f"td3_driving_msgs/srv/{path.stem}" for path in definitions()}
    if what == "service" and rest[2].startswith("td3_driving_msgs/") and rest[2] not in known:
        raise Wrong(f"there is no service type {rest[2]}")


def _launch(name: str, rest: list[str]) -> None:
    if name not in launch_files():
        raise Wrong(f"there is no launch file {name}")
    known = launch_files()[name][1]
    for word in rest:
        argument, given, value = word.partition(":=")
        if word == "--show-args":
            continue
        if not given or argument not in known:
            raise Wrong(f"{name} takes no argument {word}")
        choices = known[argument][1]
        if choices is not None and value not in choices:
            raise Wrong(f"{name}: {argument}:={value} is not one of {', '.join(choices)}")


def _run(name: str, rest: list[str]) -> None:
    if name not in MODULES:
        raise Wrong(f"ros2 run td3_driving has no {name}")
    for before, after in zip(rest, rest[1:]):
        group, _, key = after.partition(":=")[0].partition(".")
        if before == "-p" and group not in ("interface", "use_sim_time") and key not in PARAMETERS.get(group, ()):
            raise Wrong(f"{name} has no parameter {after}")
        if before == "--params-file" and not after.startswith("$") and not (ROOT / after).is_file():
            raise Wrong(f"there is no {after}")


def _python(rest: list[str]) -> None:
    if rest[0] == "-m":
        _module(rest[1], rest[2:])
        return
    script = ROOT / rest[0]
    if not script.is_file():
        raise Wrong(f"there is no {rest[0]}")
    _options(rest[0], rest[1:], script)


def _options(name: str, rest: list[str], script: Path) -> None:
    """Each option stands in a program or in what lies beside it."""
    source = "".join(path.read_text(encoding="utf-8") for path in script.parent.glob("*.py"))
    for option in (word for word in rest if word.startswith("--")):
        if f'"{option.partition("=")[0]}"' not in source:
            raise Wrong(f"{name} has no option {option}")


def _module(name: str, rest: list[str]) -> None:
    benchmarks = ROOT / "tests" / "benchmarks"
    home = name.partition(".")[0]
    if importlib.util.find_spec(home) is None and not (benchmarks / home).is_dir():
        raise Wrong(f"there is no module {name}")
    spec = importlib.util.find_spec(name) if (ROOT / home).is_dir() or home == "td3_driving" else None
    if spec is not None and spec.origin is not None:
        _options(name, rest, Path(spec.origin))
    paths = [word for word in rest if word.startswith("tests/")]
    if name in ("pytest", "coverage") and not all(list(ROOT.glob(word)) for word in paths):
        raise Wrong(f"one of {', '.join(paths)} does not exist")
