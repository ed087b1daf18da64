# SPDX-License-Identifier: Apache-2.0
"""The CARLA node in a real training run over real DDS.

The server is ``carla-server``, and the client the genuine one; between them and the topics is a small bridge.
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
from ..shared import tiny
from .fake_stack import SLEEPER, STAND_IN, free_port

WIDTH, HEIGHT = tiny.CAMERA["simulator.camera_width"], tiny.CAMERA["simulator.camera_height"]
REPOSITORY = Path(__file__).resolve().parents[2]
BRIDGE = """#!/bin/sh
echo "$@" >> {log}
echo $$ > {pid}
PYTHONPATH={repository}:$PYTHONPATH exec {python} -m tests.carla.line_bridge {width} {height} "$@"
"""
STEPS = 240


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Environment in which a CARLA server, its client, the bridge and the spawner are found."""
    port = free_port()
    names = {"python": sys.executable, "port": port, "map": "straight", "width": WIDTH, "height": HEIGHT}
    for name, place, text in (
        ("server", "carla/CarlaUE4.sh", STAND_IN),
        ("bridge", "ws/lib/carla_ros_bridge/bridge", BRIDGE),
        ("spawner", "ws/lib/carla_spawn_objects/carla_spawn_objects", SLEEPER),
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        own = {"pid": f"{tmp_path}/{name}.pid", "log": f"{tmp_path}/{name}.starts", "repository": REPOSITORY}
        path.write_text(text.format(**own, **names))
        path.chmod(0o755)
    monkeypatch.setenv("CARLA_ROOT", str(tmp_path / "carla"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'ws'}:{os.environ.get('AMENT_PREFIX_PATH', '')}")
    monkeypatch.setenv("CARLA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "port").write_text(str(port))
    return tmp_path


def changes(home: Path) -> dict[str, object]:
    """Settings of a training on that installation; other vehicles would need port 8000, which others may hold."""
    return {
        "carla.host": "127.0.0.1",
        "carla.port": int((home / "port").read_text()),
        "carla.town": "straight",
        "carla.rpc_timeout": 30.0,
        "carla.silence_timeout": 10.0,
        "carla.discard_frames": 3,
        "simulator.vehicles": 0,
        "simulator.map": "straight",
        "diagnostics.stale_after": 4.0,
        "pacing.stall_timeout": 90,
        "run.steps": STEPS,
    }


def pid_of(installation: Path, name: str) -> int:
    """Process id of the newest start of a program."""
    return int((installation / f"{name}.pid").read_text())


def starts_of(installation: Path, name: str) -> int:
    """How often a program was started."""
    return len((installation / f"{name}.starts").read_text().splitlines())


@pytest.mark.slow
def test_training_survives_killed_and_frozen_servers_and_bridges(installation: Path, domain_id: int) -> None:
    """Each of the four faults costs one new start and no step; episodes begin where their route does."""
    ends: list[EpisodeSummary] = []
    faults = [
        ("server", signal.SIGKILL),
        ("bridge", signal.SIGKILL),
        ("server", signal.SIGSTOP),
        ("bridge", signal.SIGSTOP),
    ]
    with Ear(domain_id) as ear, Run(installation, domain_id, changes(installation), "--simulator", "carla") as run:
        ear.node.create_subscription(EpisodeSummary, "/td3/episode", ends.append, qos.EPISODE)
        for number, (name, fault) in enumerate(faults, start=1):
            run.until(lambda step=40 * number: ear.step >= step, f"fault {number}", ear)  # type: ignore[misc]
            os.kill(pid_of(installation, name), fault)
            run.until(lambda text=f"new start {number} of": text in run.output, f"new start {number}", ear)  # type: ignore[misc]
        assert run.wait(ear) == 0, run.output[-4000:]
        assert "Traceback" not in run.output
    account = ear.accounts[-1]
    assert (account.inserted, account.lost, account.rejected) == (STEPS, 0, 0)
    cut = [end for end in ends if end.exit_reason == int(ExitReason.SIMULATOR_FAULT)]
    # A machine that has no time for the policy may cost it a further episode.
    assert len(cut) >= len(faults) and all(end.truncated and not end.terminated for end in cut), run.output[-6000:]
    assert starts_of(installation, "bridge") >= 5 and starts_of(installation, "server") >= 3
    for name in ("server", "bridge", "spawner"):
        assert not Path(f"/proc/{pid_of(installation, name)}").exists(), f"{name} is left"


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
