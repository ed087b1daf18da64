# SPDX-License-Identifier: Apache-2.0
"""Limits that protect the machine from hostile and from huge input."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, Mapping

import yaml

from td3_driving.doctor.errors import Unusable

LONGEST_LINE = 4 * 2**20
LONGEST_CONFIG = 2**18
MOST_SCALARS = 5_000_000
MOST_TAGS = 20_000
LONGEST_TAG = 500
DEEPEST = 12
ESTIMATE_AFTER = 50_000

Progress = Callable[[int], None]


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        Unusable: it is a folder, a pipe, a device or a socket, or it cannot be opened.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Unusable(f"{path} is no regular file")
        return os.fdopen(descriptor, "rb")
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from error


def text_lines(path: Path, progress: Progress | None = None) -> Iterator[str]:
    """The lines of a text file without their ends.

    Raises:
        Unusable: a line is longer than 4 MiB, or holds a zero byte: this is no text.
    """
    with open_regular(path) as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) >= LONGEST_LINE or b"\0" in line:
                raise Unusable(f"{path} is no text that can be read: line {number} is too long or holds zero bytes")
            if progress:
                progress(len(line))
            yield line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")


def small_text(path: Path, limit: int = LONGEST_CONFIG) -> str:
    """The whole text of a small file.

    Raises:
        Unusable: it is larger than ``limit`` bytes, or no UTF-8.
    """
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unusable(f"{path} is larger than {limit:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(f"{path} is not a configuration: it is no UTF-8 text") from error


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases; with them a few lines can expand to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("it holds YAML aliases, which are not read")
        return super().compose_node(parent, index)


def load_yaml(text: str) -> Any:
    """The content of a YAML text: plain data only, without aliases.

    Raises:
        ValueError: it is no such YAML, or it is nested too deeply.
    """
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def flatten(node: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """``("a/b/c", value)`` of every leaf of nested mappings; what lies deeper than 12 levels is left out."""
    for key, value in node.items():
        name = f"{prefix}/{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            if depth < DEEPEST:
                yield from flatten(value, name, depth + 1)
        else:
            yield name, value


def as_number(value: Any) -> float | None:
    """A number, or a text that is one; ``None`` for anything else, truth values included."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def whole(step: float) -> int:
    """A step as an integer; 0 if it is too large for one."""
    return int(step) if abs(step) < 2**63 else 0
