# SPDX-License-Identifier: Apache-2.0
"""Reads the ``.wandb`` file that Weights & Biases writes during a run, offline too.

The file is a log like LevelDB's (blocks of 32 KiB; per piece a CRC-32, a length and whether it is whole, first,
middle or last) of protocol buffers ``wandb_internal.Record``. The reader takes ``history`` (field 2: items with key
1, nested key 2, JSON value 16; step in field 2) and ``config`` (field 5: updates likewise).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO, Iterator

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.axes import Axes
from td3_driving.doctor.readers.bounds import Progress, flatten, open_regular
from td3_driving.doctor.readers.json_lines import scalars_of_row
from td3_driving.doctor.readers.wire import fields, varint
from td3_driving.doctor.scalars import ReadReport, Scalar

BLOCK = 32768
HEAD = struct.Struct("<IHB")
FILE_HEAD = b":W&B"
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LONGEST_RECORD = 16 * 2**20
HISTORY, CONFIG = 2, 5


def read_wandb(path: Path, report: ReadReport, progress: Progress | None = None) -> Iterator[Scalar]:
    """Yield the scalars of the history in the order of writing.

    Raises:
        Unusable: it does not begin like a ``.wandb`` file.
    """
    known: dict[frozenset[str], Axes] = {}
    config: dict[str, Any] = {}
    with open_regular(path) as file:
        for number, record in enumerate(_records(file, path, report, progress)):
            report.records = number + 1
            try:
                rows = list(_rows(record, config))
            except (ValueError, IndexError, struct.error, RecursionError):
                report.damage = f"cut short: record {number} is damaged; what follows it was not read"
                return
            report.texts["config"] = json.dumps(config) if config else ""
            for row in rows:
                for scalar in scalars_of_row(row, number, known):
                    report.scalars += 1
                    yield scalar


def _records(file: BinaryIO, path: Path, report: ReadReport, progress: Progress | None) -> Iterator[bytes]:
    if file.read(7)[:4] != FILE_HEAD:
        raise Unusable(f"{path} is not a .wandb file")
    file.seek(0)
    pieces: list[bytes] = []
    skip = 7
    while block := file.read(BLOCK):
        if progress:
            progress(len(block))
        for kind, piece in _pieces(block, skip):
            pieces = [*pieces, piece] if kind in (MIDDLE, LAST) else [piece]
            if sum(map(len, pieces)) > LONGEST_RECORD:
                raise Unusable(f"{path} holds a record of more than {LONGEST_RECORD:,} bytes")
            if kind in (WHOLE, LAST):
                yield b"".join(pieces)
                pieces = []
        skip = 0
    if pieces:
        report.damage = "cut short: the last record is half-written; the writer was interrupted or is still at work"


def _pieces(block: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + HEAD.size <= len(block):
        _, length, kind = HEAD.unpack_from(block, offset)
        offset += HEAD.size
        if kind not in (WHOLE, FIRST, MIDDLE, LAST):
            return
        yield kind, block[offset : offset + length]
        offset += length


def _rows(record: bytes, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number, kind, low, high in fields(record, 0, len(record)):
        if kind == 2 and number == CONFIG:
            config.update(_flat(_items(record, low, high, 1)))
        elif kind == 2 and number == HISTORY:
            row = {key: value for key, value in _flat(_items(record, low, high, 1)).items() if _is_number(value)}
            step = _history_step(record, low, high)
            if step is not None:
                row.setdefault("_step", step)
            yield row


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity")


def _flat(items: dict[str, Any]) -> dict[str, Any]:
    return dict(flatten(items))


def _items(record: bytes, low: int, high: int, wanted: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, kind, start, end in fields(record, low, high):
        if number == wanted and kind == 2:
            key, value = _item(record, start, end)
            found[key] = value
    return found


def _item(record: bytes, low: int, high: int) -> tuple[str, Any]:
    keys, text = [], "null"
    for number, kind, start, end in fields(record, low, high):
        if kind == 2 and number in (1, 2) and end > start:
            keys.append(record[start:end].decode("utf-8", "replace"))
        elif kind == 2 and number == 16:
            text = record[start:end].decode("utf-8", "replace")
    try:
        return "/".join(keys), json.loads(text)
    except ValueError:
        return "/".join(keys), None


def _history_step(record: bytes, low: int, high: int) -> int | None:
    for number, kind, start, end in fields(record, low, high):
        if number == 2 and kind == 2:
            for inner, inner_kind, at, _ in fields(record, start, end):
                if inner == 1 and inner_kind == 0:
                    return varint(record, at)[0]
    return None
