# SPDX-License-Identifier: Apache-2.0
"""Two machines on one: two network namespaces and a link between them that can be cut and that loses packets.

A process carries every packet from one end of the link to the other, so no module of the kernel and no program for
traffic control is needed. Each machine has a ``/dev/shm`` of its own. What is missed: their clock is one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

ADDRESSES = ("10.77.0.1", "10.77.0.2")
"""Of the two machines."""
NEW_NETWORK = 0x40000000
"""``CLONE_NEWNET`` of ``linux/sched.h``."""
SET_INTERFACE, TUN, NO_HEADER = 0x400454CA, 0x0001, 0x1000
"""``TUNSETIFF``, ``IFF_TUN`` and ``IFF_NO_PI`` of ``linux/if_tun.h``."""
LONGEST = 65536
BURST = 200
"""Packets that are carried before the orders are looked at."""
WAIT = 60.0
OWN_MEMORY = 'mount -t tmpfs -o size=1g none /dev/shm && exec "$@"'


def why_not() -> str:
    """Why there can be no two machines here; "" if there can."""
    missing = [name for name in ("ip", "nsenter", "unshare", "mount") if shutil.which(name) is None]
    if missing:
        return f"no program {missing[0]}"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no /dev/net/tun for a virtual link"
    trial = ["unshare", "--net", "--mount", "sh", "-c", OWN_MEMORY, "sh", "true"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        return "network namespaces are not permitted here"
    return ""


class TwoMachines:
    """Context manager of two machines; number 0 and number 1.

    Args:
        loss: share of the packets that the link loses.
        seed: of which ones.
    """

    def __init__(self, loss: float = 0.0, seed: int = 0) -> None:
        source = str(Path(__file__).resolve())
        self._carrier = subprocess.Popen(
            [sys.executable, source, str(loss), str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> TwoMachines:
        self._networks = self._answer().split()
        return self

    def on(self, machine: int) -> list[str]:
        """The words before a command that let it run on a machine."""
        network = f"--net=/proc/{self._carrier.pid}/fd/{self._networks[machine]}"
        return ["nsenter", network, "unshare", "--mount", "sh", "-c", OWN_MEMORY, "sh"]

    def cut(self) -> None:
        """Nothing passes from here on."""
        self._ask("cut")

    def join(self) -> None:
        """The link carries again."""
        self._ask("join")

    def counts(self) -> tuple[int, int, int]:
        """Packets that were carried, lost by chance, and lost in cuts."""
        carried, lost, cut = map(int, self._ask("count").split())
        return carried, lost, cut

    def _ask(self, order: str) -> str:
        assert self._carrier.stdin is not None
        self._carrier.stdin.write(order + "\n")
        self._carrier.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._carrier.stdout is not None
        ready, _, _ = select.select([self._carrier.stdout], [], [], WAIT)
        assert ready, f"the link does not answer within {WAIT:.0f} s"
        return self._carrier.stdout.readline()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._carrier.kill()
        self._carrier.wait()
        for pipe in (self._carrier.stdin, self._carrier.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


class Carrier:
    """The process in the middle."""

    def __init__(self, loss: float, seed: int) -> None:
        self._loss, self._random, self._joined = loss, random.Random(seed), True
        self._counts = [0, 0, 0]
        self._networks: list[int] = []
        self._ends = [self._machine(address) for address in ADDRESSES]

    def _machine(self, address: str) -> int:
        """Make a network with one end of the link; this process is in it afterwards."""
        if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "unshare")
        self._networks.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(end, SET_INTERFACE, struct.pack("16sH14x", b"wire", TUN | NO_HEADER))
        for words in ("link set lo up", f"addr add {address}/24 dev wire", "link set wire up txqueuelen 10000"):
            subprocess.run(["ip", *words.split()], check=True)
        return end

    def run(self) -> None:
        """Carry packets and obey orders until stdin is closed."""
        print(*self._networks, flush=True)
        poll = select.poll()
        for end in (0, *self._ends):
            poll.register(end, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == 0 and not self._obey():
                    return
                if ready in self._ends:
                    self._carry(ready, self._ends[1 - self._ends.index(ready)])

    def _obey(self) -> bool:
        order = sys.stdin.readline().strip()
        if order in ("cut", "join"):
            self._joined = order == "join"
        if order:
            print(*self._counts, flush=True)
        return bool(order)

    def _carry(self, source: int, target: int) -> None:
        for _ in range(BURST):
            try:
                packet = os.read(source, LONGEST)
            except BlockingIOError:
                return
            fate = 2 if not self._joined else int(self._random.random() < self._loss)
            self._counts[fate] += 1
            if fate == 0:
                with suppress(BlockingIOError):
                    os.write(target, packet)


def main(arguments: Sequence[str]) -> None:
    """Be the process in the middle."""
    Carrier(float(arguments[0]), int(arguments[1])).run()


if __name__ == "__main__":
    main(sys.argv[1:])
