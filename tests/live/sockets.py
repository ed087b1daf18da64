# SPDX-License-Identifier: Apache-2.0
"""On which addresses a process and what it started listen."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

LISTENS = "0A"
"""State of a listening socket in ``/proc/net/tcp``."""


def addresses_heard_on(process: int) -> set[str]:
    """Addresses of the TCP sockets on which ``process`` and its children wait for connections."""
    sockets = {name for each in family(process) for name in _sockets(each)}
    return {address for name, address in _listening() if name in sockets}


def family(process: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield process
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        for child in tasks.read_text().split():
            yield from family(int(child))


def _sockets(process: int) -> Iterator[str]:
    for entry in Path(f"/proc/{process}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _listening() -> Iterator[tuple[str, str]]:
    """Number and address of every listening TCP socket."""
    for table, family_ in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS:
                yield fields[9], _address(fields[1].partition(":")[0], family_)


def _address(hexadecimal: str, family_: int) -> str:
    words = [int(hexadecimal[place : place + 8], 16) for place in range(0, len(hexadecimal), 8)]
    return socket.inet_ntop(family_, struct.pack(f"={len(words)}I", *words))
