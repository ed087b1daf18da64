# SPDX-License-Identifier: Apache-2.0
"""Scalars of a TensorBoard event file, read as a stream.

An event file is a sequence of TFRecords: length (uint64, little endian), masked CRC-32C of the length (uint32),
payload, masked CRC-32C of the payload (uint32). A payload is one ``tensorflow.Event`` protocol buffer, which
TensorBoard's own class takes apart. Memory does not grow with the file. A file that is cut short, by a killed or a
running writer, is read up to the cut, and the report says so. A record with a wrong checksum is left out, and the
report says how many are; behind a damaged length nothing is read.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import BinaryIO, Iterator

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.messages import WHO
from td3_driving.doctor.readers.bounds import Progress, open_regular
from td3_driving.doctor.scalars import ReadReport, Scalar

FILE_MARK = "tfevents"
# A longer record is an image, a graph or a film. It is skipped and never loaded, as a parsed record can take a hundred
# times its size.
LONGEST_RECORD = 2**19
BLOCK = 2**20
LONGEST_CHECKED = 4096
"""Bytes of the longest record whose checksum is computed: points and names are shorter, pictures and films are not."""
MOST_TEXTS = 64
LONGEST_TEXT = 2**18
# dtype of a TensorProto -> struct code of its raw content
DTYPES = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 19: "e", 22: "I", 23: "Q"}

_HEADER = struct.Struct("<QI")
_FRAME = _HEADER.size + 4
_LENGTH = struct.Struct("<Q")


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
        _require_event_file(file, path)
        yield from _scalars(file, report, progress)


def _scalars(file: BinaryIO, report: ReadReport, progress: Progress | None) -> Iterator[Scalar]:
    for payloads in _blocks(file, report, progress):
        try:
            for event in map(Event.FromString, payloads):
                report.records += 1
                values = event.summary.value
                if values:
                    step, wall = event.step, event.wall_time
                for value in values:
                    # Asking for presence is slow. A number that is not 0 is present.
                    number = value.simple_value or _other_value(value, report)
                    if number is not None:
                        report.scalars += 1
                        yield Scalar(value.tag, step, number, wall)
        except DecodeError:
            report.damage = f"cut short: record {report.records + 1} is no event; what follows it was not read"
            return


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


def _blocks(file: BinaryIO, report: ReadReport, progress: Progress | None) -> Iterator[list[bytes]]:
    """Payloads of the TFRecords, block by block; stops, and says so, at the first record that is incomplete."""
    buffer = b""
    left_out = 0
    while True:
        records, end = _whole_records(buffer)
        sound = _sound_lengths(buffer, records)
        payloads = _sound_payloads(buffer, records[:sound])
        left_out += sound - len(payloads)
        if left_out:
            report.wrong = f"{left_out} record(s) of {report.path} with a wrong checksum were left out"
        yield payloads
        if sound < len(records):
            report.wrong = f"the length of a record of {report.path} has a wrong checksum; what follows it was not read"
            return
        buffer = buffer[end:]
        missing = _missing(buffer, report)
        if missing is None:
            return
        if missing > LONGEST_RECORD:
            if not _passed_over(file, missing, progress):
                report.damage = f"cut short: a record claims {missing:,} bytes more than the file has"
                return
            buffer = b""
            continue
        more = file.read(max(BLOCK, missing))
        if not more:
            break
        if progress:
            progress(len(more))
        buffer += more
    if buffer:
        report.damage = "cut short: the last record is half-written; the writer was interrupted or is still at work"


def _whole_records(buffer: bytes) -> tuple[list[tuple[int, int]], int]:
    """Start and end of the records that are complete in ``buffer``, and where the bytes behind them begin."""
    records: list[tuple[int, int]] = []
    offset, size = 0, len(buffer)
    while offset + _HEADER.size <= size:
        end = offset + _FRAME + _LENGTH.unpack_from(buffer, offset)[0]
        if end > size:
            break
        records.append((offset, end))
        offset = end
    return records, offset


def _sound_lengths(buffer: bytes, records: list[tuple[int, int]]) -> int:
    """How many of the first records have a length with a right checksum."""
    starts = np.array([start for start, _ in records], dtype=np.int64)
    right = _checked(buffer, starts, np.full(len(records), _LENGTH.size))
    return len(records) if right.all() else int(np.argmin(right))


def _sound_payloads(buffer: bytes, records: list[tuple[int, int]]) -> list[bytes]:
    """The payloads whose checksums are right; of long ones none is computed."""
    bounds = [(start + _HEADER.size, end - 4) for start, end in records]
    short = [index for index, (start, end) in enumerate(bounds) if end - start <= LONGEST_CHECKED]
    starts = np.array([bounds[index][0] for index in short], dtype=np.int64)
    lengths = np.array([bounds[index][1] - bounds[index][0] for index in short], dtype=np.int64)
    wrong = {short[index] for index in np.flatnonzero(~_checked(buffer, starts, lengths))}
    return [buffer[start:end] for index, (start, end) in enumerate(bounds) if index not in wrong]


def _checked(buffer: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the masked CRC-32C behind each piece of ``buffer`` is that of the piece; all pieces side by side."""
    if not len(starts):
        return np.ones(0, dtype=bool)
    data, table = np.frombuffer(buffer, dtype=np.uint8), np.array(_crc_table(), dtype=np.uint32)
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    crc = np.full(len(starts), 0xFFFFFFFF, dtype=np.uint32)
    # So many pieces have a byte at each place; the longest ones come first.
    active = np.searchsorted(-lengths, -np.arange(int(lengths[0])), side="left")
    for place, count in enumerate(active):
        part = crc[:count]
        crc[:count] = table[(part ^ data[starts[:count] + place]) & 0xFF] ^ (part >> np.uint32(8))
    crc = ~crc
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
    places = (starts + lengths)[:, None] + np.arange(4)
    stored = data[places].astype(np.uint32) @ np.array([1, 2**8, 2**16, 2**24], dtype=np.uint32)
    right = np.empty(len(starts), dtype=bool)
    right[order] = masked == stored
    return right


