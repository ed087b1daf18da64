# SPDX-License-Identifier: Apache-2.0
"""The staged plan: no longer stage without a GO about the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from td3_driving import cli
from td3_driving.launching.prepare import RunRequest, prepare
from td3_driving.launching.staged import StageOutcome, StagePlan, lengths
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import Settings, SettingsError, StagedSettings, from_flat

NOW = datetime(2030, 1, 2, 3, 4, 5)
SMALL = ("staged.first=10", "staged.second=20", "staged.third=30", "staged.fourth=40")


def steps_of(request: RunRequest) -> int:
    """The length that the request asks for."""
    return int(request.assignments[-1].removeprefix("run.steps="))


def stand_in(
    verdicts: Mapping[int, str], seen: list[RunRequest], code: int = 0
) -> Callable[[RunRequest], StageOutcome]:
    """A run that leaves the reports of ``verdicts``; a stage that is not listed leaves none."""

    def train(request: RunRequest) -> StageOutcome:
        seen.append(request)
        folder = Path(request.run_directory)
        folder.mkdir(exist_ok=True)
        (folder / "report.json").unlink(missing_ok=True)
        if steps_of(request) in verdicts:
            (folder / "report.json").write_text(json.dumps({"verdict": verdicts[steps_of(request)]}))
        return StageOutcome(code, folder)

    return train


def plan(folder: Path, **changes: object) -> StagePlan:
    return StagePlan.of(RunRequest(assignments=SMALL, run_directory=str(folder), **changes), NOW)  # type: ignore[arg-type]


def test_default_plan() -> None:
    assert lengths(StagedSettings()) == (5_000, 50_000, 100_000, 1_000_000)


def test_the_first_zero_ends_the_plan() -> None:
    assert lengths(StagedSettings(first=10, second=20, third=0, fourth=0)) == (10, 20)


@pytest.mark.parametrize("sizes", [(10, 10, 20, 30), (10, 20, 15, 30), (10, 0, 30, 40), (10, 20, 0, 40)])
def test_stages_that_do_not_grow_are_refused(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(SettingsError, match=", ".join(map(str, sizes))):
        StagedSettings(*sizes)


def test_every_go_leads_on_and_the_same_run_is_continued(tmp_path: Path) -> None:
    seen: list[RunRequest] = []
    told: list[str] = []
    go = dict.fromkeys((10, 20, 30, 40), "GO")
    assert plan(tmp_path / "run").carry_out(stand_in(go, seen), told.append) == 0
    assert [steps_of(request) for request in seen] == [10, 20, 30, 40]
    assert [request.resume for request in seen] == [False, True, True, True]
    assert {request.run_directory for request in seen} == {str(tmp_path / "run")}
    record = json.loads((tmp_path / "run" / "stages.json").read_text())
    assert record == [{"steps": steps, "verdict": "GO"} for steps in (10, 20, 30, 40)]
    assert (tmp_path / "run" / "stages" / "20" / "report.json").is_file()
    assert told[-1] == "stage 4 of 4, to 40 steps: GO"


@pytest.mark.parametrize(("verdict", "code"), [("NO-GO", 3), ("INSUFFICIENT", 4)])
def test_anything_but_go_stops_the_plan(tmp_path: Path, verdict: str, code: int) -> None:
    seen: list[RunRequest] = []
    told: list[str] = []
    train = stand_in({10: "GO", 20: verdict}, seen)
    assert plan(tmp_path / "run").carry_out(train, told.append) == code
    assert [steps_of(request) for request in seen] == [10, 20]
    assert "stops here" in told[-1] and "report.html" in told[-1]


def test_a_run_without_a_report_has_not_been_judged(tmp_path: Path) -> None:
    seen: list[RunRequest] = []
    assert plan(tmp_path / "run").carry_out(stand_in({}, seen), print) == 4
    assert len(seen) == 1


def test_a_failed_run_stops_the_plan_with_its_code(tmp_path: Path) -> None:
    assert plan(tmp_path / "run").carry_out(stand_in({10: "GO"}, [], code=130), print) == 130
    assert not (tmp_path / "run" / "stages.json").exists()


def test_resume_goes_on_at_the_first_stage_without_a_go(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "run"
    with ExitStack() as held:
        prepare(RunRequest(assignments=SMALL, run_directory=str(folder)), {}, NOW, held)
    seen: list[RunRequest] = []
    plan(folder).carry_out(stand_in({10: "GO", 20: "NO-GO"}, seen), print)
    again = StagePlan.of(RunRequest(run_directory=str(folder), resume=True), NOW)
    assert again.lengths == (10, 20, 30, 40)
    assert again.carry_out(stand_in({20: "GO", 30: "NO-GO"}, seen), print) == 3
    assert [steps_of(request) for request in seen] == [10, 20, 20, 30]
    record = json.loads((folder / "stages.json").read_text())
    assert record == [{"steps": 10, "verdict": "GO"}, {"steps": 20, "verdict": "GO"}, {"steps": 30, "verdict": "NO-GO"}]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(parameter_file(Settings()))
    (folder / "stages.json").write_text('[{"steps": "many"}]')
    with pytest.raises(ValueError, match=r"stages\.json is not the record"):
        StagePlan.of(RunRequest(run_directory=str(folder), resume=True), NOW)


def test_steps_and_staged_exclude_one_another(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["train", "--staged", "--steps", "7", "--run", str(tmp_path / "run")]) == 2
    assert "staged.first" in capsys.readouterr().err


def test_stages_are_no_part_of_what_makes_two_runs_the_same() -> None:
    assert from_flat({"staged.first": 7, "carla.port": 2100}).digest() == Settings().digest()
    assert from_flat({"carla.town": "Town02"}).digest() != Settings().digest()


@pytest.mark.slow
def test_a_real_run_goes_on_at_go_and_stops_at_no_go(tmp_path: Path, domain_id: int) -> None:
    """400 random steps are healthy; then the policy, which learns nothing at these rates, stands still."""
    pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
    from ..nodes.run_harness import Run

    changes = {
        "run.steps": None,
        "run.log_period": 20,
        "staged.first": 400,
        "staged.second": 700,
        "staged.third": 1000,
        "staged.fourth": 0,
        "pacing.train_freq": 2,
        "pacing.gradient_steps": 2,
        "learning.actor_cnn_lr": 1e-6,
        "learning.actor_mlp_lr": 1e-6,
        "exploration.random_steps": 400,
        "exploration.random_hold": 8,
        "exploration.noise_start": 0.0,
        "exploration.noise_end": 0.0,
    }
    with Run(tmp_path, domain_id, changes, "--staged") as run:
        assert run.wait() == 3, run.output[-3000:]
    record = json.loads((run.folder / "stages.json").read_text())
    assert record == [{"steps": 400, "verdict": "GO"}, {"steps": 700, "verdict": "NO-GO"}]
    assert max(step for step, _ in run.series()["reward/total"]) == 700
    assert "stage 2 of 3, to 700 steps: NO-GO" in run.output and "1,000 steps" not in run.output
    kept = json.loads((run.folder / "stages" / "400" / "report.json").read_text())
    assert kept["verdict"] == "GO"
