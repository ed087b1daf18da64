"""Scalars of a TensorBoard event file, read as a stream.

An event file is a sequence of TFRecords: length (uint64, little endian), masked CRC-32C of the length (uint32),
payload, masked CRC-32C of the payload (uint32). A payload is one ``tensorflow.Event`` protocol buffer; of it are read
``wall_time`` (field 1, double), ``step`` (2, varint), ``file_version`` (3) and ``summary`` (5), whose values carry a
tag (1) and either ``simple_value`` (2, float) or a ``tensor`` (8). Memory does not grow with the file. A tail that a
running or a killed writer left half-written ends the stream; it is reported, it is no error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO, Iterator, NamedTuple

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.readers.bounds import Progress, open_regular

FILE_MARK = "tfevents"
# A longer record is an image, a graph or a film; it is passed over without being loaded.
LONGEST_RECORD = 16 * 2**20
BLOCK = 2**20
MOST_TEXTS = 64
LONGEST_TEXT = 2**18
DT_STRING = 7
# dtype of a TensorProto -> struct code of its raw content
DTYPES = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 19: "e", 22: "I", 23: "Q"}

_HEADER = struct.Struct("<QI")
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")


class Scalar(NamedTuple):
    """One point of one series: tag, step as written, value, wall time [s]."""

    tag: str
    step: int
    value: float
    wall: float


@dataclass
class ReadReport:
    """What happened while one file was read."""

    path: str
    scalars: int = 0
    records: int = 0
    damage: str = ""
    texts: dict[str, str] = field(default_factory=dict)


def read_scalars(path: Path, report: ReadReport, progress: Progress | None = None) -> Iterator[Scalar]:
    """Yield the scalars of ``path`` in the order in which they were written.

    Args:
        path: event file.
        report: filled while the stream is consumed: counts, text summaries, damage at the end of the file.
        progress: called with the number of bytes consumed since the last call.

    Raises:
        Unusable: the file cannot be opened, is empty, or does not begin like an event file.
    """
    with open_regular(path) as file:
        yield from _scalars_of(file, path, report, progress)


def _scalars_of(file: BinaryIO, path: Path, report: ReadReport, progress: Progress | None) -> Iterator[Scalar]:
    _require_event_file(file, path)
    for payload in _records(file, report, progress):
        report.records += 1
        usual = _usual_event(payload)
        if usual is not None:
            report.scalars += 1
            yield usual
            continue
        try:
            found = list(_event(payload, report))
        except (ValueError, IndexError, struct.error):
            report.damage = f"record {report.records} is not an event; what follows it was not read"
            return
        report.scalars += len(found)
        yield from found


def _require_event_file(file: BinaryIO, path: Path) -> None:
    header = file.read(_HEADER.size)
    if not header:
        raise Unusable(f"{path} is empty")
    if not is_event_file(header):
        raise Unusable(f"{path} is not a TensorBoard event file")
    file.seek(0)


def is_event_file(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is one."""
    return len(head) >= _HEADER.size and masked_crc32c(head[:8]) == _HEADER.unpack_from(head)[1]


def _records(file: BinaryIO, report: ReadReport, progress: Progress | None) -> Iterator[bytes]:
    """Payloads of the TFRecords; stops, and says so, at the first that is incomplete."""
    buffer, offset = b"", 0
    while True:
        if len(buffer) - offset < _HEADER.size:
            buffer, offset = _refill(file, buffer, offset, BLOCK, progress), 0
            if len(buffer) < _HEADER.size:
                break
        length, crc = _HEADER.unpack_from(buffer, offset)
        if length > BLOCK and masked_crc32c(buffer[offset : offset + 8]) != crc:
            report.damage = f"a record claims {length} bytes; what follows it was not read"
            return
        end = offset + _HEADER.size + length + 4
        if length > LONGEST_RECORD:
            if not _passed_over(file, end - len(buffer), progress):
                report.damage = f"a record claims {length} bytes, more than the file has"
                return
            buffer, offset = b"", 0
            continue
        if len(buffer) < end:
            end -= offset
            buffer, offset = _refill(file, buffer, offset, max(BLOCK, end), progress), 0
            if len(buffer) < end:
                break
        yield buffer[offset + _HEADER.size : end - 4]
        offset = end
    if len(buffer) > offset:
        report.damage = "the last record is half-written: the writer was interrupted or is still at work"


def _passed_over(file: BinaryIO, count: int, progress: Progress | None) -> bool:
    """Whether the file has ``count`` more bytes, which are skipped."""
    here = file.tell()
    left = file.seek(0, 2) - here
    file.seek(here + min(count, left))
    if progress:
        progress(min(count, left))
    return count <= left


def _refill(file: BinaryIO, buffer: bytes, offset: int, wanted: int, progress: Progress | None) -> bytes:
    more = file.read(wanted)
    if progress and more:
        progress(len(more))
    return buffer[offset:] + more


