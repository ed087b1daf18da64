# SPDX-License-Identifier: Apache-2.0
"""Cuts an untrusted byte stream into msgpack messages; builds nothing before a message is complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from td3_driving.carla_server.decoding import LONGEST_TEXT, MOST_ITEMS

LONGEST_MESSAGE = 256 * 2**10
"""Size limit of an ordinary call [bytes]."""
LONGEST_DOCUMENT = 25 * 2**20
"""Size limit of a call that carries one long text, such as an OpenDRIVE document [bytes]."""
CALL_ITEMS = 4
"""Items of a request: type, number, method, arguments."""
LIMITS = {"max_bin_len": LONGEST_TEXT, "max_array_len": MOST_ITEMS, "max_map_len": 0, "max_ext_len": 0}


class FramingError(ValueError):
    """The data is no message, or exceeds the size limit."""


class Framer:
    """Collects bytes and returns whole messages."""

    def __init__(self) -> None:
        self._scanner = self._new_scanner()
        self._bytes = bytearray()
        self._start = 0

    @staticmethod
    def _new_scanner() -> Any:
        return msgpack.Unpacker(max_buffer_size=LONGEST_DOCUMENT + 2**20, use_list=True, **LIMITS)

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that are complete with ``data``.

        Raises:
            FramingError: the stream cannot be used any more.
        """
        self._bytes += data
        try:
            self._scanner.feed(data)
            yield from self._messages()
        except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
            raise FramingError(f"no msgpack message: {error}") from error
        if len(self._bytes) > LONGEST_DOCUMENT:
            raise FramingError(f"a message of more than {LONGEST_DOCUMENT} bytes")

    def _messages(self) -> Iterator[Any]:
        taken = 0
        while self._skipped():
            end = self._scanner.tell() - self._start
            message = self._bytes[taken:end]
            taken = end
            yield unpacked(message)
        if taken:
            del self._bytes[:taken]
            self._start += taken

    def _skipped(self) -> bool:
        try:
            self._scanner.skip()
        except msgpack.OutOfData:
            return False
        return True


def unpacked(message: bytes | bytearray) -> Any:
    """One complete message; a long one may only be a request with one long text in it.

    Raises:
        ValueError: it is too long, or nested too deep.
    """
    if len(message) <= LONGEST_MESSAGE:
        return msgpack.unpackb(message, use_list=True, **LIMITS)
    unpacker = msgpack.Unpacker(max_buffer_size=len(message), use_list=True, **LIMITS)
    unpacker.feed(message)
    if unpacker.read_array_header() != CALL_ITEMS:
        raise ValueError("a long message that is no request")
    head = [_small(unpacker, message) for _ in range(CALL_ITEMS - 1)]
    count = unpacker.read_array_header()
    return [*head, [_small(unpacker, message) for _ in range(min(count, 8))]]


def _small(unpacker: Any, message: bytes | bytearray) -> Any:
    """The next item: a text of any length, or something small."""
    before = unpacker.tell()
    if 0xD9 <= message[before] <= 0xDB or 0xA0 <= message[before] <= 0xBF:
        return unpacker.unpack()
    unpacker.skip()
    if unpacker.tell() - before > LONGEST_TEXT:
        raise ValueError("a long message with something long in it that is no text")
    return msgpack.unpackb(message[before : unpacker.tell()], use_list=True, **LIMITS)
