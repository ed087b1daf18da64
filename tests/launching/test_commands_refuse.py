# SPDX-License-Identifier: Apache-2.0
"""What all commands share: the nearest name, the place of results, errors of the operating system in words."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving import cli
from td3_driving.doctor.plain_text import counted
from td3_driving.runs.disk import require_places, write_whole
from td3_driving.runs.refusals import in_words

from ..shared.patience import HANG


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("eval", "evaluate"), ("setting", "settings")])
def test_a_command_that_is_nearly_right(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([typed]) == 2
    assert capsys.readouterr().err.startswith(f"error: unknown command '{typed}'; did you mean {meant}?\n")


def test_a_command_that_is_nothing_like(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["xyzzy"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown command 'xyzzy'\n")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["evaluate", "idm", "--route=2"], "evaluate: error: unknown option --route=2; did you mean --routes?"),
        (["evaluate", "idm", "--xyzzy"], "evaluate: error: unknown option --xyzzy"),
        (["doctor", "run", "--jso"], "doctor: error: unknown option --jso; did you mean --json?"),
        (["map", "town", "3"], "map: error: '3' belongs to no option"),
    ],
)
def test_an_option_is_written_in_full(words: list[str], answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (2, f"td3-driving {answer}")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_no_command_guesses_an_option(command: str) -> None:
    source = Path(str(find_spec(cli.COMMANDS[command][0]).origin)).read_text(encoding="utf-8")  # type: ignore[union-attr]
    assert "CommandParser(" in source
    assert "ArgumentParser(" not in source


def test_help_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["map", "--help"])
    said = capsys.readouterr().out
    assert "td3-driving map: " in said
    assert "`" not in said


def test_a_driver_that_is_nearly_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "lanekeeper"]) == 2
    assert capsys.readouterr().err.endswith("; did you mean lane_keeper?\n")


@pytest.mark.parametrize(
    "words",
    [
        ["export", "nope", "-o"],
        ["map", "straight", "--output"],
        ["evaluate", "lane_keeper", "--json"],
        ["evaluate", "lane_keeper", "--ros", "--json"],
        ["conformance", "--json"],
    ],
)
def test_a_place_for_results_that_is_none_is_told_first(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "missing" / "result.html"
    assert cli.main([*words, str(file)]) == 2
    assert capsys.readouterr().err == f"error: {file} cannot be written: there is no folder {file.parent}\n"


def test_a_folder_is_no_place_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be written: it is a folder"):
        require_places(None, tmp_path)
    require_places(None, tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_the_error_names_it(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_whole(file, b"one")
    write_whole(file, b"two")
    assert file.read_bytes() == b"two" and list(tmp_path.iterdir()) == [file]
    with pytest.raises(OSError, match=str(tmp_path / "none")) as caught:
        write_whole(tmp_path / "none" / "b.json", b"")
    assert in_words(caught.value) == f"{tmp_path}/none/b.json: No such file or directory"


@pytest.mark.parametrize("file", ["/a/b", b"/a/b", None])
def test_errors_of_the_operating_system_in_words(file: str | bytes | None) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", *([file] if file else []))
    assert in_words(error) == ("/a/b: " if file else "") + "No space left on device"


@given(st.text(max_size=50))
def test_other_errors_keep_their_words(text: str) -> None:
    assert in_words(ValueError(text)) == text
    assert in_words(OSError(text)) == text


def test_a_reader_that_goes_is_no_fault() -> None:
    """As in ``td3-driving settings | head -1``: the command ends without a word."""
    command = [sys.executable, "-m", "td3_driving.cli", "settings"]
    sources = os.pathsep.join([str(Path(cli.__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": sources}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=HANG, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_one_and_many() -> None:
    assert [counted(number, "lane") for number in (0, 1, 2, 1000)] == ["0 lanes", "1 lane", "2 lanes", "1,000 lanes"]
    assert counted(2, "match", "matches") == "2 matches"
