# SPDX-License-Identifier: Apache-2.0
"""What the drives at the end of a run say about the camera."""

from __future__ import annotations

import io
import json
from html import escape
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from td3_driving.doctor.diagnosis import Source, Verdict, conclude
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import examine
from td3_driving.doctor.report_html import html_report
from td3_driving.doctor.report_json import json_report
from td3_driving.doctor.report_markdown import markdown_report
from td3_driving.doctor.report_terminal import print_brief
from td3_driving.doctor.rules.camera import FILE, LARGEST, camera_note, final_samples
from td3_driving.doctor.scalars import Scalar
from td3_driving.doctor.summary import driven, headline, next_steps, verdict_line

from .rule_harness import found, severities


def record(answer: str, seen: float = 100.0, blind: float = 99.9, **more: float) -> dict[str, Any]:
    need = {"answer": answer, "interval": [99.0, 100.0], "driving_scores": {"seen": seen, "black": blind}}
    if answer == "not asked":
        need = {"answer": answer}
    metrics = {"driving_score": seen, "success_rate": 80.0}
    return {"step": 8000, "finished": 900.0, "metrics": metrics, "needs_its_camera": need, **more}


def write(folder: Path, content: dict[str, Any] | str) -> Path:
    (folder / FILE).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_the_record_becomes_samples(tmp_path: Path) -> None:
    assert final_samples(tmp_path) == []
    values = {sample.tag: sample.value for sample in final_samples(write(tmp_path, record("no")))}
    assert values == {
        "eval/final/driving_score": 100.0,
        "eval/final/success_rate": 80.0,
        "eval/final/needs_camera": 0.0,
        "eval/final/driving_score_low": 99.0,
        "eval/final/driving_score_blind": 99.9,
    }
    assert final_samples(tmp_path)[0] == Scalar("eval/final/driving_score", 8000, 100.0, 900.0)
    for answer in ("unclear", "not asked"):
        assert len(final_samples(write(tmp_path, record(answer)))) == 2


@pytest.mark.parametrize(
    "content",
    [
        '{"step": 1, "finished": 1.0, "metrics": [], "needs_its_camera": {}}',
        json.dumps(record("no") | {"finished": float("nan")}),
        json.dumps(record("no") | {"needs_its_camera": {"answer": "yes"}}),
        json.dumps(record("no", blind=float("inf"))),
        json.dumps(record("no") | {"needs_its_camera": record("no")["needs_its_camera"] | {"interval": []}}),
    ],
)
def test_a_damaged_record_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    with pytest.raises(Unusable, match=f"{FILE} is a damaged record of final drives"):
        final_samples(write(tmp_path, content))


@pytest.mark.parametrize("content", ["", "[]", "{}", "3", '{"score": 3}', "[" * 100_000, " " * (LARGEST + 1)])
def test_a_file_of_that_name_from_another_program_is_left_alone(tmp_path: Path, content: str) -> None:
    assert final_samples(write(tmp_path, content)) == []


def with_record(healthy, folder: Path, answer: str, **scores: float):
    columns = healthy()
    for tag, step, value, _ in final_samples(write(folder, record(answer, **scores))):
        columns[tag] = [(step, value)]
    return columns


ASKED = {"train_freq": 4, "gradient_steps": 1, "steps": 6000}


def test_a_camera_that_is_ignored_is_the_first_thing_said_and_leaves_the_verdict(examined, healthy, tmp_path) -> None:
    engine = examined(with_record(healthy, tmp_path, "no"), **ASKED)
    assert severities(engine, "camera-ignored") == ["warn"]
    diagnosis = conclude(engine, Source("run", "run"))
    assert diagnosis.verdict is Verdict.GO
    said = "driving score 100.0 with its camera, 99.9 with a black one"
    assert headline(diagnosis) == (
        f"The policy does NOT need its camera: {said}. Nothing critical was found. 1 warning: camera-ignored."
    )
    (cause,) = diagnosis.causes
    assert (cause.cause, cause.confidence, cause.rules) == ("camera_ignored", "proven", ("camera-ignored",))
    assert "state vector" in next_steps(diagnosis)[0]


