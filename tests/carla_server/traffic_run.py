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


def driven(host: Host, town: str, seconds: int, folder: Path) -> dict[str, Any]:
    """What became of the vehicles; a traffic manager that lost its wake-up would take for ever."""
    command = [sys.executable, str(DRIVE), str(host.port), str(VEHICLES), str(seconds), town]
    environment = {**os.environ, "CARLA_CACHE_DIR": str(folder)}
    wall = 600.0 + 20.0 * seconds
    done = subprocess.run(command, capture_output=True, text=True, timeout=wall, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def check(found: dict[str, Any], seconds: int) -> None:
    """Nobody left the road, touched anybody or was taken away, and they drove at all."""
    assert found["vehicles"] == VEHICLES and found["gone"] == 0 and not found["contacts"], found
    assert found["centre off the lane"] == 0.0, found
    assert found["mean distance"] > 1.5 * seconds and found["waited at red"] > 0, found
