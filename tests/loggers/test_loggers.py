# SPDX-License-Identifier: Apache-2.0
"""A finished run as other loggers keep it, read back by their own libraries."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from td3_driving import cli
from td3_driving.doctor.examine import examine
from td3_driving.doctor.readers.streams import stream_of
from td3_driving.doctor.scalars import ReadReport
from td3_driving.launching.node_table import RunOptions, closing
from td3_driving.learning.replay_files import SlotShape
from td3_driving.learning.replay_store import ReplayStore
from td3_driving.loggers import cli as loggers
from td3_driving.loggers import mlflow_run
from td3_driving.loggers.recorded import recorded
from td3_driving.monitor.event_log import EventLog
from td3_driving.processes.extras import install
from td3_driving.runs import run_folder
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import from_flat

from ..shared.patience import HANG

NOW = datetime(2030, 1, 2, 3, 4, 5)
READ_BACK = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("td3_driving")
runs = client.search_runs([experiment.experiment_id])
number, data = runs[0].info.run_id, runs[0].data
history = [(point.step, point.value) for point in client.get_metric_history(number, "train/episode_reward")]
artifacts = [artifact.path for artifact in client.list_artifacts(number)]
print(json.dumps([sorted(run.info.run_name for run in runs), data.params, data.tags, history[:2], artifacts]))
"""
"""What MLflow itself finds in a store."""
RETURNS = {100: 1.5, 200: -2.25, 300: math.inf}


def made(folder: Path, *names: str) -> Path:
    """A run folder with a short course, its report, and these loggers."""
    settings = from_flat({"run.seed": 5, "learning.gamma": 0.5, **{f"loggers.{name}": True for name in names}})
    run_folder.create(folder, settings, NOW).__exit__()
    log = EventLog(folder)
    for step, value in RETURNS.items():
        log.scalars({"train/episode_reward": value, "reward/own_term": step / 7.0}, step)
    log.close()
    (folder / "report.json").write_text(json.dumps({"verdict": "GO"}))
    (folder / "evaluation.json").write_text(json.dumps({"metrics": {"driving_score": 88.0, "success_rate": 60.0}}))
    return folder