def _missing(buffer: bytes, report: ReadReport) -> int | None:
    """Bytes that the first record of ``buffer`` lacks; ``None``, and damage noted, if its length cannot be true."""
    if len(buffer) < _HEADER.size:
        return _HEADER.size - len(buffer)
    length, crc = _HEADER.unpack_from(buffer)
    if length > BLOCK and masked_crc32c(buffer[:8]) != crc:
        report.damage = f"cut short: a record claims {length:,} bytes; what follows it was not read"
        return None
    return int(length) + _FRAME - len(buffer)


def _passed_over(file: BinaryIO, count: int, progress: Progress | None) -> bool:
    """Skip ``count`` bytes; whether the file has so many."""
    here = file.tell()
    left = file.seek(0, 2) - here
    file.seek(here + min(count, left))
    if progress:
        progress(min(count, left))
    return count <= left


def _other_value(value: Event, report: ReadReport) -> float | None:
    """The number of a summary value that is 0 or a tensor; ``None`` for what is no number."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return 0.0
    return _tensor_value(value.tensor, value.tag, report) if kind == "tensor" else None


def _tensor_value(tensor: TensorProto, tag: str, report: ReadReport) -> float | None:
    """The value of a one-element numeric tensor; a text is kept in the report, anything else is passed over."""
    if tensor.dtype == DT_STRING:
        for content in tensor.string_val[:1]:
            _keep_text(report, tag, content)
        return None
    code = DTYPES.get(tensor.dtype)
    if code and len(tensor.tensor_content) == struct.calcsize("<" + code):
        return float(struct.unpack("<" + code, tensor.tensor_content)[0])
    columns = (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val, tensor.bool_val)
    values = [float(column[0]) for column in columns if len(column) == 1]
    return values[0] if len(values) == 1 else None


def _keep_text(report: ReadReport, tag: str, content: bytes) -> None:
    name = tag.removesuffix("/text_summary")
    if not name.startswith("custom_scalars") and len(report.texts) < MOST_TEXTS and len(content) <= LONGEST_TEXT:
        text = content.decode("utf-8", "replace")
        report.texts[name] = text if name == WHO else report.texts.get(name, text)


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
