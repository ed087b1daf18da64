# SPDX-License-Identifier: Apache-2.0
"""A line between a CARLA client and its server that can be disturbed: real sockets, real answers, one fault at a time.

Only the calls go through it. A server names the port of its streams itself, and clients connect there directly. It is a
process of its own, because some calls of libcarla keep Python's lock while they wait for an answer.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

DISTURBANCES: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "halved": lambda data: data[: len(data) // 2],
    "cut": lambda data: data[: len(data) // 2],
    "slow": lambda data: data,
    "another version": lambda data: data.replace(b"0.9.16", b"0.9.14"),
}
"""What is made of each piece of an answer. A cut line is closed after one; a slow one holds each back for a while."""


class Wire:
    """Passes calls on to a server, and its answers back.

    Args:
        port: of the server's calls.

    Attributes:
        port: where clients connect.
    """

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", __file__, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = self._answer()

    def disturb(self, how: str, delay: float = 0.0) -> int:
        """Set a disturbance from here on, or ``none``; the number of connections so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{delay} {how}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._process.kill()
        self._process.wait()
        for end in (self._process.stdin, self._process.stdout):
            assert end is not None
            with suppress(OSError):
                end.close()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


class Line:
    """The line itself, in its process."""

    def __init__(self, server: int) -> None:
        self.server, self.how, self.delay, self.connections = server, "none", 0.0, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        print(self._listener.getsockname()[1], flush=True)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.server))
            except OSError:
                client.close()
                continue
            threading.Thread(target=_pass_on, args=(client, server, server.sendall), daemon=True).start()
            answer = Answer(self, client)
            threading.Thread(target=_pass_on, args=(server, client, answer), daemon=True).start()


class Answer:
    """What becomes of the pieces of the answers of one connection."""

    def __init__(self, line: Line, client: socket.socket) -> None:
        self._line, self._client = line, client

    def __call__(self, data: bytes) -> None:
        how = self._line.how
        threading.Event().wait(self._line.delay)
        self._client.sendall(DISTURBANCES[how](data))
        if how == "cut":
            raise ConnectionError(how)


def _pass_on(source: socket.socket, sink: socket.socket, send: Callable[[bytes], object]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            send(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def main(server: int) -> None:
    """Pass on until standard input ends; each line of it is a delay [s] and a disturbance."""
    line = Line(server)
    for order in sys.stdin:
        delay, line.how = order.strip().split(" ", 1)
        line.delay = float(delay)
        print(line.connections, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
