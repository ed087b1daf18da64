# SPDX-License-Identifier: Apache-2.0
"""Every command with its options, every launch file with its arguments, every executable, every target of make."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator

from td3_driving.cli import COMMANDS
from td3_driving.launching.child import MODULES
from tools.reference.markdown import code, page, plain, table
from tools.reference.parsers import Argument, launch_files, make_targets, parsers
from tools.reference.source import module

OPENING = """
`td3-driving` is the command of an installed workspace. From the folder of the sources, `tools/env.sh td3-driving …`
is the same. `td3-driving COMMAND --help` prints what stands here.
"""


def commands_page() -> str:
    """The page as Markdown."""
    parts = ["## td3-driving", *(_command(name, parser) for name, parser in parsers().items())]
    parts += ["## ros2 launch td3_driving", *(_launch(*item) for item in launch_files().items())]
    parts += ["## ros2 run td3_driving", table(("executable", "what it is"), _executables())]
    parts += [
        "## make",
        table(("target", "does"), ((code(f"make {name}"), said) for name, said in make_targets().items())),
    ]
    return page("Commands", OPENING, parts)


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    rows = [(_name(action), _default(action), _meaning(action)) for action in actions]
    text = plain(parser.description) or COMMANDS[name][1]
    return f"### {name}\n\n{text}\n\n" + table(("option", "default", "meaning"), rows)


def _name(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if isinstance(value, tuple):
        value = " ".join(value)
    if action.option_strings and action.nargs == 0:
        value = ""
    if action.choices is not None and not action.metavar:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    more = " …" if action.nargs in ("+", "*") else ""
    return code(f"{', '.join(action.option_strings)} {value}{more}".strip())


def _default(action: argparse.Action) -> str:
    if action.default in (None, False, argparse.SUPPRESS) or action.default == [] or action.default == ():
        return ""
    default = action.default
    return code(" ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default))


def _meaning(action: argparse.Action) -> str:
    values = {**vars(action), "prog": ""}
    return plain((action.help or "") % values if action.help else "")


def _launch(name: str, described: tuple[str, dict[str, Argument]]) -> str:
    text, arguments = described
    rows = []
    for argument, (default, choices, meaning) in arguments.items():
        allowed = ", ".join(code(choice) for choice in choices or () if choice)
        rows.append((code(argument), "must be given" if default is None else code(default), allowed, meaning))
    return f"### {name}\n\n{plain(text)}\n\n" + table(("argument", "default", "allowed", "meaning"), rows)


def _executables() -> Iterator[tuple[str, str]]:
    for name, where in MODULES.items():
        yield code(name), plain(ast.get_docstring(module(where).tree)).partition("\n\n")[0]
