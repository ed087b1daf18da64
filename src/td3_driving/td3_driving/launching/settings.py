# SPDX-License-Identifier: Apache-2.0
"""``td3-driving settings``: every setting with its default, range, unit and meaning."""

from __future__ import annotations

import difflib
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from shutil import get_terminal_size
from typing import Any

from td3_driving.bounded import Bounded
from td3_driving.deploy.drive_settings import DRIVE_GROUPS
from td3_driving.deploy.limits import GATE_GROUPS
from td3_driving.doctor.command_line import CommandParser
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.settings import Settings

RUN: dict[str, type[Bounded]] = {spec.name: type(getattr(Settings(), spec.name)) for spec in fields(Settings)}
"""The groups of a run; that of the reward is made when the settings are."""
PROGRAMS: dict[str, Mapping[str, type[Bounded]]] = {
    "a run: --set NAME=VALUE, or a profile": RUN,
    "the gate on a vehicle: --params-file, section gate": GATE_GROUPS,
    "the drive node on a vehicle: --params-file, section drive": DRIVE_GROUPS,
}
"""Whose settings they are and where they are set: their groups."""


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """One setting in words."""

    name: str
    default: str
    allowed: str
    meaning: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the settings.

    Returns:
        0; 2 where nothing fits the search.
    """
    asked = _parser().parse_args(arguments)
    words = [*asked.words, *asked.search]
    width = min(get_terminal_size().columns, 120)
    found = {title: [one for one in entries(groups) if fits(one, words)] for title, groups in PROGRAMS.items()}
    if not any(found.values()):
        print(f"error: no setting has {' and '.join(words)} in its name or meaning{_near(words)}", file=sys.stderr)
        return BAD_INPUT
    for title, rows in found.items():
        if rows:
            print(f"\nOf {title}\n")
        for row in rows:
            print("\n".join(lines_of(row, width)))
    return 0


def entries(groups: Mapping[str, type[Bounded]]) -> Iterator[ListedSetting]:
    """The settings of groups in their order."""
    for group, kind in groups.items():
        for spec in fields(kind):  # type: ignore[arg-type]
            yield ListedSetting(
                f"{group}.{spec.name}", _value(spec.default), _allowed(spec.metadata), spec.metadata["meaning"]
            )


def fits(entry: ListedSetting, words: Sequence[str]) -> bool:
    """Whether every word is in the name or the meaning, whatever its case."""
    text = f"{entry.name} {entry.meaning}".lower()
    return all(word.lower() in text for word in words)


def lines_of(entry: ListedSetting, width: int) -> list[str]:
    """Name, default and range, then the meaning, in lines of at most ``width`` characters where words allow it."""
    head = f"{entry.name} = {entry.default}" + (f"   ({entry.allowed})" if entry.allowed else "")
    wrapped = textwrap.wrap(head, width, subsequent_indent="        ", break_long_words=False, break_on_hyphens=False)
    return wrapped + textwrap.wrap(entry.meaning, width, initial_indent="    ", subsequent_indent="    ")


def _allowed(metadata: Mapping[str, Any]) -> str:
    if "options" in metadata:
        return ", ".join(metadata["options"])
    if "known" in metadata:
        return ", ".join((*metadata["known"], "or an import path"))
    if "plugins" in metadata:
        return "import paths"
    low, high = metadata.get("each", (metadata.get("low"), metadata.get("high")))
    unit = f" {metadata['unit']}" if metadata.get("unit") else ""
    return "" if low is None else f"{_value(low)} .. {_value(high)}{unit}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return str(value) if value != "" else "''"


def _near(words: Sequence[str]) -> str:
    names = [entry.name for groups in PROGRAMS.values() for entry in entries(groups)]
    parts = {part: name for name in names for part in (name, name.partition(".")[2])}
    near = difflib.get_close_matches(" ".join(words), list(parts), n=1)
    return f"; did you mean {parts[near[0]]}?" if near else ""


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving settings", description="Print every setting with range and meaning.")
    parser.add_argument("words", nargs="*", default=[], metavar="WORD", help="as --search WORD")
    parser.add_argument(
        "--search", nargs="+", default=[], metavar="WORD", help="only settings with these words in name or meaning"
    )
    return parser
