# SPDX-License-Identifier: Apache-2.0
"""Evaluations over real DDS: in the course of a training, which they must not change, and on their own."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from safetensors.numpy import load_file
from td3_driving_msgs.msg import EpisodeSummary, EvaluationSummary

from td3_driving.learning.best import best_score, best_weights
from td3_driving.nodes.ros import qos
from td3_driving.runs.profiles import load_profile

from ...shared.patience import HANG
from ..run_harness import Ear, Run

FRAME_NS = 50_000_000
STEPS = 200
PLAIN = {"run.seed": 3, "run.steps": STEPS}
EVALUATED = {**PLAIN, "evaluation.interval": 80, "evaluation.routes": 2}


class Listener(Ear):
    """Hears evaluations and the clock, too."""

    def __init__(self, domain: int) -> None:
        super().__init__(domain)
        self.evaluations: list[EvaluationSummary] = []
        self.episodes: list[EpisodeSummary] = []
        self.clock: list[int] = []
        self.node.create_subscription(EvaluationSummary, "/td3/evaluation", self.evaluations.append, qos.EPISODE)
        self.node.create_subscription(EpisodeSummary, "/td3/episode", self.episodes.append, qos.EPISODE)
        self.node.create_subscription(Clock, "/clock", self._on_clock, qos.BRIDGE)

    def _on_clock(self, message: Clock) -> None:
        self.clock.append(message.clock.sec * 10**9 + message.clock.nanosec)


Points = list[tuple[int, float]]


def train(home: Path, domain: int, changes: dict[str, object]) -> tuple[Run, Listener]:
    """A whole run, and what was heard of it."""
    home.mkdir()
    with Listener(domain) as ear, Run(home, domain, changes) as run:
        assert run.wait(ear) == 0, run.output[-4000:]
        ear.listen(0.2)
    return run, ear


def learned(run: Run) -> tuple[dict[str, list[tuple[int, float]]], dict[str, str]]:
    """Every series of the learner and of the training's episodes, and a hash of every tensor of the last checkpoint."""
    series = {tag: points for tag, points in run.series().items() if tag.startswith(("train/", "debug/", "gradients/"))}
    weights = load_file(next((run.folder / "checkpoints" / "latest").rglob("*.safetensors")))
    return series, {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in weights.items()}


def from_the_same_step(ours: Points, theirs: Points) -> tuple[Points, Points]:
    """Both, from the later of their first steps on: the first episodes may end before everybody has found everybody."""
    first = max(ours[0][0], theirs[0][0])
    return [point for point in ours if point[0] >= first], [point for point in theirs if point[0] >= first]


def rewards_heard(ear: Listener) -> dict[int, float]:
    """By step; a listener without time misses some."""
    return {reward.step: reward.total for reward in ear.rewards}


def frames_between(ear: Listener, first: int, last: int) -> int:
    """Frames from the end of a step of the training to the end of a later one."""
    stamps = {reward.step: reward.header.stamp for reward in ear.rewards}
    begin, end = (stamps[number].sec * 10**9 + stamps[number].nanosec for number in (first, last))
    return round((end - begin) / FRAME_NS)


def evaluated_frames(run: Run, first: int, last: int) -> int:
    """Frames of the evaluations between two steps: one per step, and the first of each episode."""
    files = [path for path in (run.folder / "evaluations").glob("*.json") if first <= int(path.stem) < last]
    records = [record for path in files for record in json.loads(path.read_text())["_checkpoint"]["records"]]
    return sum(round(record["meta"]["duration_game"] * 1e9 / FRAME_NS) + 1 for record in records)


def test_a_training_with_evaluations_learns_the_same_bit_by_bit(tmp_path: Path, domain_id: int) -> None:
    plain, heard = train(tmp_path / "plain", domain_id, PLAIN)
    run, ear = train(tmp_path / "evaluated", domain_id, EVALUATED)
    (series, weights), (plain_series, plain_weights) = learned(run), learned(plain)
    assert weights == plain_weights
    assert series.keys() == plain_series.keys()
    for tag, points in series.items():
        ours, theirs = from_the_same_step(points, plain_series[tag])
        assert ours and ours == theirs, tag
    # The account of the replay: nothing more was sent, and nothing was refused.
    last, before = ear.accounts[-1], heard.accounts[-1]
    assert (last.inserted, last.updates, last.sampleable) == (before.inserted, before.updates, before.sampleable)
    assert (last.duplicate, last.rejected, last.lost) == (0, 0, 0)
    rewards, plain_rewards = rewards_heard(ear), rewards_heard(heard)
    both = sorted(rewards.keys() & plain_rewards.keys())
    assert len(both) > STEPS // 4
    assert [rewards[step] for step in both] == [plain_rewards[step] for step in both]
    # The clock went on by one frame per frame, in the training and in the evaluations.
    steps = [after - now for now, after in zip(ear.clock, ear.clock[1:])]
    assert min(steps) > 0, "the clock never goes back"
    assert all(abs(step - FRAME_NS * round(step / FRAME_NS)) <= 1 for step in steps)
    first, last_heard = both[0], both[-1]
    evaluated = evaluated_frames(run, first, last_heard)
    assert frames_between(ear, first, last_heard) == frames_between(heard, first, last_heard) + evaluated
    # What the evaluations left; a listener that found the run late missed the first of them.
    done = [message for message in ear.evaluations if message.tags]
    assert {message.episodes for message in done} == {2}
    assert done[-1].policy_version == last.updates
    files = list((run.folder / "evaluations").glob("*.json"))
    assert len(files) >= 3, "at 80 and 160 steps, and with the last weights"
    series = run.series()
    assert len(series["eval/driving_score"]) == len(files) >= len(done)
    assert series["eval/driving_score"][-1][0] == STEPS
    best = max(value for _, value in series["eval/driving_score"])
    checkpoints = run.folder / "checkpoints"
    assert best_score(checkpoints) == pytest.approx(best, rel=1e-5)
    assert best_weights(checkpoints, load_profile(run.folder / "config.yaml").digest())
    alarms = [status.message for status in ear.errors if status.level == DiagnosticStatus.ERROR]
    assert alarms == []


