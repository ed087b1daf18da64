# SPDX-License-Identifier: Apache-2.0
"""A client by hand, and everything malformed that it can send."""

from __future__ import annotations

import random
import socket
import struct
import time
from typing import Any

import msgpack

from td3_driving.carla_server import server
from td3_driving.carla_server.rpc import TABLE

from .carla_host import PATIENCE

WORDS = ["", "x", "vehicle.tesla.model3", "sensor.camera.rgb", "Town01", "\x00" * 9, "ü" * 50, "front" * 1000]
NAMES = sorted(TABLE)
EVERYWHERE = ("version", "tick_cue", "get_episode_settings")
assert server.CALLS


class Raw:
    """A client by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._unpacker = msgpack.Unpacker()

    def call(self, name: str, *arguments: Any) -> Any:
        """Call, and wait for the result."""
        self.socket.sendall(msgpack.packb([0, 7, name, [[False], *arguments]]))
        return self.answer()[3]

    def answer(self) -> Any:
        """The next answer."""
        while True:
            for message in self._unpacker:
                return message
            data = self.socket.recv(65536)
            assert data, "the server closed the connection"
            self._unpacker.feed(data)

    def gone(self) -> bool:
        """Whether the server closed the connection, within the patience."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if not self.socket.recv(65536):
                    return True
            except OSError:
                return True
        return False

    def close(self) -> None:
        """Leave."""
        self.socket.close()


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that msgpack can carry."""
    kind = rng.randrange(12 if depth < 4 else 9)
    if kind < 9:
        return (
            None,
            rng.random() < 0.5,
            rng.randrange(-(2**63), 2**63),
            rng.choice([0, 1, 2**31, 2**32, 2**32 - 1, 2**64 - 1, -1]),
            rng.choice([float("nan"), float("inf"), -1e308, 1e-320, rng.gauss(0.0, 100.0)]),
            rng.choice(WORDS),
            rng.randbytes(rng.randrange(40)),
            24 + rng.randrange(4),
            rng.gauss(0.0, 10.0),
        )[kind]
    if kind < 11:
        return [value(rng, depth + 1) for _ in range(rng.randrange(8))]
    return {rng.choice(WORDS): value(rng, depth + 1) for _ in range(rng.randrange(3))}


def request(rng: random.Random) -> bytes:
    """A call that exists, with arguments that it does not take."""
    name = rng.choice(NAMES) if rng.random() < 0.95 else rng.choice(WORDS)
    return bytes(
        msgpack.packb([0, rng.randrange(2**32), name, [[False], *(value(rng) for _ in range(rng.randrange(5)))]])
    )


def lengths(rng: random.Random) -> bytes:
    """Headers that announce up to 2³² items or bytes."""
    head = rng.choice([b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"])
    return b"\x94\x00\x01" + (head + struct.pack(">I", rng.choice([2**32 - 1, 2**31, 2**24, rng.randrange(2**32)]))) * 3


def mutated(rng: random.Random) -> bytes:
    """A good message with some bytes turned."""
    data = bytearray(msgpack.packb([0, 1, rng.choice(EVERYWHERE), [[False], 1, 2.0, "three", [4, [5]]]]))
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def rubbish(rng: random.Random) -> bytes:
    """One malformed message of some kind."""
    kind = rng.randrange(6)
    if kind < 3:
        return request(rng)
    if kind == 3:
        return lengths(rng)
    return mutated(rng) if kind == 4 else rng.randbytes(rng.randrange(1, 200))
