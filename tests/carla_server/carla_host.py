# SPDX-License-Identifier: Apache-2.0
"""The server in a process of its own, and ears for the genuine client's sensors."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HOST = Path(__file__).parent / "host.py"
PATIENCE = 120.0
"""Nothing here may take longer [s]."""


class Host:
    """A running server.

    Attributes:
        port: of its calls.
    """

    def __init__(self, *maps: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, str(HOST), *maps],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self._answer())

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def _answer(self) -> Any:
        return json.loads(self._lines.get(timeout=PATIENCE))

    def ask(self, expression: str) -> Any:
        """What the world says."""
        assert self.process.stdin is not None
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        return self._answer()

    def memory(self) -> int:
        """What the process keeps in main memory [bytes]."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Ear:
    """Listens to a sensor."""

    def __init__(self, sensor: Any) -> None:
        self.sensor = sensor
        self._heard: queue.Queue[Any] = queue.Queue()
        sensor.listen(self._heard.put)

    def hear(self) -> Any:
        """The next message."""
        return self._heard.get(timeout=PATIENCE)

    def of(self, frame: int) -> Any:
        """The message of a frame."""
        while (message := self.hear()).frame < frame:
            pass
        assert message.frame == frame
        return message

    def close(self) -> None:
        """Stop, and take the sensor away."""
        self.sensor.stop()
        self.sensor.destroy()


def of(host: Host, actor: Any, name: str) -> Any:
    """An attribute of an actor, as the world has it."""
    return host.ask(f"episode.actors[{actor.id}].{name}")


def settled(host: Host, world: Any) -> None:
    """Calls that the client does not wait for have been carried out when a later one is answered."""
    world.get_settings()
    assert host.ask("1") == 1
