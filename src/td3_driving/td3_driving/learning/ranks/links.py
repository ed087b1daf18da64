# SPDX-License-Identifier: Apache-2.0
"""The connection between rank 0 and another rank: messages, and signs of life of both sides in between.

A process that ends closes its connections, and that is noticed at once. One that stands still gives no sign of life.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress

LENGTH = struct.Struct("<Q")
MOST_BYTES = 2**34
"""Longest message that is taken: networks with their optimizers."""
BEAT = 1.0
"""Wall time between two signs of life [s]."""
GRACE = 10.0
"""Wall time within which a rank that lives gives a sign of it [s]."""


class RankLink:
    """One end of a connection.

    Args:
        connection: connected socket; the link closes it.
        patience: wall time [s] without any sign of life after which the other end counts as lost.
    """

    def __init__(self, connection: socket.socket, patience: float) -> None:
        connection.settimeout(patience)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._patience = patience
        self._lock = threading.Lock()
        self._over = threading.Event()

    def start_beating(self) -> None:
        """Give signs of life from a thread, whatever the caller computes meanwhile."""
        threading.Thread(target=self._beat, name="signs of life", daemon=True).start()

    def send(self, data: bytes) -> None:
        """Send a message.

        Raises:
            OSError: the other end is gone, or takes nothing.
        """
        with self._lock:
            self._socket.sendall(LENGTH.pack(len(data)) + data)

    def receive(self) -> bytes:
        """The next message; waits as long as there are signs of life.

        Raises:
            OSError: there were none, or the other end is gone.
        """
        while not (data := self.next(self._patience)):
            pass
        return data

    def next(self, seconds: float) -> bytes:
        """The next message within ``seconds``, or ``b""`` for a sign of life.

        Raises:
            OSError: as :meth:`receive`.
        """
        if not self.speaks(seconds):
            raise TimeoutError(f"it gives no sign of life for {seconds:.0f} s")
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > MOST_BYTES:
            raise ConnectionError(f"it announces a message of {length} bytes")
        return self._exactly(length)

    def speaks(self, seconds: float = 0.0) -> bool:
        """Whether something comes within ``seconds``, be it the end of the connection."""
        if self._over.is_set():
            raise ConnectionError("its connection is closed")
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(1000.0 * seconds))

    def word(self) -> bytes:
        """What a rank that lives says within :data:`GRACE`: a message, or ``b""`` for a sign of life.

        Raises:
            OSError: it says nothing, or is gone.
        """
        # What was sent before says nothing of now.
        while self.speaks():
            if data := self.next(GRACE):
                return data
        return self.next(GRACE)

    def close(self) -> None:
        """End the connection."""
        self._over.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            try:
                self.send(b"")
            except OSError:
                return

    def _exactly(self, count: int) -> bytes:
        data = bytearray(count)
        rest = memoryview(data)
        while rest:
            got = self._socket.recv_into(rest)
            if not got:
                raise ConnectionError("its connection is closed")
            rest = rest[got:]
        return bytes(data)


def accept(server: socket.socket, seconds: float) -> socket.socket | None:
    """The next connection within ``seconds``; ``None`` if none came."""
    server.settimeout(seconds)
    try:
        return server.accept()[0]
    except TimeoutError:
        return None
