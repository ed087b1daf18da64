# SPDX-License-Identifier: Apache-2.0
"""The genuine ``carla_ros_bridge`` and ``carla_spawn_objects`` between this project and ``carla-server``.

They are not part of the project. ``TD3_DRIVING_CARLA_BRIDGE`` names a file that bash sources so that ROS finds them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")
pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving_msgs.msg import EpisodeSummary

from td3_driving.carla.server import listening
from td3_driving.nodes.ros import qos

from ..nodes.run_harness import Ear, Run
from .fake_stack import free_port, until

SETUP = os.environ.get("TD3_DRIVING_CARLA_BRIDGE", "")
STEPS = int(os.environ.get("TD3_DRIVING_CARLA_BRIDGE_STEPS", "300"))
pytestmark = pytest.mark.skipif(
    not SETUP, reason="no carla_ros_bridge: TD3_DRIVING_CARLA_BRIDGE names no file to source that leads to one"
)
WRAPPER = """#!/bin/bash
source {setup}
IFS=: read -ra prefixes <<< "$AMENT_PREFIX_PATH"
for prefix in "${{prefixes[@]}}"; do
  program=$prefix/lib/{package}/{name}
  [[ -x $program && $program != "$0" ]] && exec "$program" "$@"
done
echo "{setup} leads to no {package}" >&2
exit 1
"""


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ROS find the bridge and the spawner, each in the environment of the file that is sourced."""
    for package, name in (("carla_ros_bridge", "bridge"), ("carla_spawn_objects", "carla_spawn_objects")):
        path = tmp_path / "ws" / "lib" / package / name
        path.parent.mkdir(parents=True)
        path.write_text(WRAPPER.format(setup=SETUP, package=package, name=name))
        path.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'ws'}:{os.environ.get('AMENT_PREFIX_PATH', '')}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """The port of a running ``carla-server``."""
    port = free_port()
    command = [sys.executable, "-m", "td3_driving.carla_server.cli", "--port", str(port), "--map", "town"]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: listening("127.0.0.1", port), "server")
        yield port
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_training_goes_through_the_genuine_bridge(bridge: None, server: int, tmp_path: Path, domain_id: int) -> None:
    """Every episode begins with a teleport; the account of the steps is whole; the doctor judges."""
    ends: list[EpisodeSummary] = []
    changes: dict[str, object] = {
        "carla.port": server,
        "carla.host": "127.0.0.1",
        "carla.server": "attach",
        "carla.town": "town",
        "carla.rpc_timeout": 60.0,
        "carla.stage_timeout": 600.0,
        "carla.silence_timeout": 60.0,
        "carla.reset_timeout": 120.0,
        "simulator.map": "town",
        "simulator.vehicles": 3,
        "run.steps": STEPS,
    }
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, changes, "--simulator", "carla") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        code = run.wait(ear, timeout=3600.0)
    assert code == 0, run.output[-6000:]
    assert "Traceback" not in run.output, run.output
    account = ear.accounts[-1]
    assert (account.inserted, account.lost, account.rejected) == (STEPS, 0, 0)
    assert len(ends) >= 2
    assert (run.folder / "report.json").is_file()
