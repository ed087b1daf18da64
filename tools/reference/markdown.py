# SPDX-License-Identifier: Apache-2.0
"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HEAD = "<!-- Made by `python -m tools.reference` from the code: change the code, not this page. -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line ends inside a cell are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def code(text: str) -> str:
    """``text`` as inline code; empty text stays empty."""
    return f"`{text}`" if text else ""


def page(title: str, text: str, parts: Iterable[str]) -> str:
    """A page of a title, an opening text and parts, with one empty line between them."""
    return "\n".join([HEAD, f"# {title}\n", text.strip() + "\n", *(part.rstrip() + "\n" for part in parts)])


def plain(docstring: str | None) -> str:
    """A docstring as Markdown: double backticks become single ones, roles lose their name."""
    text = (docstring or "").strip().replace("``", "`")
    return text.replace(":class:", "").replace(":func:", "").replace(":mod:", "").replace(":meth:", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
