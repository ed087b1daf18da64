# SPDX-License-Identifier: Apache-2.0
"""A drive of the genuine traffic manager in a process of its own, which its death would take along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .carla_host import Host

VEHICLES = 20
DRIVE = Path(__file__).parent / "drive_traffic.py"
STILL = 60.0
"""Wall time within which a world that is driven takes a step, however busy the machine is [s]."""
ATTEMPTS = 4


def driven(host: Host, town: str, seconds: int, folder: Path) -> dict[str, Any]:
    """What became of the vehicles.

    The library's traffic manager sets the flag that its thread waits for outside of the thread's lock. So it can lose
    the wake-up on a busy machine, and both wait for each other for ever. Such a drive is begun anew.
    """
    command = [sys.executable, str(DRIVE), str(host.port), str(VEHICLES), str(seconds), town]
    for _ in range(ATTEMPTS):
        last_line = _drive(command, {**os.environ, "CARLA_CACHE_DIR": str(folder)}, host)
        if last_line is not None:
            return dict(json.loads(last_line))
    raise AssertionError(f"the world stood still in {ATTEMPTS} drives")


def _drive(command: list[str], environment: dict[str, str], host: Host) -> str | None:
    """The last line of a drive; ``None`` where it stood still."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    frame = -1
    while True:
        try:
            said, errors = process.communicate(timeout=STILL)
        except subprocess.TimeoutExpired:
            before, frame = frame, host.ask("simulation.frame")
            if frame != before:
                continue
            process.kill()
            process.communicate()
            return None
        assert process.returncode == 0, errors[-2000:]
        return said.splitlines()[-1]


def check(found: dict[str, Any], seconds: int) -> None:
    """Nobody left the road, touched anybody or was taken away, and they drove at all."""
    assert found["vehicles"] == VEHICLES and found["gone"] == 0 and not found["contacts"], found
    assert found["centre off the lane"] == 0.0, found
    assert found["mean distance"] > 1.5 * seconds and found["waited at red"] > 0, found
