# SPDX-License-Identifier: Apache-2.0
"""A run over ROS with a term of the reward, an element of the state and a camera from outside the package."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from td3_driving.doctor.examine import examine
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.replay import ReplayMemory
from td3_driving.runs.profiles import load_run
from td3_driving.settings_reward import TERMS
from tests.nodes.run_harness import Ear, Run

OWN = {
    "reward.terms": "my_rewards:TIME_TO_COLLISION",
    "reward.time_to_collision": 2.0,
    "observation.elements": "my_sensors:SIDEWAYS_SPEED",
    "observation.cameras": "my_sensors:REAR_CAMERA",
}
NAMES = [*(term.name for term in TERMS), "time_to_collision"]


def test_messages_event_file_verdict_and_memory_have_what_is_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path, domain_id: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{examples}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    changes = {**OWN, "run.steps": 200, "pacing.learning_starts": 100}
    with Ear(domain_id) as ear, Run(tmp_path, domain_id, changes) as run:
        run.meet(ear)
        assert run.wait(ear) == 0, run.output[-4000:]
        assert ear.rewards and all(list(heard.names) == NAMES for heard in ear.rewards)
        assert all(abs(sum(heard.values) - heard.total) <= 1e-6 for heard in ear.rewards)
        assert ear.rewards[0].total_min == pytest.approx(-15.2) and ear.rewards[0].total_max == pytest.approx(3.0)
    series = run.series()
    assert {f"reward/{name}" for name in NAMES} <= set(series)
    for step, total in series["reward/total"]:
        terms = sum(dict(series[f"reward/{name}"])[step] for name in NAMES)
        assert terms == pytest.approx(total, abs=1e-5)
    manifest = json.loads((run.folder / "manifest.json").read_text())
    named = ("reward.terms", "observation.elements", "observation.cameras")
    assert {key: list(paths) for key, paths in manifest["plugins"].items()} == {key: [OWN[key]] for key in named}
    diagnosis = examine(run.folder)
    assert diagnosis.history.has("term_time_to_collision")
    assert not [finding for finding in diagnosis.findings if finding.rule == "reward-ledger"]
    settings = load_run(run.folder / "config.yaml")
    memory = ReplayMemory(settings, state_dim(settings.observation), run.folder / "replay")
    batch = memory.gather(memory.sampleable_slots())
    front, rear = batch.window[:, 0::2], batch.window[:, 1::2]
    assert front.std() > 0.0 and rear.std() > 0.0 and (front != rear).mean() > 0.2
    assert np.abs(batch.states[:, -1]).max() > 0.0


def test_without_its_module_no_node_starts(tmp_path: Path) -> None:
    with Run(tmp_path, None, {**OWN, "reward.terms": "nowhere_to_be_found:TERM"}) as run:
        assert run.wait() == 2
        assert "reward.terms: 'nowhere_to_be_found:TERM': there is no module 'nowhere_to_be_found'" in run.output
        assert "Traceback" not in run.output and not run.folder.exists()
