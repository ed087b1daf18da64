# SPDX-License-Identifier: Apache-2.0
"""The wire format of protocol buffers, for messages whose classes are not installed."""

from __future__ import annotations

from typing import Iterator


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
