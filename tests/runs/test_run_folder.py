# SPDX-License-Identifier: Apache-2.0
"""Run folders: made once, owned by one run."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from td3_driving import cli
from td3_driving.doctor.readers.checksums import damage_of
from td3_driving.runs import run_folder
from td3_driving.runs.checksums import sealed
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


def test_a_place_that_is_no_folder_is_named(home: Path) -> None:
    (home / "file").touch()
    (home / "lost").symlink_to(home / "nowhere" / "at all")
    for place, why in (("file", "it is a file"), ("lost", "it is a link that leads nowhere"), ("file/x", "Not a dir")):
        with pytest.raises(RunFolderError, match=f"{place} cannot be written: {why}"):
            run_folder.create(home / place, Settings(), NOW)


@pytest.mark.parametrize("name", ["a b", "it's", 'say "x"', "$HOME", "100%", "größe", "日本", "a\nb"])
def test_a_run_may_lie_in_a_folder_of_any_name(home: Path, name: str) -> None:
    with run_folder.create(home / name / "run", from_flat({"run.seed": 5}), NOW) as folder:
        assert load_profile(folder.path / "config.yaml").run.seed == 5


def test_a_folder_that_is_called_latest_is_left_alone(home: Path) -> None:
    run_folder.create(home / "runs/latest", Settings(), NOW)
    run_folder.create(home / "runs/one", Settings(), NOW)
    run_folder.mark_lived(home / "runs/one")
    assert not (home / "runs/latest").is_symlink() and (home / "runs/latest/config.yaml").is_file()
    assert sorted(entry.name for entry in (home / "runs").iterdir()) == ["latest", "one"]


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
    with pytest.raises(RunFolderError, match="holds no run"):
        run_folder.resume(home / "runs/none", Settings(), NOW)
    assert not (home / "runs/none").exists()


def test_export_of_no_run_speaks_of_no_other_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "nope"]) == 2
    assert capsys.readouterr().err == "error: nope holds no run (no config.yaml)\n"


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


def test_a_configuration_that_was_changed_by_hand_or_chance_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with run_folder.create(tmp_path / "run", from_flat({}), NOW):
        pass
    config = tmp_path / "run" / "config.yaml"
    assert run_folder.earlier_settings(tmp_path / "run") == from_flat({})
    config.write_bytes(config.read_bytes().replace(b"0.99", b"0.98", 1))
    with pytest.raises(SettingsError, match=r"config\.yaml is not as the run wrote it") as caught:
        run_folder.resume(tmp_path / "run", from_flat({}), NOW)
    assert "\n" not in str(caught.value)


def half_of(path: Path) -> None:
    """Write half a file and fail."""
    path.write_text("half")
    path.parent.write_text("")


def test_a_process_that_dies_while_it_writes_leaves_no_file_that_looks_damaged(tmp_path: Path) -> None:
    with sealed(tmp_path, "config.yaml"):
        (tmp_path / "config.yaml").write_text("whole")
    with pytest.raises(IsADirectoryError), sealed(tmp_path, "config.yaml"):
        half_of(tmp_path / "config.yaml")
    assert damage_of(tmp_path, "config.yaml") == ""


def test_the_list_is_one_of_sha256sum(tmp_path: Path) -> None:
    with sealed(tmp_path, "config.yaml"):
        (tmp_path / "config.yaml").write_text("a")
    # NIST's example digest of one "a", FIPS 180-4.
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  config.yaml\n"
