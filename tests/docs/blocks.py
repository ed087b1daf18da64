# SPDX-License-Identifier: Apache-2.0
"""Code blocks and commands out of Markdown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GUIDES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("tutorials/*.md")),
)
"""Pages that people write; those below ``docs/reference`` are made from the code."""
MARK = re.compile(r"Needs (a vehicle|CARLA|a GPU|the ROS 2 command line|a recorded run)|Takes (minutes|hours)")
"""How the paragraph above a block begins if the tests do not run the block."""
FENCE = re.compile(r'^(?P<fence>`{3,})(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\s*$')
HEADS = ("make", "td3-driving", "td3-doctor", "tools/", "ros2", "python", "pip", "docker", "colcon", "…")
"""First words by which code within a line of text is known as a command."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: file that it stands in.
        line: number of its first line.
        language: word after the fence, may be empty.
        title: name of the file that the block is, may be empty.
        code: its text.
        above: the paragraph right above it.
    """

    page: Path
    line: int
    language: str
    title: str
    code: str
    above: str

    @property
    def mark(self) -> str:
        """Why the tests do not run it; empty if they do."""
        found = MARK.match(self.above.strip("*_ "))
        return found[0] if found else ""


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: a block does not end.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence:
            end = next((at for at in range(number + 1, len(lines)) if lines[at].strip() == fence["fence"]), None)
            if end is None:
                raise ValueError(f"{page}:{number + 1}: the block does not end")
            code = "\n".join(lines[number + 1 : end])
            yield Block(page, number + 1, fence["language"], fence["title"] or "", code, _above(lines[:number]))
            number = end
        number += 1


def _above(lines: list[str]) -> str:
    text = "\n".join(lines).rstrip()
    return text.rpartition("\n\n")[2]


@dataclass(frozen=True)
class Command:
    """A command as a page prints it.

    Attributes:
        page, line: where it stands.
        text: the command without comment.
        carried_out: whether it stands in a block of a tutorial that the tests run.
    """

    page: Path
    line: int
    text: str
    carried_out: bool = False

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line} {self.text}"


def commands(page: Path) -> list[Command]:
    """Every command of a page, in blocks and within the text; a command per ``&&``."""
    found: list[Command] = []
    inside: set[int] = set()
    for block in blocks(page):
        inside |= set(range(block.line, block.line + len(block.code.splitlines()) + 2))
        if block.language in ("", "bash", "console") and not block.title:
            found += _of_block(block)
    text = page.read_text(encoding="utf-8")
    prose = "\n".join("" if number in inside else line for number, line in enumerate(text.splitlines(), 1))
    for match in re.finditer(r"`([^`]+)`", prose):
        line, code = prose.count("\n", 0, match.start()) + 1, " ".join(match[1].split())
        if _is_command(code):
            found += [Command(page, line, part) for part in _parts(code)]
    return found


def _of_block(block: Block) -> Iterator[Command]:
    code = re.sub(r"\s*\\\n\s*", " ", block.code)
    for line in code.splitlines():
        text = re.sub(r"\s+#\s.*$", "", line).strip().removeprefix("$ ")
        if (
            text
            and not text.startswith("#")
            and (block.language or _is_command(text.split("=")[-1]) or _is_command(text))
        ):
            for part in _parts(text):
                yield Command(block.page, block.line, part, block.page.parent.name == "tutorials" and not block.mark)


def _is_command(text: str) -> bool:
    words = re.sub(r"^([A-Z_0-9]+=\S+ )+", "", text).split()
    return len(words) > 1 and words[0].startswith(HEADS) and not words[0].endswith(".py")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"&&|\s\|\s", text)]


def words(text: str) -> tuple[dict[str, str], list[str]]:
    """Variables set before a command, and its words."""
    parts = shlex.split(text)
    variables = {}
    while parts and re.match(r"[A-Z_0-9]+=", parts[0]):
        name, _, value = parts.pop(0).partition("=")
        variables[name] = value
    return variables, parts


def key(text: str) -> str:
    """Which command it is, whatever its options: ``make train``, ``td3-driving export``, ``docs/make_picture.py``."""
    _, parts = words(text)
    if parts and parts[0] == "tools/env.sh":
        parts = parts[1:]
    if parts[:1] == ["make"]:
        return " ".join(["make", *(word for word in parts[1:2] if "=" not in word)])
    if parts[:2] == ["td3-driving", "train"]:
        return "make train"
    if parts[:1] in (["td3-driving"], ["pip"], ["colcon"], ["docker"]):
        return " ".join(parts[:2])
    if parts[:1] == ["python"]:
        return parts[2].partition(".")[0] if parts[1] == "-m" else parts[1]
    return parts[0] if parts else ""


def section(command: Command) -> str:
    """The text from the heading above a command to the next one, and the opening of its page."""
    text = command.page.read_text(encoding="utf-8")
    lines = text.splitlines()
    above = [at for at in range(command.line) if lines[at].startswith("#")]
    below = [at for at in range(command.line, len(lines)) if lines[at].startswith("## ")]
    own = lines[above[-1] if above else 0 : below[0] if below else len(lines)]
    return "\n".join([*own, *text.split("\n\n")[:2]])
