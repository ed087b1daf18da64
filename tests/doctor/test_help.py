# SPDX-License-Identifier: Apache-2.0
"""What the doctor offers beside its verdict: tags to map, lines to add, a table of runs, a class to compare with."""

from __future__ import annotations

import json

import pytest

from td3_driving.doctor.advice import LIBRARIES, OWN_LOOP, advice, library
from td3_driving.doctor.cli import main
from td3_driving.doctor.scalars import Scalar

MARKS = {
    "Stable-Baselines3": ["rollout/ep_rew_mean", "train/actor_loss", "time/fps"],
    "CleanRL": ["charts/episodic_return", "losses/actor_loss"],
    "skrl": ["Reward / Total reward (mean)", "Loss / Policy loss"],
    "SpinningUp": ["AverageEpRet", "EpLen", "LossPi"],
    "rl_games": ["rewards/iter", "rewards/step", "info/epochs"],
    "RLlib": ["ray/tune/episode_reward_mean"],
    "Tianshou": ["test/reward", "update/loss/actor"],
    "d3rlpy": ["metrics/critic_loss", "metrics/time_step"],
    "pytorch-soft-actor-critic": ["loss/critic_1", "loss/policy", "reward/train"],
    "DRL robot navigation": ["Av. Q", "Max. Q", "loss"],
    "TorchRL": ["train/loss_actor", "train/reward"],
    "LeRobot": ["eval/pc_success", "train/loss"],
    "your own loop": ["my/thing"],
}


@pytest.mark.parametrize(("name", "tags"), MARKS.items())
def test_the_library_is_known_by_its_tags(name, tags):
    assert library(tags).name == name


def test_every_library_has_up_to_five_lines():
    assert {item.name for item in (*LIBRARIES, OWN_LOOP)} == set(MARKS)
    assert all(1 <= len(item.lines) <= 5 for item in (*LIBRARIES, OWN_LOOP))


def test_nothing_is_advised_where_nothing_is_lacking(examined, healthy):
    assert advice(examined(healthy()).history) == []


def test_what_is_lacking_is_named(examined):
    heading = advice(examined({"rollout/ep_rew_mean": [(100, 1.0), (200, 2.0)]}).history)[0]
    assert heading == ("Not logged: Q on replay actions, actor loss, critic loss. To add, with Stable-Baselines3:")


@pytest.fixture
def runs(tmp_path, write_events, healthy, samples):
    """A healthy run, one whose Q exploded, and one that cannot be read."""
    folder = tmp_path / "runs"
    write_events(folder / "healthy" / "events.out.tfevents.1", samples(healthy()))
    sick = healthy(1)
    sick["debug/q1_for_actor_mean"] = [(step, 10.0 ** (step / 800)) for step, _ in sick["debug/q1_for_actor_mean"]]
    sick["train/actor_loss"] = [(step, -value) for step, value in sick["debug/q1_for_actor_mean"]]
    write_events(folder / "sick" / "events.out.tfevents.1", samples(sick))
    write_events(folder / "void" / "events.out.tfevents.1", [])
    return folder


def test_many_runs_are_a_table_sorted_by_trouble(runs, tmp_path, capsys):
    assert main([str(runs), "--json", str(tmp_path / "all.json")]) == 3
    entries = json.loads((tmp_path / "all.json").read_text())["runs"]
    assert [(entry["name"], entry["verdict"]) for entry in entries] == [
        ("sick", "NO-GO"),
        ("healthy", "GO"),
        ("void", "UNUSABLE"),
    ]
    assert entries[0]["report"]["causes"][0]["cause"] == "encoder_mismatch"
    output = capsys.readouterr().out
    assert output.index("sick") < output.index("healthy") < output.index("void")


def test_reports_of_one_run_are_refused_for_many(runs, tmp_path, capsys):
    assert main([str(runs), "--html", str(tmp_path / "a.html")]) == 2
    assert "--html is for one run" in capsys.readouterr().err


def test_a_folder_is_a_reference_class(runs, tmp_path):
    report = tmp_path / "report.json"
    assert main([str(runs / "sick"), "--against", str(runs), "--json", str(report)]) == 3
    against = json.loads(report.read_text())["against"]
    rows = {row["what"]: row for row in against["rows"]}
    assert against["run"] == "2 runs of runs"
    assert sorted(against["verdict"].split(", ")) == ["1 GO", "1 NO-GO"]
    assert "2 runs)" in rows["q1: final"]["against"]


def test_a_run_outside_its_class_is_marked(runs, tmp_path, write_events, healthy, samples):
    for seed in (2, 3):
        write_events(tmp_path / "class" / str(seed) / "events.out.tfevents.1", samples(healthy(seed)))
    report = tmp_path / "report.json"
    main([str(runs / "sick"), "--against", str(tmp_path / "class"), "--json", str(report)])
    rows = {row["what"]: row["run"] for row in json.loads(report.read_text())["against"]["rows"]}
    assert rows["actor q: final"].endswith("outside")


def test_a_tag_is_mapped_by_hand(tmp_path, write_events, capsys):
    points = [Scalar(tag, step, 1.0 + step / 1e4, float(step)) for step in range(0, 5000, 100) for tag in ("v/a", "b")]
    write_events(tmp_path / "events.out.tfevents.1", points)
    report = tmp_path / "report.json"
    main([str(tmp_path), "--tag", "q1=v/a", "critic_loss=b", "--json", str(report)])
    coverage = json.loads(report.read_text())["coverage"]["q_values"]
    assert (coverage["q1"]["tag"], coverage["q1"]["points"]) == ("v/a", 50)
    assert coverage["critic_loss"]["tag"] == "b"
    capsys.readouterr()
    assert main([str(tmp_path), "--tag", "q1=v/b"]) == 2
    assert "did you mean 'v/a'" in capsys.readouterr().err


def test_tags_that_look_like_something_are_listed(tmp_path, write_events, capsys):
    points = [Scalar("stats/mean_q_1_today", step, 1.0, float(step)) for step in range(0, 5000, 100)]
    write_events(tmp_path / "events.out.tfevents.1", points)
    main([str(tmp_path)])
    assert "--tag 'q1=stats/mean_q_1_today'" in " ".join(capsys.readouterr().out.split())
