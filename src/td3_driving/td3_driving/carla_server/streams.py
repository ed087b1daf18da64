# SPDX-License-Identifier: Apache-2.0
"""Sends snapshots and sensor data, one TCP connection per stream and client.

A client connects and names a stream in four bytes; from then on every message is a length and that many bytes.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)
MOST_CONNECTIONS = 512
MOST_UNSENT = 64 * 2**20
"""Bytes queued for a slow client before messages to it are dropped."""
NAMED_WITHIN = 10.0
"""Time in which a client must name its stream [s]."""
LENGTH = struct.Struct("<I")
TOKEN = struct.Struct("<IHBB16x")
TCP, ADDRESS_OF_THE_CALLS = 1, 0


class Listener(asyncio.Protocol):
    """One client of one stream."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._wanted = b""
        self._deadline: Any = None
        self.stream = 0
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the number of the stream."""
        self.transport = transport
        if not self._streams.arrived(self):
            transport.abort()
            return
        self._deadline = asyncio.get_running_loop().call_later(NAMED_WITHIN, self._give_up)

    def _give_up(self) -> None:
        if self.stream == 0:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """The number of the stream; more never comes from a client, and is thrown away."""
        if self.stream:
            return
        self._wanted += data[:4]
        if len(self._wanted) >= LENGTH.size:
            (self.stream,) = LENGTH.unpack(self._wanted[: LENGTH.size])
            self._deadline.cancel()
            self._streams.subscribed(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The client stopped listening."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._streams.left(self)

    def send(self, parts: tuple[bytes, ...]) -> None:
        """Send one message, unless the client has not read the ones before."""
        transport = self.transport
        if transport.is_closing() or transport.get_write_buffer_size() > MOST_UNSENT:
            return
        transport.write(b"".join((LENGTH.pack(sum(map(len, parts))), *parts)))


class Streams:
    """Keeps the subscribers of all streams."""

    def __init__(self) -> None:
        self.port = 0
        self._all: set[Listener] = set()
        self._by_stream: dict[int, list[Listener]] = {}
        self.awaited: dict[int, float] = {}
        """Streams whose token a client got without connecting yet, and the time until which a tick waits for it."""
        self.given_up: set[int] = set()
        """Streams that a tick awaited in vain."""
        self.on_subscription: Callable[[int], None] = lambda _: None

    def token(self, stream: int) -> bytes:
        """Return the token by which a client finds a stream: at the address that it uses for its calls."""
        return TOKEN.pack(stream, self.port, TCP, ADDRESS_OF_THE_CALLS)

    def arrived(self, listener: Listener) -> bool:
        """Admit a listener if there is room; return whether there is."""
        if len(self._all) >= MOST_CONNECTIONS:
            return False
        self._all.add(listener)
        return True

    def subscribed(self, listener: Listener) -> None:
        """Add a client that named its stream.

        A stream that does not exist keeps its connection and stays silent, because the client would retry for ever.
        """
        self._by_stream.setdefault(listener.stream, []).append(listener)
        self.awaited.pop(listener.stream, None)
        self.given_up.discard(listener.stream)
        self.on_subscription(listener.stream)

    def left(self, listener: Listener) -> None:
        """Remove a client that closed its stream."""
        self._all.discard(listener)
        listeners = self._by_stream.get(listener.stream, [])
        if listener in listeners:
            listeners.remove(listener)
            if not listeners:
                del self._by_stream[listener.stream]

    def heard(self, stream: int) -> bool:
        """Return whether a stream has listeners."""
        return stream in self._by_stream

    def send(self, stream: int, *parts: bytes) -> None:
        """Send a message to all listeners of a stream."""
        for listener in self._by_stream.get(stream, ()):
            listener.send(parts)

    def close(self) -> None:
        """End all streams."""
        for listener in list(self._all):
            listener.transport.abort()