def test_a_policy_that_needs_its_camera_is_told_in_passing(examined, healthy, tmp_path) -> None:
    engine = examined(with_record(healthy, tmp_path, "yes", blind=3.1), **ASKED)
    (finding,) = found(engine, "camera-ignored")
    assert finding.severity.value == "info" and finding.numbers == {"seen": 100.0, "black": 3.1}
    assert finding.first_step == 8000
    diagnosis = conclude(engine, Source("run", "run"))
    assert headline(diagnosis) == "Nothing critical was found." and diagnosis.causes == []


@pytest.mark.parametrize("answer", ["unclear", "not asked"])
def test_drives_that_cannot_tell_are_not_judged(examined, healthy, tmp_path, answer) -> None:
    engine = examined(with_record(healthy, tmp_path, answer), **ASKED)
    assert found(engine, "camera-ignored") == [] and camera_note(engine.findings()) == ""
    assert "evaluation.final_routes" in engine.rule("camera-ignored").missing()


@pytest.mark.parametrize(
    ("answer", "scores", "said"),
    [
        (
            "yes",
            {"blind": 3.1, "routes": 5},
            "score 100.0 over 5 routes; needs its camera: yes (score 3.1 with a black",
        ),
        ("no", {"routes": 1}, "score 100.0 over 1 route; needs its camera: no (score 99.9 with a black one)."),
        ("unclear", {"seen": 2.0}, "Drives: success 80 %, score 2.0; needs its camera: not known."),
    ],
)
def test_training_and_driving_are_told_apart(examined, healthy, tmp_path, answer, scores, said) -> None:
    diagnosis = conclude(examined(with_record(healthy, tmp_path, answer, **scores), **ASKED), Source("run", "run"))
    assert verdict_line(diagnosis) == "GO: training healthy"
    assert said in driven(diagnosis)
    console = Console(width=200, file=io.StringIO())
    print_brief(diagnosis, console)
    first = console.file.getvalue().splitlines()
    assert first[0].startswith("╭─ GO: training healthy ─") and driven(diagnosis) in first[2]
    page, text = html_report(diagnosis), markdown_report(diagnosis)
    assert "<strong>GO: training healthy</strong>" in page and escape(driven(diagnosis)) in page
    assert f"**GO: training healthy.** {headline(diagnosis)} {driven(diagnosis)}" in text
    report = json.loads(json_report(diagnosis))
    assert report["training"] == "healthy" and f"Drives: {report['drives']}" == driven(diagnosis)


def test_what_was_not_driven_is_not_told(examined, healthy) -> None:
    ours = conclude(examined(healthy(), **ASKED), Source("run", "run"))
    assert driven(ours) == ("Drives: not measured; the verdict is on the training alone." if ours.history.ours else "")
    foreign = conclude(examined({"rollout/ep_rew_mean": [(1, 1.0)]}), Source("run", "run"))
    assert driven(foreign) == "" and json.loads(json_report(foreign))["drives"] is None
    assert verdict_line(foreign) == "INSUFFICIENT: training not judged"


def test_no_drives_at_all(examined, healthy) -> None:
    engine = examined(healthy(), **ASKED)
    assert found(engine, "camera-ignored") == [] and engine.rule("camera-ignored").missing()
    assert conclude(engine, Source("run", "run")).verdict is Verdict.GO


def test_a_run_folder_is_read_with_its_record(tmp_path, healthy, samples, write_events) -> None:
    write_events(tmp_path / "events.out.tfevents.1.a", samples(healthy()))
    assert examine(tmp_path).finding("camera-ignored") is None
    write(tmp_path, record("no"))
    finding = examine(tmp_path).finding("camera-ignored")
    assert finding is not None and finding.severity.value == "warn"
    write(tmp_path, {**record("no"), "step": "soon"})
    with pytest.raises(Unusable, match="a damaged record of final drives"):
        examine(tmp_path)
