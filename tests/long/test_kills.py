# SPDX-License-Identifier: Apache-2.0
"""One training run whose simulator is killed again and again: it ends by itself, without one bad step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.bags.cli import main as replay

from ..nodes.kill_harness import StepEar, impossible, kill_simulators
from ..nodes.run_harness import Run

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("TD3_DRIVING_KILLS", "20"))
"""Twenty take about six minutes on a quiet machine."""
APART = 12.5
"""Wall time between two kills [s]: a run gives up when a process dies more than five times within a minute."""
STEPS_PER_KILL = 500
"""Steps from one kill to the next on a machine that is fast enough to do nothing else meanwhile."""
SLOW = 5.0
"""Steps a second of a machine that hardly moves."""


def test_a_run_survives_its_simulators(tmp_path: Path, domain_id: int) -> None:
    steps = STEPS_PER_KILL * (KILLS + 1)
    settings: dict[str, object] = {"run.steps": steps, "replay.capacity": 2 * steps, "diagnostics.stale_after": 1.0}
    with StepEar(domain_id) as ear, Run(tmp_path, domain_id, settings, "--record") as run:
        assert kill_simulators(run, ear, KILLS, 60, APART) == KILLS
        assert run.wait(ear, steps / SLOW) == 0, run.output[-4000:]
    account = ear.accounts[-1]
    assert impossible(ear.steps, frame_ns=50_000_000) == []
    assert account.received + account.lost == len(ear.steps) == steps
    assert account.rejected == 0
    assert replay([str(run.folder / "bag")]) == 0, "the bag gives the same steps"
