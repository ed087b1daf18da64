# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

import pytest

from td3_driving.doctor.cli import main
from td3_driving.doctor.scalars import Scalar


@pytest.fixture
def run(tmp_path, write_events, healthy, samples):
    """A healthy run folder."""
    write_events(tmp_path / "run" / "events.out.tfevents.1", samples(healthy()))
    return tmp_path / "run"


def refused(arguments, capsys):
    """Exit code 2, and one sentence on standard error."""
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    return code == 2


def test_go(run):
    assert main([str(run)]) == 0


def test_no_go(run):
    assert main([str(run), "--expect", "train_freq=50", "gradient_steps=1"]) == 3


def test_insufficient(run):
    assert main([str(run), "--expect", "steps=50000"]) == 0
    (run / "events.out.tfevents.1").write_bytes((run / "events.out.tfevents.1").read_bytes()[:-200])
    assert main([str(run), "--expect", "steps=50000"]) == 4


def test_one_event_file(run):
    assert main([str(run / "events.out.tfevents.1")]) == 0


def test_the_only_run_below(run):
    assert main([str(run.parent)]) == 0


def test_reports_are_written(run, tmp_path):
    files = {name: tmp_path / name for name in ("json", "html", "markdown")}
    main(
        [str(run), "--against", str(run), *(text for name, path in files.items() for text in (f"--{name}", str(path)))]
    )
    assert json.loads(files["json"].read_text())["against"]["verdict"] == "GO"
    assert files["html"].read_text().startswith("<!DOCTYPE html>")
    assert files["markdown"].read_text().startswith("# Validation run analysis")


@pytest.mark.parametrize("brief", [[], ["--brief"]])
def test_a_comparison_that_is_asked_for_is_printed(run, capsys, brief):
    main([str(run), "--against", str(run), *brief])
    assert f"{run.name} against {run.name}" in capsys.readouterr().out
    main([str(run), *brief])
    assert "against" not in capsys.readouterr().out


@pytest.mark.parametrize("returns", [0, 1])
def test_one_return_is_no_curve(tmp_path, write_events, healthy, samples, returns, capsys):
    columns = {tag: points for tag, points in healthy().items() if "reward" not in tag and "return" not in tag}
    if returns:
        columns["train/episode_reward"] = [(2000, 409.7)]
    write_events(tmp_path / "events.out.tfevents.1", samples(columns))
    main([str(tmp_path)])
    assert "fewer than two returns of the policy were logged" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("teacher", "starts_at_700"), [("brisk", False), ("none", True)])
def test_the_returns_of_a_teacher_are_no_start(
    tmp_path, write_events, healthy, samples, teacher, starts_at_700, capsys
):
    """Three episodes of a teacher at 700, then the policy's own from 100 to 700; the third ends after its last step."""
    columns = {tag: points for tag, points in healthy().items() if "reward" not in tag and "return" not in tag}
    own = [(step, 100.0 + 600.0 * (step - 1000) / 5000) for step in range(1400, 6001, 200)]
    columns["train/episode_reward"] = [(400, 700.0), (800, 690.0), (1200, 710.0), *own]
    write_events(tmp_path / "events.out.tfevents.1", samples(columns))
    (tmp_path / "config.yaml").write_text(
        "/**:\n  ros__parameters:\n    exploration:\n      random_steps: 1000\n"
        f"    learning:\n      teacher: {teacher}\n"
    )
    main([str(tmp_path), "--brief"])
    said = " ".join(capsys.readouterr().out.split())
    assert ("700 at the start" in said) == starts_at_700, said
    assert ("Yes" in said.split("Did it learn?")[1]) != starts_at_700, said


def test_a_configuration_of_the_run_is_held_against_it(run):
    (run / "config.yaml").write_text(
        "/**:\n  ros__parameters:\n    pacing:\n      train_freq: 50\n      gradient_steps: 1\n"
    )
    assert main([str(run)]) == 3


def test_expect_overrides_config(run, tmp_path):
    config = tmp_path / "asked.yaml"
    config.write_text("train_freq: 50\n")
    assert main([str(run), "--config", str(config)]) == 3
    assert main([str(run), "--config", str(config), "--expect", "train_freq=4"]) == 0


def test_a_run_that_was_gone_on_with(tmp_path, write_events, healthy, samples):
    stream = samples(healthy())
    half = len(stream) // 2
    write_events(tmp_path / "events.out.tfevents.1", stream[:half])
    first = tmp_path / "events.out.tfevents.1"
    first.write_bytes(first.read_bytes()[:-5])
    write_events(tmp_path / "events.out.tfevents.2", stream[half:])
    assert main([str(tmp_path)]) == 0


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"not an event file", os.urandom(4096)])
def test_files_that_are_none(tmp_path, capsys, content):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(content)
    assert refused([path], capsys)
    assert refused([tmp_path], capsys)


def test_a_file_cut_before_its_first_scalar(tmp_path, capsys, write_events):
    path = write_events(tmp_path / "events.out.tfevents.1", [Scalar("a", 1, 1.0, 0.0)])
    whole = path.read_bytes()
    for cut in (0, 5, 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert refused([path], capsys)


def test_no_such_run(tmp_path, capsys):
    assert refused([tmp_path / "nowhere"], capsys)


def test_an_empty_folder(tmp_path, capsys):
    assert refused([tmp_path], capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(run, capsys):
    (run / "events.out.tfevents.1").chmod(0)
    assert refused([run], capsys)


def test_a_slip_in_expect(run, capsys):
    assert refused([run, "--expect", "trainfreq=4"], capsys)


def test_a_report_that_cannot_be_written(run, capsys):
    assert refused([run, "--json", run / "nowhere" / "report.json"], capsys)


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 100_000, "null", "a: &a [1]\nb: [*a, *a]"])
def test_foreign_descriptions_never_refuse_a_run(run, content):
    (run / "manifest.json").write_text(content)
    (run / "config.yaml").write_text(content)
    assert main([str(run)]) == 0


def test_a_description_that_is_a_folder_or_huge(run):
    (run / "manifest.json").mkdir()
    with (run / "config.yaml").open("wb") as file:
        file.truncate(10**9)
    assert main([str(run)]) == 0
