# SPDX-License-Identifier: Apache-2.0
"""The messages and services of the project, from their definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tools.reference.markdown import code, page, table

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "td3_driving_msgs"
OPENING = """
What the nodes say to each other, in the package `td3_driving_msgs`. Units are SI; stamps are simulation time unless a
field says otherwise. `uint8 NAME=VALUE` is a constant.
"""
LINE = re.compile(r"(?P<kind>\S+)\s+(?P<name>\w+(?:=\S+)?)\s*(?:#\s*(?P<meaning>.*))?$")


def messages_page() -> str:
    """The page as Markdown."""
    return page("Messages", OPENING, map(_definition, definitions()))


def definitions() -> list[Path]:
    """The files of the definitions: messages, then services."""
    return [*sorted(PACKAGE.glob("msg/*.msg")), *sorted(PACKAGE.glob("srv/*.srv"))]


def purpose(path: Path) -> str:
    """Return the comment at the top of a definition."""
    return " ".join(line[1:].strip() for line in _head(path.read_text(encoding="utf-8")))


def _head(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line


def _definition(path: Path) -> str:
    head, *parts = path.read_text(encoding="utf-8").split("\n---\n")
    names = ("request", "answer") if parts else ("field",)
    tables = [table(("type", name, "meaning"), _fields(text)) for name, text in zip(names, (head, *parts))]
    return f"## {path.stem}\n\n{purpose(path)}\n\n" + "\n".join(tables)


def _fields(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        found = None if line.startswith("#") else LINE.match(line)
        if found:
            yield code(found["kind"]), code(found["name"]), found["meaning"] or ""
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"a line that is no field: {line!r}")
