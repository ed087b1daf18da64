# SPDX-License-Identifier: Apache-2.0
"""The files of a replay memory on disk: reserved at their full size, of known length, described by a checked header."""

from __future__ import annotations

import json
import math
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HEADER = "header.json"
STREAMS = "streams.json"
COUNTERS = "counters.i64"
COUNTS = 3
"""Numbers in the file of counters, each followed by its complement in a second row: begun, committed, inserted."""


NO_POSITION = -1
CHECKSUM_BYTES = 4
"""Bytes of the checksum, which ends a record."""


class ReplayError(RuntimeError):
    """The replay memory cannot be made, does not belong to this run, or is damaged beyond use."""


@dataclass(frozen=True, slots=True)
class SlotShape:
    """What one slot holds: a frame of this shape, vectors of these lengths, a reward of at most this size."""

    frame: tuple[int, ...]
    state_dim: int
    privileged_dim: int
    greatest_reward: float = math.inf


def record_type(shape: SlotShape) -> np.dtype[Any]:
    """One slot without its frame. ``previous`` is a position; ``ordinal`` counts transitions, this one included."""
    return np.dtype(
        [
            ("position", np.int64),
            ("previous", np.int64),
            ("ordinal", np.int64),
            ("sequence", np.int64),
            ("reward", np.float64),
            ("state", np.float32, (shape.state_dim,)),
            ("privileged", np.float32, (shape.privileged_dim,)),
            ("action", np.float32, (2,)),
            ("teacher", np.float32, (2,)),
            ("episode", np.uint32),
            ("step", np.uint32),
            ("stream", np.uint32),
            ("terminated", np.bool_),
            ("truncated", np.bool_),
            ("final", np.bool_),
            ("crc", np.uint32),
        ]
    )


def open_files(directory: Path, header: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Make the files in ``directory``, or see that those there are of this run and of their length.

    Args:
        header: what the memory must have been made for.
        sizes: bytes of each file.

    Returns:
        One sentence for each file that had another length. It has the right one after this; what was cut off is 0.

    Raises:
        ReplayError: the header is damaged or that of another run, or the disk is too small.
    """
    if not (directory / HEADER).exists():
        _require_space(directory, sizes)
        for name, size in sizes.items():
            _reserve(directory / name, size, "wb")
        write_checked(directory / STREAMS, {"streams": []})
        write_checked(directory / HEADER, header)
        return []
    check_header(directory / HEADER, header)
    return [said for name, size in sizes.items() if (said := _restore_length(directory / name, size))]


def check_header(path: Path, wanted: Mapping[str, Any]) -> None:
    """Raise :class:`ReplayError` unless the memory at ``path`` was made for ``wanted``."""
    found = read_checked(path)
    for key, value in wanted.items():
        if found.get(key) != value:
            raise ReplayError(
                f"{path.parent} is the replay memory of another run: {key} is {found.get(key)!r}, "
                f"this run has {value!r}"
            )


def write_checked(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` with its checksum, so that ``path`` is the old file or the new one, never a part of it."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**content, "crc32": _checksum(content)}))
    temporary.replace(path)


def read_checked(path: Path) -> dict[str, Any]:
    """The content that :func:`write_checked` wrote.

    Raises:
        ReplayError: it is not readable, or its checksum is not the one on record.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReplayError(f"{path} is not readable: {error}") from error
    if not isinstance(content, dict):
        raise ReplayError(f"{path} is not readable: it holds a {type(content).__name__}")
    # A header without a checksum is of an earlier format; its first difference to the wanted one says so.
    if "crc32" in content and content.pop("crc32") != _checksum(content):
        raise ReplayError(f"{path} is damaged: its checksum is not the one on record")
    return content


def next_session(directory: Path, actor: str, now_ns: int) -> int:
    """A session of ``actor`` that is newer than those in the memory in ``directory``, be the clock behind them or not.

    Args:
        now_ns: time of this machine; the session where it is later than all of them, or where they cannot be read.
    """
    try:
        known = [int(session) for name, session in read_checked(directory / STREAMS)["streams"] if name == actor]
    except (ReplayError, KeyError, TypeError, ValueError):
        known = []
    return max([now_ns, *(session + 1 for session in known)])


def steps_in(directory: Path) -> int:
    """Environment steps ever put into the memory in ``directory``; 0 where that cannot be read."""
    try:
        counters = np.fromfile(directory / COUNTERS, np.int64)
    except OSError:
        return 0
    if len(counters) != 2 * COUNTS or not (counters[:COUNTS] == ~counters[COUNTS:]).all():
        return 0
    return int(counters[COUNTS - 1])


def _checksum(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(dict(content), sort_keys=True).encode())


def _require_space(directory: Path, sizes: Mapping[str, int]) -> None:
    """A disk that is too small shows here, not hours later."""
    directory.mkdir(parents=True, exist_ok=True)
    needed, free = sum(sizes.values()), shutil.disk_usage(directory).free
    if needed > free:
        raise ReplayError(
            f"the replay memory needs {needed / 1e9:.2f} GB in {directory}, {free / 1e9:.2f} GB are free;"
            " lower replay.capacity or choose another disk"
        )


def _restore_length(path: Path, size: int) -> str:
    """Bring ``path`` to ``size`` bytes; one sentence if it had others."""
    found = path.stat().st_size if path.exists() else 0
    if found == size:
        return ""
    if found > size:
        os.truncate(path, size)
    else:
        _reserve(path, size, "ab")
    return f"{path} had {found:,} bytes instead of {size:,}"


def _reserve(path: Path, size: int, mode: str) -> None:
    with open(path, mode) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise ReplayError(f"cannot reserve {size / 1e9:.2f} GB for {path}: {error}") from error
