# SPDX-License-Identifier: Apache-2.0
"""A run is continued as it was made and no shorter than it is: anything else is one sentence, and nothing starts."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from td3_driving import cli
from td3_driving.launching.prepare import RunRequest, resolve
from td3_driving.launching.resuming import steps_done
from td3_driving.learning.replay import ReplayMemory
from td3_driving.runs import run_folder
from td3_driving.settings import from_flat

NOW = datetime(2030, 1, 2, 3, 4, 5)
SETTINGS = {"run.steps": 8000, "replay.capacity": 100, "observation.frame_height": 32, "observation.frame_width": 32}
DONE = 2600


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run of profile quick that has done :data:`DONE` steps."""
    monkeypatch.chdir(tmp_path)
    settings = from_flat(SETTINGS)
    run_folder.create(tmp_path / "runs/one", settings, NOW, "quick").__exit__()
    memory = ReplayMemory(settings, 3, tmp_path / "runs/one/replay")
    memory._store._count(DONE, DONE, DONE)
    return tmp_path / "runs/one"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "town"], ["--resume goes on with the settings of the run", "--profile"]),
        (["--steps", "2000"], ["has done 2,600 steps", "asks for 2,000"]),
        (["--set", "run.steps=1"], ["has done 2,600 steps", "asks for 1;"]),
    ],
)
def test_another_profile_or_fewer_steps_are_one_sentence_and_change_nothing(
    run: Path, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert cli.main(["train", "--resume", "--run", "one", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(word in error for word in words), error
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("profile", ["", "quick"])
@pytest.mark.parametrize("steps", [2600, 3000, 9000])
def test_the_same_profile_or_none_and_as_many_steps_or_more_are_resolved(run: Path, profile: str, steps: int) -> None:
    request = RunRequest(profile, (f"run.steps={steps}",), "one", resume=True)
    settings, path = resolve(request, NOW)
    assert settings.run.steps == steps and path == run


def test_steps_that_another_rank_holds_are_counted(run: Path) -> None:
    memory = ReplayMemory(from_flat(SETTINGS), 3, run / "rank_1" / "replay")
    memory._store._count(7, 7, DONE + 4)
    assert steps_done(run) == DONE + 4


def test_a_run_that_ended_a_few_steps_late_is_continued_as_it_was_asked_for(run: Path) -> None:
    memory = ReplayMemory(from_flat(SETTINGS), 3, run / "replay")
    memory._store._count(8003, 8003, 8003)
    assert resolve(RunRequest(run_directory="one", resume=True), NOW)[0].run.steps == 8000


def test_a_profile_from_a_file_is_known_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("/**:\n  ros__parameters:\n    run:\n      steps: 9\n")
    made = str(tmp_path.resolve() / "mine.yaml")
    run_folder.create(tmp_path / "runs/one", from_flat({"run.steps": 9}), NOW, made).__exit__()
    assert resolve(RunRequest("mine.yaml", run_directory="one", resume=True), NOW)[0].run.steps == 9


def test_steps_done_are_those_of_the_memory_or_of_the_checkpoint(run: Path) -> None:
    assert steps_done(run) == DONE
    np.zeros(6, np.int64).tofile(run / "replay/counters.i64")
    assert steps_done(run) == 0
    state = run / "checkpoints/latest/state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"inserted": 2500}))
    assert steps_done(run) == 2500
    state.write_text("[]")
    assert steps_done(run) == 0
