# SPDX-License-Identifier: Apache-2.0
"""The drives at the end of a training."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from td3_driving.driving.episode import ExitReason
from td3_driving.driving.state_vector import state_dim
from td3_driving.evaluation import final_drives
from td3_driving.evaluation.agents import driver_agent
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.final_drives import Drives, drive, main, record, sentence
from td3_driving.learning.trainer import Trainer
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import Settings, SettingsError, from_flat

from ..shared.patience import HANG

Conf = Callable[..., Settings]


def run_of(folder: Path, conf: Settings) -> Path:
    (folder / "config.yaml").write_text(parameter_file(conf))
    Trainer(conf, folder, state_dim(conf.observation)).save()
    return folder


@pytest.fixture(scope="module")
def result(settings: Conf) -> EpisodeResult:
    """The lane keeper's drive on an empty straight road: a score of 100."""
    conf = settings()
    (one,) = evaluate(conf, driver_agent("lane_keeper", conf), EvaluationPlan(routes=1))
    return one


def scored(result: EpisodeResult, *scores: float) -> list[EpisodeResult]:
    return [replace(result, driving_score=score) for score in scores]


def said(conf: Settings, seen: list[EpisodeResult], blind: list[float], result: EpisodeResult) -> str:
    return sentence(Drives(seen, scored(result, *blind), cut=False), conf)


def test_the_line_says_what_was_measured(settings: Conf, result: EpisodeResult) -> None:
    conf = settings(evaluation__final_timeout=60.0)
    full, one = scored(result, *[100.0] * 5), scored(result, 2.0)
    start = "drives: success 100 %, score 100.0 over 5 routes; with a black camera "
    assert said(conf, full, [3.1] * 5, result) == f"{start}3.1: it needs its camera"
    assert said(conf, full, [99.9] * 5, result) == f"{start}99.9: it does NOT need its camera: it does not look"
    unclear = "0.0: it drives too little to tell whether it needs its camera"
    assert said(conf, one, [0.0], result).endswith(f"score 2.0 over 1 route; with a black camera {unclear}")
    cut = "score 100.0 over 1 route, cut after 60 s; there was no time to ask whether it needs its camera"
    assert sentence(Drives(full[:1], [], cut=True), conf) == f"drives: success 100 %, {cut}"


def test_routes_that_were_not_driven_both_ways_do_not_count(result: EpisodeResult) -> None:
    """By all five routes the score would be 60; by the two that were driven blind, too, it is 0."""
    need = Drives(scored(result, 0.0, 0.0, 100.0, 100.0, 100.0), scored(result, 0.0, 0.0), cut=True).need
    assert need.seen is not None and need.seen.value == 0.0 and need.answer == "unclear"


def test_the_record_is_json_and_states_every_route(settings: Conf, result: EpisodeResult) -> None:
    kept = record(Drives(scored(result, 90.0, 100.0), scored(result, 1.0, 2.0), cut=False), settings(), 300)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert kept["step"] == 300 and kept["routes_seen"] == [90.0, 100.0] and kept["routes_black"] == [1.0, 2.0]
    assert kept["needs_its_camera"]["answer"] == "yes" and kept["metrics"]["driving_score"] == 95.0
    assert "speed_of_traffic" not in kept["metrics"], "there is no traffic, and so no number"


def test_a_run_folder_gets_its_record_and_the_same_one_again(
    settings: Conf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(tmp_path, settings(evaluation__final_routes=2, episode__max_steps=20))
    records = []
    for _ in range(2):
        assert main([str(tmp_path)]) == 0
        records.append(json.loads((tmp_path / "evaluation.json").read_text()))
        begins, line = capsys.readouterr().out.splitlines()
        assert begins == "the policy drives 2 routes with its camera and with a black one, for 300 s at most"
        assert line == records[-1]["sentence"] and line.startswith("drives: success 0 %, score ")
    before, after = ({**one, "finished": 0.0} for one in records)
    assert before == after and len(before["routes_seen"]) == len(before["routes_black"]) == 2
    assert not list(tmp_path.glob("*.new"))


def test_the_routes_are_not_those_of_the_command_nor_of_the_course(settings: Conf) -> None:
    chosen = [
        EvaluationPlan(seed=seed).seeds for seed in (0, Settings().evaluation.seed, Settings().evaluation.final_seed)
    ]
    assert len({seed for seeds in chosen for seed in seeds}) == 30


def test_time_runs_out_between_two_frames(settings: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = settings(evaluation__final_routes=2, episode__max_steps=20)
    agent = driver_agent("parked", conf)
    assert drive(conf, agent, time.monotonic()) == Drives([], [], cut=True)
    whole = drive(conf, agent, time.monotonic() + 1e6)
    assert (len(whole.seen), len(whole.blind), whole.cut) == (2, 2, False)
    assert {one.ended for one in whole.seen} == {ExitReason.TIME_LIMIT}
    frames = 0

    def late(self: Any, *_: object) -> None:
        nonlocal frames
        frames += 1
        if frames > 50:  # Each drive has 20 steps: the third one is cut, the second route with its camera.
            raise final_drives.TimeUp

    monkeypatch.setattr(final_drives.Deadline, "__call__", late)
    cut = drive(conf, agent, 0.0)
    assert (len(cut.seen), len(cut.blind), cut.cut) == (1, 1, True), "the first route was driven both ways"


def test_what_hangs_is_ended() -> None:
    code = "import time; from td3_driving.evaluation.final_drives import ended_after\n"
    code += "with ended_after(0.2): time.sleep(600)"
    sources = Path(final_drives.__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(sources)}, timeout=HANG)
    assert answer.returncode == -signal.SIGALRM


def test_not_even_one_route_in_time_is_a_failure_that_leaves_no_old_record(
    settings: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(tmp_path, settings(evaluation__final_timeout=7.0))
    (tmp_path / "evaluation.json").write_text("{}")
    monkeypatch.setattr(final_drives, "drive", lambda *_: Drives([], [], cut=True))
    assert main([str(tmp_path)]) == 1
    begins, line = capsys.readouterr().out.splitlines()
    assert begins.endswith("for 7 s at most") and line.startswith("drives: no route was driven within 7 s (evaluation.")
    assert not (tmp_path / "evaluation.json").exists()


def test_a_folder_without_a_policy_is_refused_in_one_sentence(
    settings: Conf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert main([str(folder)]) == 2
    (tmp_path / "config.yaml").write_text(parameter_file(settings()))
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "nothing is left that ends this process"
    assert len(said) == 3 and all(line.startswith("error: the final drives were not driven: ") for line in said)
    assert "holds no checkpoint" in said[2]


@pytest.mark.parametrize(("name", "value"), [("final_routes", -1), ("final_routes", 1001), ("final_timeout", 0.5)])
def test_settings_have_ranges(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"{name}: {value} is outside"):
        from_flat({f"evaluation.{name}": value})