def written(folder: Path) -> str:
    """What the command says; in a process of its own, for the libraries change the one that they are in."""
    command = [sys.executable, "-m", "td3_driving.loggers.cli", str(folder)]
    sources = Path(cli.__file__).parents[1]
    path = os.pathsep.join([str(sources), *sys.path])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=HANG,
        env={**os.environ, "PYTHONPATH": path, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs(name: str) -> None:
    """Skip where the library is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: {install(name)}")


def test_a_run_is_read_with_all_it_logged(tmp_path: Path) -> None:
    run = recorded(made(tmp_path / "run"))
    assert {step: values["train/episode_reward"] for step, values in run.points.items()} == RETURNS
    assert run.points[200]["reward/own_term"] == pytest.approx(200 / 7, rel=1e-6)
    assert run.settings["learning.gamma"] == 0.5
    assert run.results == {"verdict": "GO", "final_driving_score": 88.0, "final_success_rate": 60.0}


def test_nothing_is_written_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(tmp_path / "run")
    before = sorted(path.name for path in folder.iterdir())
    assert loggers.main([str(folder)]) == 0 and capsys.readouterr().out == ""
    assert sorted(path.name for path in folder.iterdir()) == before
    assert [spec.name for spec in closing(RunOptions(folder))] == ["doctor"]
    assert [spec.name for spec in closing(RunOptions(folder, loggers=True))] == ["doctor", "loggers"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loggers.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(f"{tmp_path} holds no run (no config.yaml)\n")


def test_a_logger_that_fails_is_said_and_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path / "run", "wandb", "tensorboard")
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert loggers.main([str(folder)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: loggers.wandb: ") and said.err.count("\n") == 1
    assert "HParams" in said.out


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_library_is_told_before_the_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    assert cli.main(["train", "--set", f"loggers.{name}=true"]) == 2
    assert capsys.readouterr().err == f"error: loggers.{name} needs {name}, which is not installed: {install(name)}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("server", "first"), [(None, "pip install mlflow, then "), ("there", "")])
def test_the_command_that_shows_the_store_works_with_the_small_library_too(
    server: str | None, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mlflow-skinny`` brings the command ``mlflow ui`` and no server, so that it ends with a traceback."""
    monkeypatch.setattr(mlflow_run, "find_spec", lambda _: server)
    monkeypatch.delenv("TD3_DRIVING_PREFIX", raising=False)
    wanted = f"{first}MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri runs/.mlruns"
    assert mlflow_run._to_look("runs/.mlruns") == wanted


def test_loggers_do_not_make_another_run() -> None:
    assert from_flat({"loggers.wandb": True}).digest() == from_flat({}).digest()


def test_tensorboard_gets_settings_and_frames(tmp_path: Path) -> None:
    folder = made(tmp_path / "run", "tensorboard")
    store = ReplayStore(50, SlotShape((1, 6, 8), 5, 3), "hash", folder / "replay")
    for slot in range(30):
        store.records["ordinal"][slot] = slot + 1
        store.frames[slot] = slot
    before = examine(folder)
    assert "16 frames" in written(folder)
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    pictures = events.Images("camera/policy_frame")
    assert [pictures[0].step, pictures[-1].step, len(pictures)] == [1, 30, 16]
    assert (pictures[0].width, pictures[0].height) == (32, 24)
    shown = events.SummaryMetadata("_hparams_/session_start_info").plugin_data
    assert shown.plugin_name == "hparams"
    start = plugin_data_pb2.HParamsPluginData.FromString(shown.content).session_start_info
    assert start.hparams["learning.gamma"].number_value == 0.5
    assert start.hparams["learning.algorithm"].string_value == "td3"
    assert start.hparams["loggers.tensorboard"].bool_value is True
    assert [point.value for point in events.Scalars("hparam/final_driving_score")] == [88.0]
    after = examine(folder)
    assert (after.verdict, after.findings) == (before.verdict, before.findings), "the doctor judges the run alone"


def test_frames_of_three_planes_are_colour_and_one_frame_is_enough(tmp_path: Path) -> None:
    folder = made(tmp_path / "run", "tensorboard")
    store = ReplayStore(5, SlotShape((3, 4, 4), 5, 3), "hash", folder / "replay")
    store.records["ordinal"][0] = 1
    store.frames[0] = np.array([255, 0, 0], np.uint8)[:, None, None]
    assert "1 frame on" in written(folder)


def test_wandb_gets_every_point_offline(tmp_path: Path) -> None:
    needs("wandb")
    folder = made(tmp_path / "run", "wandb")
    said = written(folder)
    (file,) = folder.glob(".wandb/offline-run-*/*.wandb")
    assert f"wandb sync {file.parent}" in said
    points = [(point.tag, point.step, point.value) for point in stream_of(file).read(ReadReport(str(file)))]
    assert [(step, value) for tag, step, value in points if tag == "train/episode_reward"][:2] == [
        (100, 1.5),
        (200, -2.25),
    ]
    assert len(examine(folder).source.files) == 1, "the doctor passes the copy over"


def test_mlflow_gets_points_settings_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("mlflow")
    folders = [made(tmp_path / name, "mlflow") for name in ("one", "two")]
    for folder in folders:
        assert str(tmp_path / ".mlruns") in written(folder)
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", READ_BACK, (tmp_path / ".mlruns").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment)
    assert done.returncode == 0, done.stderr
    names, parameters, tags, history, artifacts = json.loads(done.stdout)
    assert names == ["one", "two"]
    assert parameters["learning.gamma"] == "0.5" and tags["result.verdict"] == "GO"
    assert history == [[100, 1.5], [200, -2.25]]
    assert {"config.yaml", "evaluation.json", "manifest.json", "report.json"} == set(artifacts)


def test_the_setting_is_in_the_run_that_is_written(tmp_path: Path) -> None:
    assert "wandb: true" in parameter_file(from_flat({"loggers.wandb": True}))
