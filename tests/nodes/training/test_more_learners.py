# SPDX-License-Identifier: Apache-2.0
"""Runs with two learners: the real processes, over real DDS."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from td3_driving.learning.ranks.divided_memory import folder_of
from td3_driving.learning.replay_files import steps_in

from ...shared.patience import HANG
from ..run_harness import SMALL, Ear, Run

TWO = {"learning.learners": 2}
PLACE = re.compile(r"rank 1 of 2 \(process (\d+) on \S+\)")


@pytest.fixture(autouse=True)
def _no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run starts its ranks itself."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def follower_of(run: Run) -> int:
    """Process id of the newest rank 1."""
    return int(PLACE.findall(run.output)[-1])


def steps_of(folder: Path) -> int:
    """Newest step of all ranks."""
    return max(steps_in(folder_of(folder, rank)) for rank in (0, 1))


def weights_of(folder: Path) -> dict[str, str]:
    tensors = load_file(next((folder / "checkpoints" / "latest").rglob("*.safetensors")))
    return {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in tensors.items()}


def test_two_strict_runs_with_two_learners_are_equal_to_the_bit(tmp_path: Path, domain_id: int) -> None:
    seen = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with Run(tmp_path / name, domain_id, TWO) as run:
            assert run.wait() == 0, run.output[-4000:]
        series = {tag: points for tag, points in run.series().items() if tag.startswith(("train/", "debug/"))}
        seen.append((series, weights_of(run.folder)))
        assert steps_of(run.folder) == 300
    assert len(seen[0][0]) > 20 and "rank_1.generator" in seen[0][1]
    assert seen[0] == seen[1]


def test_a_killed_rank_ends_the_run_by_its_name_and_resume_goes_on(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, TWO | {"run.steps": 5000}) as run:
        run.until(lambda: ear.step > 150, "step 150", ear)
        os.kill(follower_of(run), signal.SIGKILL)
        assert run.wait(ear) == 1
        assert re.search(PLACE.pattern + r" is lost: .*; the run ends here, and --resume goes on with it", run.output)
        assert "learner ended the run (exit code 4)" in run.output and "Traceback" not in run.output
    done = steps_of(run.folder)
    assert done > 150
    with Run(tmp_path, domain_id, TWO | {"run.steps": done + 100}, "--resume") as again:
        assert again.wait() == 0, again.output[-4000:]
    assert steps_of(again.folder) == done + 100


def test_a_killed_learner_comes_back_with_its_ranks(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, TWO | {"run.steps": 400}) as run:
        run.meet(ear)
        run.until(lambda: ear.step > 150, "step 150", ear)
        follower = follower_of(run)
        learner = run.kill("learner")
        run.until(lambda: run.pid("learner") not in (None, learner), "a new learner", ear)
        run.until(lambda: follower_of(run) != follower, "a new rank 1", ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        last = ear.accounts[-1]
        assert last.received + last.lost == last.inserted + last.duplicate + last.rejected + last.lost
        assert last.inserted == 400 and last.updates == last.updates_due == 5 * ((400 - 100) // 10)


def test_ctrl_c_keeps_a_checkpoint_of_all_ranks(tmp_path: Path, domain_id: int) -> None:
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, TWO | {"run.steps": 100_000}) as run:
        run.until(lambda: ear.step > 150, "step 150", ear)
        assert run.stop() == 130
        assert "Traceback" not in run.output
        assert not Path(f"/proc/{follower_of(run)}").exists()
    assert "rank_1.generator" in weights_of(run.folder)


def torchrun(home: Path, domain: int, node: int, nodes: int, port: int, *words: str) -> subprocess.Popen[str]:
    """One agent of ``torchrun``, as on one machine of several."""
    agent = [f"--nnodes={nodes}", f"--node-rank={node}", "--nproc-per-node=1", "--master-addr=127.0.0.1"]
    command = [sys.executable, "-m", "torch.distributed.run", *agent, f"--master-port={port}"]
    return subprocess.Popen(
        [*command, "-m", "td3_driving.launching.learners", "--", *words],
        cwd=home,
        env=os.environ | {"ROS_DOMAIN_ID": str(domain), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_torchrun_starts_a_learner_on_each_of_two_machines(tmp_path: Path, domain_id: int) -> None:
    """Both agents run on this machine and know each other by address and port alone."""
    base = tmp_path / "defaults.yaml"
    base.write_text("/**:\n  ros__parameters:\n    run:\n      seed: 0\n")
    given = {name: value for name, value in SMALL.items() if value is not None}
    words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    options = ["--profile", str(base), "--run", str(tmp_path / "run"), *words]
    port = free_port()
    agents = [torchrun(tmp_path, domain_id, node, 2, port, *options) for node in (0, 1)]
    outputs = [agent.communicate(timeout=HANG)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], "\n".join(outputs)[-6000:]
    assert steps_of(tmp_path / "run") == 300
    assert "rank_1.generator" in weights_of(tmp_path / "run")
