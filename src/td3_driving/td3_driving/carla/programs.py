# SPDX-License-Identifier: Apache-2.0
"""Programs that a session starts: the server, the bridge, the spawner. They write into log files."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from td3_driving.carla.errors import CarlaError
from td3_driving.processes.child_process import start_process

GRACE = ((signal.SIGINT, 4.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0))
"""Signals of a stop, each with the wall time [s] before the next; in all less than a starter waits before it kills."""
TAIL = 4096
"""Bytes at the end of a log file in which the last words of a program are looked for."""


class Program:
    """One running program; it and its children die with this process.

    Args:
        name: for messages and for the log file.
        command: its command line.
        folder: where ``NAME.log`` is written.
        environment: of the program.

    Raises:
        CarlaError: it cannot be started.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            try:
                self._process: subprocess.Popen[bytes] = start_process(command, environment, log)
            except OSError as error:
                raise CarlaError(f"cannot start {command[0]}: {error.strerror}") from error

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self._process.poll() is None

    def account(self) -> str:
        """Describe how it ended, with the last line of its log."""
        lines = self.log.read_bytes()[-TAIL:].decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        return f"{self.name} ended with exit code {self._process.poll()} ({last}); its output is in {self.log}"

    def stop(self, grace: Sequence[tuple[signal.Signals, float]] = GRACE) -> None:
        """End it and its children."""
        for number, patience in grace:
            if not self.alive:
                break
            self._signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def find_executable(package: str, name: str, environment: Mapping[str, str]) -> str:
    """Path of an executable of a ROS package, as ``ros2 run`` finds it.

    Raises:
        CarlaError: no sourced workspace holds it.
    """
    for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        candidate = Path(prefix) / "lib" / package / name
        if prefix and candidate.is_file():
            return str(candidate)
    raise CarlaError(f"no ROS package {package} with {name} is sourced; build carla-simulator/ros-bridge and source it")
