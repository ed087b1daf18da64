# SPDX-License-Identifier: Apache-2.0
"""The command ``td3-driving evaluate``."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from td3_driving.cli import main
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.trainer import Trainer
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import Settings

FAST = ("--map", "straight", "--routes", "1", "--ending", "violation", "--set", "episode.max_steps=60")


KINDS = {"json": "json", "html": "html", "film": "mp4"}


def test_tables_json_page_and_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {kind: tmp_path / f"out.{ending}" for kind, ending in KINDS.items()}
    words = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    small = (
        "--set",
        "simulator.vehicles=3",
        "--set",
        "simulator.camera_width=64",
        "--set",
        "simulator.camera_height=36",
    )
    assert main(["evaluate", "lane_keeper", "parked", *FAST, *small, *words]) == 0
    shown = capsys.readouterr().out
    assert "driving score" in shown and "lane_keeper" in shown and "parked" in shown
    documents = json.loads(files["json"].read_text())["evaluations"]
    assert [document["td3_driving"]["agent"] for document in documents] == ["lane_keeper", "parked"]
    scores = [document["_checkpoint"]["global_record"]["scores_mean"]["score_composed"] for document in documents]
    assert scores[0] > scores[1] == 0.0
    page = files["html"].read_text()
    assert page.startswith("<!DOCTYPE html>") and "CARLA leaderboard 2.1" in page and "figure-0-0" in page
    film = cv2.VideoCapture(str(files["film"]))
    size = [film.get(value) for value in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    assert size == [12 * 64 + 432, 12 * 36], "the image in twelve times its size, and the map as high as it"
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 30, "60 frames of 0.05 s, a picture every 0.1 s"
    assert film.get(cv2.CAP_PROP_FPS) == 10.0


def test_delay_and_loss_are_columns_and_repeat_themselves(tmp_path: Path) -> None:
    words = ["evaluate", "lane_keeper", *FAST, "--set", "simulator.vehicles=0", "--delay-ms", "0,100", "--drop", "0.1"]
    documents = []
    for name in ("first", "second"):
        path = tmp_path / name
        assert main([*words, "--json", str(path)]) == 0
        whole = json.loads(path.read_text())["evaluations"]
        assert [entry["td3_driving"].pop("machine_dependent") is not None for entry in whole] == [True] * 3
        documents.append(whole)
    plans = [(entry["td3_driving"]["plan"]["delay"], entry["td3_driving"]["plan"]["drop"]) for entry in documents[0]]
    assert plans == [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)]
    assert documents[0] == documents[1]
    actions = [entry["td3_driving"]["metrics"]["mean_speed"] for entry in documents[0]]
    assert actions[1] < actions[0], "the delayed driver starts later"


def test_a_single_result_is_the_document_itself(tmp_path: Path, settings: Callable[..., Settings]) -> None:
    (tmp_path / "config.yaml").write_text(parameter_file(settings(episode__max_steps=20)))
    path = tmp_path / "one.json"
    words = ("--profile", str(tmp_path / "config.yaml"), "--routes", "1", "--ending", "violation")
    assert main(["evaluate", "idm", *words, "--json", str(path)]) == 0
    document = json.loads(path.read_text())
    assert document["td3_driving"]["privileged"] is True
    assert len(document["_checkpoint"]["records"]) == 1


def untrained(folder: Path, conf: Settings) -> Path:
    """A run folder whose policy has learned nothing."""
    folder.mkdir()
    (folder / "config.yaml").write_text(parameter_file(conf))
    Trainer(conf, folder, state_dim(conf.observation)).save()
    return folder


def test_a_policy_without_its_camera_and_without_its_state(
    tmp_path: Path, settings: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy that has learned nothing hardly moves: it cannot be told whether it would miss its camera."""
    run = untrained(tmp_path / "run", settings(episode__max_steps=30, observation__route_points=1))
    files = [word for kind in ("json", "html") for word in (f"--{kind}", str(tmp_path / f"out.{kind}"))]
    asked = ("--routes", "1", "--ending", "violation", "--camera", "black,noise", "--state-importance", "--occlusion")
    assert main(["evaluate", str(run), "parked", *asked, *files]) == 0
    shown = capsys.readouterr().out
    assert "needs its camera" in shown and "camera black" in shown and "camera noise" in shown
    documents = json.loads((tmp_path / "out.json").read_text())["evaluations"]
    own = [document["td3_driving"] for document in documents]
    assert [one["plan"]["camera"] for one in own] == ["seen", "black", "noise", "seen"]
    assert [one["needs_its_camera"]["answer"] for one in own] == ["unclear"] * 3 + ["no camera"]
    scores = own[0]["needs_its_camera"]["driving_scores"]
    assert list(scores) == ["seen", "black", "noise"]
    means = [document["_checkpoint"]["global_record"]["scores_mean"]["score_composed"] for document in documents[:3]]
    assert list(scores.values()) == pytest.approx(means, abs=1e-5)
    elements = own[0]["state_importance"]["elements"]
    assert len(elements) == 13 + 2 and elements[1]["element"] == "yaw rate, left positive"
    assert all("state_importance" not in one for one in own[1:])
    page = (tmp_path / "out.html").read_text()
    assert "state-0-0" in page and page.count("src='data:image/png;base64,") == 6 and "95 % bootstrap" in page


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere"], "nowhere is neither a run folder"),
        (["parked", "--scenario", "4"], "scenario 4 is outside 0 .. 3"),
        (["parked", "--routes", "0"], "routes: 0 is less than 1"),
        (["parked", "--delay-ms", "70"], "70 ms is no multiple of a frame"),
        (["parked", "--drop", "2"], "drop: 2.0 is outside 0 .. 1"),
        (["parked", "--map", "nowhere"], "nowhere"),
        (["parked", "--camera", "seen,blak"], "camera: 'blak' is not one of seen, black, frozen, noise, shuffled"),
        (["parked", "--json", "/nowhere/x.json"], "/nowhere/x.json cannot be written: there is no folder /nowhere"),
        (["parked", "--html", "/"], "/ cannot be written: it is a folder"),
        (["parked", "--occlusion", "--html", "x"], "--occlusion needs the run folder of a policy"),
        (["nowhere", "--occlusion", "--json", "x"], "--occlusion needs --html FILE"),
        (["nowhere", "--state-importance"], "--state-importance needs --html FILE or --json FILE"),
        (["parked", "--ros", "--camera", "blak"], "camera: 'blak' is not one of seen"),
        (["parked", "--ros", "--occlusion"], "--ros takes one agent and one scenario"),
        (["parked", "--set", "simulator.mapp=town"], "did you mean 'simulator.map'"),
    ],
)
def test_unusable_input_is_one_sentence(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said.splitlines()[-1] and "Traceback" not in said
