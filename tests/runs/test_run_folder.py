# SPDX-License-Identifier: Apache-2.0
"""Run folders: made once, owned by one run."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from td3_driving import cli
from td3_driving.runs import run_folder
from td3_driving.runs.profiles import load_profile, parameter_file
from td3_driving.runs.run_folder import RunFolderError
from td3_driving.settings import Settings, SettingsError, from_flat

NOW = datetime(2030, 1, 2, 3, 4, 5)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_and_paths(home: Path) -> None:
    assert run_folder.folder_for("", "quick", 7, NOW) == home / "runs/quick-20300102-030405-7"
    assert run_folder.folder_for("", "/somewhere/mine.yaml", 7, NOW).name == "mine-20300102-030405-7"
    assert run_folder.folder_for("first", "quick", 7, NOW) == home / "runs/first"
    assert run_folder.folder_for("else/where", "quick", 7, NOW) == home / "else/where"


def test_new_run_is_described(home: Path) -> None:
    settings = from_flat({"run.seed": 5, "learning.gamma": 0.5})
    with run_folder.create(home / "runs/one", settings, NOW) as folder:
        assert load_profile(folder.path / "config.yaml") == settings
    manifest = json.loads((home / "runs/one/manifest.json").read_text())
    assert manifest["config_hash"] == settings.digest()
    assert manifest["seed"] == 5
    assert manifest["packages"]["numpy"][0].isdigit()
    assert manifest["profile"] == ""


def test_latest_points_to_the_newest_that_has_lived(home: Path) -> None:
    for name in ("one", "two", "three"):
        run_folder.create(home / "runs" / name, Settings(), NOW)
        assert (home / "runs/latest").exists() == (name != "one")
        if name != "three":
            run_folder.mark_lived(home / "runs" / name)
    assert (home / "runs/latest").readlink() == Path("two")


def test_a_continued_run_keeps_the_name_of_its_profile(home: Path) -> None:
    run_folder.create(home / "runs/one", Settings(), NOW, "town").__exit__()
    run_folder.resume(home / "runs/one", Settings(), NOW).__exit__()
    assert run_folder.profile_of(home / "runs/one") == "town"
    assert run_folder.profile_of(home / "runs/none") == ""


def test_folder_in_use_is_refused_until_it_is_given_back(home: Path) -> None:
    with run_folder.create(home / "runs/one", Settings(), NOW):
        with pytest.raises(RunFolderError, match="in use"):
            run_folder.create(home / "runs/one", Settings(), NOW)
        with pytest.raises(RunFolderError, match="in use"):
            run_folder.resume(home / "runs/one", Settings(), NOW)
    with run_folder.resume(home / "runs/one", Settings(), NOW):
        pass


def test_folder_with_content_is_refused(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine/thesis.txt").write_text("x")
    with pytest.raises(RunFolderError, match=r"is not empty \(thesis.txt"):
        run_folder.create(home / "mine", Settings(), NOW)
    assert (home / "mine/thesis.txt").read_text() == "x"


def test_run_may_be_continued_for_longer_but_not_changed(home: Path) -> None:
    run_folder.create(home / "runs/one", Settings(), NOW).__exit__()
    longer = from_flat({"run.steps": 9000})
    with run_folder.resume(home / "runs/one", longer, NOW) as folder:
        assert load_profile(folder.path / "config.yaml").run.steps == 9000
    with pytest.raises(RunFolderError, match=r"other settings \(learning.gamma\)"):
        run_folder.resume(home / "runs/one", from_flat({"run.steps": 9000, "learning.gamma": 0.5}), NOW)


def test_resume_needs_a_run(home: Path) -> None:
    with pytest.raises(RunFolderError, match="no run to resume"):
        run_folder.resume(home / "runs/none", Settings(), NOW)
    assert not (home / "runs/none").exists()


def old_run(folder: Path) -> Path:
    """The folder of a run that was made before there was more than one observation."""
    text = parameter_file(from_flat({"observation.state": "map"}))
    assert text.count("      state: map\n") == 1
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(text.replace("      state: map\n", ""))
    return folder


def test_a_run_before_there_were_two_observations_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says what changed and what to do, whoever asks; the folder is left as it is."""
    folder = old_run(home / "runs/old")
    with pytest.raises(SettingsError, match=r"no observation\.state: .* train anew, with --set observation\.state=map"):
        run_folder.resume(folder, Settings(), NOW)
    for words in (
        ["train", "--resume", "--run", "old"],
        ["evaluate", str(folder)],
        ["evaluate", "lane_keeper", str(folder)],
        ["evaluate", "--ros", str(folder)],
        ["export", str(folder), "-o", str(home / "policy.zip")],
    ):
        assert cli.main(words) == 2, words
        said = capsys.readouterr().err
        assert "has no observation.state" in said and said.count("\n") == 1, words
    assert [entry.name for entry in folder.iterdir()] == ["config.yaml"]
    assert not (home / "policy.zip").exists()


def test_the_same_folder_with_its_observation_is_read(home: Path) -> None:
    folder = old_run(home / "runs/old")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("    observation:\n", "    observation:\n      state: map\n"))
    assert run_folder.earlier_settings(folder) == from_flat({"observation.state": "map"})
