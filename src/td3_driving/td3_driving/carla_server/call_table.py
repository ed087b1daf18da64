# SPDX-License-Identifier: Apache-2.0
"""The page of all calls, made from the table that answers them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from td3_driving.carla_server import server
from td3_driving.carla_server.batch import ORDERS
from td3_driving.carla_server.blueprints import CLIENT_SIDE, NOT_SERVED, SENSORS
from td3_driving.carla_server.records import CHANGES, VERSION
from td3_driving.carla_server.rpc import TABLE, Method
from td3_driving.doctor.command_line import CommandParser

COMMAND = "python -m td3_driving.carla_server.call_table"
HEAD = f"""# Calls of the CARLA stand-in

Every method that `td3-driving carla-server` answers, for the client {VERSION}; written by `{COMMAND}`.
A method that is not here is answered with an error that names it. [What the server is](carla_server.md).

"""


def page() -> str:
    """The page as Markdown."""
    methods = sorted(TABLE.values(), key=lambda method: method.group)
    groups = [_group(name, list(members)) for name, members in groupby(methods, key=lambda method: method.group)]
    return HEAD + "\n".join([*groups, _batch(), _sensors(), _changes()])


def _group(name: str, methods: list[Method]) -> str:
    rows = [f"| `{method.name}` | {'yes' if method.waits else 'no'} | {method.summary} |" for method in methods]
    return _section(name[:1].upper() + name[1:], "| method | the client waits | what it does |", "|---|---|---|", rows)


def _batch() -> str:
    rows = ["| 0 | `SpawnActor` | spawns, and carries out what follows for the new actor |"]
    rows += [
        f"| {number} | `{order.name}` | as `{order.run.__name__.strip('_')}` |" for number, order in ORDERS.items()
    ]
    return _section("Commands of a batch", "| number | command | what it does |", "|---|---|---|", rows)


def _named(function: Callable[..., object]) -> str:
    return "set_vehicle_light_state" if function.__name__ == "_lamps" else function.__name__


def _sensors() -> str:
    rows = [f"| `{name}` | {'by the client itself' if name in CLIENT_SIDE else 'yes'} |" for name in SENSORS]
    rows += [f"| `{name}` | no: {reason} |" for name, reason in NOT_SERVED.items()]
    return _section("Sensors", "| blueprint | served |", "|---|---|", rows)


def _changes() -> str:
    rows = [f"| {name} | {change} |" for name, change in CHANGES.items()]
    return _section("Where older releases differ", "| layout | difference |", "|---|---|", rows)


def _section(title: str, head: str, rule: str, rows: list[str]) -> str:
    return "\n".join((f"## {title}", "", head, rule, *rows)) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` return 1 where it differs."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the page is out of date")
    asked = parser.parse_args(arguments)
    made = page()
    if not asked.check:
        asked.page.write_text(made, encoding="utf-8")
        return 0
    if asked.page.is_file() and asked.page.read_text(encoding="utf-8") == made:
        return 0
    print(f"{asked.page} is out of date; run: {COMMAND} {asked.page}", file=sys.stderr)
    return 1


CALLS = server.CALLS
"""What fills the table."""

if __name__ == "__main__":
    sys.exit(main())
