# SPDX-License-Identifier: Apache-2.0
"""The genuine traffic manager drives vehicles of this server. It lives in a client of its own process, because it ends
that process when its server goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..carla.fake_stack import until
from .carla_host import Host

SECONDS = int(os.environ.get("TD3_DRIVING_TRAFFIC", "30"))
"""How long they drive [s]; 600 for the long trial."""
VEHICLES = 20
WALL = 60.0 + 20.0 * SECONDS
"""Longest wall time [s]; a traffic manager that lost its wake-up would take for ever."""
DRIVE = Path(__file__).parent / "drive_traffic.py"


@pytest.fixture(scope="module")
def town(shared_data: Path) -> Iterator[Host]:
    """A server with CARLA's first town."""
    running = Host(str(shared_data / "carla_towns" / "Town01.xodr"))
    yield running
    running.close()


def driven(host: Host, seconds: int, folder: Path) -> dict[str, Any]:
    """What became of the vehicles."""
    command = [sys.executable, str(DRIVE), str(host.port), str(VEHICLES), str(seconds)]
    environment = {**os.environ, "CARLA_CACHE_DIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=WALL, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_vehicles_of_the_traffic_manager_stay_on_the_road_and_touch_nobody(town: Host, tmp_path: Path) -> None:
    found = driven(town, SECONDS, tmp_path)
    assert found["vehicles"] == VEHICLES and not found["off the road"] and not found["contacts"]
    assert found["gone"] == 0 and found["mean distance"] > 1.5 * SECONDS
    assert found["waited at red"] > 0


@pytest.mark.slow
def test_the_registration_goes_with_the_client(town: Host, tmp_path: Path) -> None:
    driven(town, 1, tmp_path)
    until(lambda: town.ask("len(simulation.managers)") == 0, "end of the registration")
