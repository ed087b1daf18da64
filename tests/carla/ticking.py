# SPDX-License-Identifier: Apache-2.0
"""The part of the bridge that traffic needs, as a process: it ticks a synchronous world and hosts a traffic manager.

A process of its own, because a traffic manager whose server goes ends the process that it lives in.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from select import select

import carla
import pytest

STEP = 0.05
STILL = 120.0
"""Wall time in which a few dozen steps are made, however busy the machine is [s]."""


class Ticking:
    """A running host.

    Args:
        server: port of the server's calls. manager: port of the traffic manager.
    """

    def __init__(self, server: int, manager: int) -> None:
        command = [sys.executable, __file__, str(server), str(manager)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def go(self, frames: int) -> None:
        """Make frames; leaves the test out where the library's traffic manager has lost its wake-up."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{frames}\n")
        self._process.stdin.flush()
        answered, _, _ = select([self._process.stdout], [], [], STILL)
        if not answered:
            self._process.kill()
            pytest.skip(f"the library's traffic manager made no {frames} steps in {STILL:.0f} s: it lost its wake-up")
        assert self._process.stdout.readline().strip() == "done"

    def close(self) -> None:
        """End it; the world goes on asynchronously."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STILL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(server: int, manager: int) -> None:
    """Tick so many frames as each line of standard input says."""
    client = carla.Client("127.0.0.1", server)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP
    world.apply_settings(settings)
    hosted = client.get_trafficmanager(manager)
    hosted.set_synchronous_mode(True)
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            world.tick()
        print("done", flush=True)
    hosted.set_synchronous_mode(False)
    settings.synchronous_mode = False
    world.apply_settings(settings)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