def _usual_event(payload: bytes) -> Scalar | None:
    """The scalar of a record as nearly all are: wall time, step, one short tag, ``simple_value``; else ``None``.

    Ten times as fast as :func:`_event`, which reads any record.
    """
    size = len(payload)
    if size < 20 or payload[0] != 0x09 or payload[9] != 0x10:
        return None
    step, offset = payload[10], 11
    if step >= 0x80:
        step &= 0x7F
        for shift in range(7, 64, 7):
            byte = payload[offset]
            offset += 1
            step |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            if offset + 8 > size:
                return None
    # Lengths below 128 take one byte; each must reach exactly to the end of the record.
    tag_end = size - 5
    if payload[offset : offset + 5] != bytes((0x2A, size - offset - 2 & 0xFF, 0x0A, size - offset - 4 & 0xFF, 0x0A)):
        return None
    if size - offset > 129 or payload[offset + 5] != tag_end - offset - 6 or payload[tag_end] != 0x15 or step >= 2**63:
        return None
    tag = payload[offset + 6 : tag_end].decode("utf-8", "replace")
    return Scalar(tag, step, _FLOAT.unpack_from(payload, tag_end + 1)[0], _DOUBLE.unpack_from(payload, 1)[0])


def _event(payload: bytes, report: ReadReport) -> Iterator[Scalar]:
    wall, step, summary = 0.0, 0, None
    for number, kind, start, end in fields(payload, 0, len(payload)):
        if number == 1 and kind == 1:
            wall = _DOUBLE.unpack_from(payload, start)[0]
        elif number == 2 and kind == 0:
            step = varint(payload, start)[0]
        elif number == 5 and kind == 2:
            summary = (start, end)
    if summary is None:
        return
    step = step - 2**64 if step >= 2**63 else step
    for number, kind, start, end in fields(payload, *summary):
        if number == 1 and kind == 2:
            value = _summary_value(payload, start, end, report)
            if value is not None:
                yield Scalar(value[0], step, value[1], wall)


def _summary_value(payload: bytes, start: int, end: int, report: ReadReport) -> tuple[str, float] | None:
    tag, value, tensor = "", None, None
    for number, kind, low, high in fields(payload, start, end):
        if number == 1 and kind == 2:
            tag = payload[low:high].decode("utf-8", "replace")
        elif number == 2 and kind == 5:
            value = _FLOAT.unpack_from(payload, low)[0]
        elif number == 8 and kind == 2:
            tensor = (low, high)
    if value is None and tensor is not None:
        value = _tensor(payload, tensor[0], tensor[1], tag, report)
    return None if value is None else (tag, value)


def _tensor(payload: bytes, start: int, end: int, tag: str, report: ReadReport) -> float | None:
    """The value of a one-element numeric tensor; texts are kept in the report, anything else is passed over."""
    dtype, raw, values = 0, b"", []
    for number, kind, low, high in fields(payload, start, end):
        if number == 1 and kind == 0:
            dtype = varint(payload, low)[0]
        elif number == 4 and kind == 2:
            raw = payload[low:high]
        elif number == 8 and kind == 2:
            _keep_text(report, tag, payload[low:high])
        elif number in (5, 6, 7, 10, 11):
            values += _typed_values(payload, number, kind, low, high)
    if dtype == DT_STRING:
        return None
    code = DTYPES.get(dtype)
    if raw and code and len(raw) == struct.calcsize("<" + code):
        values = [float(struct.unpack("<" + code, raw)[0])]
    return values[0] if len(values) == 1 else None


def _typed_values(payload: bytes, number: int, kind: int, low: int, high: int) -> list[float]:
    """Elements of ``float_val`` (5), ``double_val`` (6), ``int_val`` (7), ``int64_val`` (10) or ``bool_val`` (11)."""
    if number in (5, 6):
        reader = _FLOAT if number == 5 else _DOUBLE
        return [float(value) for (value,) in reader.iter_unpack(payload[low:high])]
    values, offset = [], low
    while offset < high:
        value, offset = varint(payload, offset)
        values.append(float(value - 2**64 if value >= 2**63 else value))
        if kind == 0:
            break
    return values


def _keep_text(report: ReadReport, tag: str, content: bytes) -> None:
    name = tag.removesuffix("/text_summary")
    if not name.startswith("custom_scalars") and len(report.texts) < MOST_TEXTS and len(content) <= LONGEST_TEXT:
        report.texts.setdefault(name, content.decode("utf-8", "replace"))


def fields(payload: bytes, offset: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """``(field number, wire type, start, end)`` of every field of the message in ``payload[offset:end]``."""
    while offset < end:
        key = payload[offset]
        offset += 1
        if key & 0x80:
            key, offset = varint(payload, offset - 1)
        kind = key & 7
        start = offset
        if kind == 2:
            length, start = varint(payload, offset)
            offset = start + length
        elif kind == 0:
            offset = varint(payload, offset)[1]
        elif kind in (1, 5):
            offset += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if offset > end:
            raise ValueError("a field is longer than its message")
        yield key >> 3, kind, start, offset


def varint(payload: bytes, offset: int) -> tuple[int, int]:
    """``(value, offset behind it)`` of the base-128 integer at ``offset``."""
    value = shift = 0
    while True:
        byte = payload[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
        if shift > 63:
            raise ValueError("an integer is longer than 64 bits")


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def masked_crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of ``data``, rotated and offset as TFRecords store it."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