def test_a_fault_in_an_evaluation_repeats_the_route_and_harms_nothing(tmp_path: Path, domain_id: int) -> None:
    """The frame lost is the 90th of the simulator, which numbers them from 100: the first evaluation comes after 60."""
    changes = {**EVALUATED, "evaluation.interval": 50, "evaluation.routes": 1}
    with Listener(domain_id) as ear, Run(tmp_path, domain_id, changes, "--faults", "drop@190") as run:
        assert run.wait(ear) == 0, run.output[-4000:]
        assert run.output.count("episode cut") == 1 and "Traceback" not in run.output
        assert ear.episodes and ear.episodes[-1].step == STEPS
        cut = [episode.step for episode in ear.episodes if episode.exit_reason == EpisodeSummary.SIMULATOR_FAULT]
        assert cut == [], "no episode of the training was cut"
        assert ear.accounts[-1].inserted == STEPS and ear.accounts[-1].rejected == 0
        assert all(message.episodes == 1 for message in ear.evaluations if message.tags)


def test_evaluation_alone_over_ros(tmp_path: Path, domain_id: int) -> None:
    """The lane keeper reaches its goal on an empty straight road; the results are in the leaderboard's layout."""
    profile, result = tmp_path / "profile.yaml", tmp_path / "result.json"
    profile.write_text("/**:\n  ros__parameters:\n    simulator:\n      map: straight\n      vehicles: 0\n")
    words = ["lane_keeper", "--ros", "--profile", str(profile), "--routes", "2", "--json", str(result)]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id)}
    command = [sys.executable, "-m", "td3_driving.cli", "evaluate", *words]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "driving score" in answer.stdout and "Traceback" not in answer.stdout + answer.stderr
    document = json.loads(result.read_text())
    assert [record["status"] for record in document["_checkpoint"]["records"]] == ["Perfect"] * 2
    assert document["td3_driving"]["agent"] == "lane_keeper"


def test_a_training_ends_with_the_drives_of_its_policy_which_are_then_driven_over_ros(
    tmp_path: Path, domain_id: int
) -> None:
    """A policy of 40 random steps scores too little to tell whether it needs its camera: the verdict stands without."""
    changes = {**PLAIN, "run.steps": 40, "pacing.learning_starts": 39, "evaluation.final_routes": 1}
    with Run(tmp_path, domain_id, changes) as run:
        assert run.wait() == 0, run.output[-4000:]
        said, last = run.output.find("[final] drives: success 0 %"), run.output.find("[doctor]")
        assert 0 < said < last, run.output[-4000:]
    kept = json.loads((run.folder / "evaluation.json").read_text())
    assert kept["step"] == 40 and kept["routes"] == 1 and kept["needs_its_camera"]["answer"] == "unclear"
    report = json.loads((run.folder / "report.json").read_text())
    assert report["statistics"]["final_score"]["last"] == pytest.approx(kept["metrics"]["driving_score"])
    result = tmp_path / "result.json"
    words = [str(run.folder), "--ros", "--routes", "1", "--ending", "violation", "--camera", "black,frozen"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id)}
    command = [sys.executable, "-m", "td3_driving.cli", "evaluate", *words, "--json", str(result)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "needs its camera" in answer.stdout and "camera frozen" in answer.stdout
    own = [document["td3_driving"] for document in json.loads(result.read_text())["evaluations"]]
    assert [one["plan"]["camera"] for one in own] == ["seen", "black", "frozen"]
    assert [one["needs_its_camera"]["answer"] for one in own] == ["unclear"] * 3


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("idm",), "driver 'idm' must know where the other vehicles are"),
        (("nowhere",), "nowhere"),
        (("parked", "--camera", "blak"), "camera: 'blak' is not one of seen, black"),
        (("parked", "--delay-ms", "50"), "--ros takes one agent and one scenario"),
    ],
)
def test_what_cannot_be_evaluated_over_ros_is_refused(
    tmp_path: Path, domain_id: int, words: tuple[str, ...], complaint: str
) -> None:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id)}
    command = [sys.executable, "-m", "td3_driving.cli", "evaluate", *words, "--ros", "--routes", "1"]
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=HANG, check=False, cwd=tmp_path
    )
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert complaint in said and "Traceback" not in said
