# SPDX-License-Identifier: Apache-2.0
"""The CARLA node in a real training run over real DDS.

The embedded simulator plays the bridge, a scripted client the server's RPC, a listening program the server's process.
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
from td3_driving.sim.roads import map_path

from ..nodes.run_harness import Ear, Run
from .fake_stack import LISTENER, SLEEPER, free_port

HERE = Path(__file__).resolve().parent
BRIDGE = """#!/bin/sh
echo "$@" >> {log}
echo $$ > {pid}
exec {python} -m td3_driving.nodes.bridge.simulator --ros-args -r __node:=carla_ros_bridge \\
  -r td3/reset_episode:=unused/reset_episode -r carla/ego_vehicle/waypoints:=unused/waypoints \\
  -p simulator.map:={map} -p simulator.vehicles:=0 -p simulator.camera_width:=64 -p simulator.camera_height:=36
"""


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Environment in which a CARLA server, its client, the bridge and the spawner are found."""
    port = free_port()
    names = {"python": sys.executable, "port": port, "map": map_path("town")}
    for name, place, text in (
        ("server", "carla/CarlaUE4.sh", LISTENER),
        ("bridge", "ws/lib/carla_ros_bridge/bridge", BRIDGE),
        ("spawner", "ws/lib/carla_spawn_objects/carla_spawn_objects", SLEEPER),
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_text(text.format(pid=f"{tmp_path}/{name}.pid", log=f"{tmp_path}/{name}.starts", **names))
        path.chmod(0o755)
    monkeypatch.setenv("CARLA_ROOT", str(tmp_path / "carla"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'ws'}:{os.environ.get('AMENT_PREFIX_PATH', '')}")
    monkeypatch.setenv("PYTHONPATH", f"{HERE / 'stand_in'}:{HERE.parents[1]}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("FAKE_CARLA_PORT", str(port))
    return tmp_path


def changes(**more: object) -> dict[str, object]:
    settings = {
        "carla.port": int(os.environ["FAKE_CARLA_PORT"]),
        "carla.town": "Town02",
        "carla.silence_timeout": 6.0,
        "carla.reset_timeout": 15.0,
        "carla.discard_frames": 3,
        "simulator.vehicles": 0,
        "simulator.map": "town",
        "diagnostics.stale_after": 4.0,
        "pacing.stall_timeout": 90,
        "run.steps": 260,
    }
    return {**settings, **{key.replace("__", "."): value for key, value in more.items()}}


@pytest.mark.slow
def test_training_survives_a_killed_and_a_frozen_bridge(installation: Path, domain_id: int) -> None:
    ends: list[EpisodeSummary] = []
    pid = installation / "bridge.pid"
    with Ear(domain_id) as ear, Run(installation, domain_id, changes(), "--simulator", "carla") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        run.until(lambda: ear.step >= 70, "70 steps", ear)
        os.kill(int(pid.read_text()), signal.SIGKILL)
        run.until(lambda: ear.step >= 150, "150 steps", ear)
        os.kill(int(pid.read_text()), signal.SIGSTOP)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert "new start 1 of 20" in run.output and "new start 2 of 20" in run.output
        assert "Traceback" not in run.output
    account = ear.accounts[-1]
    assert (account.inserted, account.lost, account.rejected) == (260, 0, 0)
    faults = [end for end in ends if end.exit_reason == int(ExitReason.SIMULATOR_FAULT)]
    # A machine that has no time for the policy may cost it a further episode.
    assert len(faults) >= 2 and all(end.truncated and not end.terminated for end in faults), run.output[-6000:]
    assert len((installation / "bridge.starts").read_text().splitlines()) == 3
    assert len((installation / "server.starts").read_text().splitlines()) == 1
    for name in ("server", "bridge", "spawner"):
        assert not Path(f"/proc/{(installation / f'{name}.pid').read_text().strip()}").exists(), f"{name} is left"


def test_a_dry_run_without_a_server_ends_with_one_sentence(
    tmp_path: Path, domain_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CARLA_ROOT", raising=False)
    with Run(tmp_path, domain_id, {"carla.port": free_port()}, "--simulator", "carla") as run:
        assert run.wait() == 2
    assert run.output.count("no CARLA server listens at") == 1
    assert "set CARLA_ROOT or carla.executable" in run.output
    assert "Traceback" not in run.output
    assert not run.folder.exists()


def test_a_server_that_does_not_come_ends_the_run_within_its_time(tmp_path: Path, domain_id: int) -> None:
    wanted = {"carla.port": free_port(), "carla.server": "attach", "carla.stage_timeout": 2}
    with Run(tmp_path, domain_id, wanted, "--simulator", "carla") as run:
        assert run.wait() == 2
    assert run.output.count("within 2 s; check that a CARLA server runs at localhost") == 1
    assert "carla_episodes ended the run (exit code 2)" in run.output and "Traceback" not in run.output
