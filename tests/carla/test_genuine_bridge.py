# SPDX-License-Identifier: Apache-2.0
"""The genuine ``carla_ros_bridge`` and ``carla_spawn_objects`` between this project and ``carla-server``.

They are not part of the project. ``TD3_DRIVING_CARLA_BRIDGE`` names a file that bash sources so that ROS finds them.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")
pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving_msgs.msg import EpisodeSummary

from td3_driving.driving.episode import ExitReason
from td3_driving.nodes.ros import qos

from ..nodes.run_harness import Ear, Run
from .fake_stack import STAND_IN, free_port

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
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Makes the CARLA node start ``carla-server`` by itself; the port that it will have."""
    port = free_port()
    script = tmp_path / "carla" / "CarlaUE4.sh"
    script.parent.mkdir()
    names = {"pid": tmp_path / "server.pid", "log": tmp_path / "server.starts", "python": sys.executable}
    script.write_text(STAND_IN.format(port=port, map="town", **names))
    script.chmod(0o755)
    monkeypatch.setenv("CARLA_ROOT", str(script.parent))
    return port


def changes(port: int) -> dict[str, object]:
    """Settings of a training through the bridge."""
    return {
        "carla.port": port,
        "carla.host": "127.0.0.1",
        "carla.town": "town",
        "carla.rpc_timeout": 60.0,
        "carla.stage_timeout": 600.0,
        "carla.silence_timeout": 60.0,
        "carla.reset_timeout": 120.0,
        "simulator.map": "town",
        "simulator.vehicles": 3,
        "run.steps": STEPS,
    }


def check(ear: Ear, run: Run, ends: list[EpisodeSummary]) -> None:
    """Every step is accounted for, episodes ended, the doctor judged."""
    assert "Traceback" not in run.output, run.output
    account = ear.accounts[-1]
    assert (account.inserted, account.lost, account.rejected) == (STEPS, 0, 0)
    assert len(ends) >= 2
    assert (run.folder / "report.json").is_file()


@pytest.mark.slow
def test_a_training_goes_through_the_genuine_bridge(
    bridge: None, installation: int, tmp_path: Path, domain_id: int
) -> None:
    """Every episode begins with a teleport; the account of the steps is whole; the doctor judges."""
    ends: list[EpisodeSummary] = []
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, changes(installation), "--simulator", "carla") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        assert run.wait(ear, timeout=3600.0) == 0, run.output[-6000:]
    check(ear, run, ends)
    assert len((tmp_path / "server.starts").read_text().splitlines()) == 1


@pytest.mark.slow
def test_a_training_outlives_a_killed_and_a_frozen_server(
    bridge: None, installation: int, tmp_path: Path, domain_id: int
) -> None:
    """Server, bridge and spawner are started anew each time; no transition is made of the gap."""
    ends: list[EpisodeSummary] = []
    pid = tmp_path / "server.pid"
    wanted = {**changes(installation), "carla.silence_timeout": 20.0, "carla.rpc_timeout": 10.0}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, wanted, "--simulator", "carla") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        run.until(lambda: ear.step >= STEPS // 4, "a quarter of the steps", ear, timeout=3600.0)
        os.kill(int(pid.read_text()), signal.SIGKILL)
        run.until(lambda: ear.step >= STEPS // 2, "half of the steps", ear, timeout=3600.0)
        os.kill(int(pid.read_text()), signal.SIGSTOP)
        assert run.wait(ear, timeout=3600.0) == 0, run.output[-6000:]
    check(ear, run, ends)
    assert len((tmp_path / "server.starts").read_text().splitlines()) >= 3
    faults = [end for end in ends if end.exit_reason == int(ExitReason.SIMULATOR_FAULT)]
    assert len(faults) >= 2 and all(end.truncated and not end.terminated for end in faults)
