# SPDX-License-Identifier: Apache-2.0
"""What lies below a run and is no log does not make it several runs."""

from __future__ import annotations

import json
from pathlib import Path

from td3_driving.doctor.run import find_runs
from td3_driving.monitor.event_log import EventLog

STATE = {"updates": 2000, "policy_updates": 1000, "mean": 5.1, "returns": {"actor_0": 15.9}}


def run_with_checkpoints(folder: Path) -> Path:
    log = EventLog(folder)
    for step in range(100, 1100, 100):
        log.scalars({"train/episode_reward": 0.1 * step, "train/critic_loss": 1.0}, step)
    log.close()
    for step in (500, 1000):
        place = folder / "checkpoints" / f"{step:09d}"
        place.mkdir(parents=True)
        (place / "state.json").write_text(json.dumps(STATE), encoding="utf-8")
    (folder / "replay").mkdir()
    (folder / "replay" / "header.json").write_text(json.dumps({"updates": 3, "format": 1}), encoding="utf-8")
    return folder


def test_states_of_checkpoints_are_no_runs(tmp_path: Path) -> None:
    assert [run.path for run in find_runs(run_with_checkpoints(tmp_path / "run"))] == [tmp_path / "run"]


def test_a_json_log_in_a_folder_below_is_part_of_the_run(tmp_path: Path) -> None:
    folder = run_with_checkpoints(tmp_path / "run")
    rows = [{"step": step, "critic_loss": 1.0, "episode_return": step} for step in range(20)]
    below = folder / "other"
    below.mkdir()
    (below / "log.json").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert [run.path.name for run in find_runs(folder)] == ["run"]
