# SPDX-License-Identifier: Apache-2.0
"""``td3-driving settings`` and ``td3-driving completion``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import pytest

from td3_driving import cli
from td3_driving.completion import script
from td3_driving.launching.settings import PROGRAMS, entries, lines_of
from td3_driving.settings import Settings

from ..shared.patience import HANG


def test_every_setting_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings"]) == 0
    names = {line.split(" = ")[0] for line in capsys.readouterr().out.splitlines() if " = " in line}
    assert names >= set(Settings().flat()) and {"stop.hold", "drive.sensor_qos"} <= names


def test_search_finds_names_and_meanings(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", "--search", "DISCOUNT"]) == 0
    out = capsys.readouterr().out
    assert "learning.gamma = " in out
    assert "run.seed" not in out
    assert cli.main(["settings", "--search", "steps", "first", "update"]) == 0
    found = [line for line in capsys.readouterr().out.splitlines() if " = " in line]
    assert found == ["pacing.learning_starts = 1000   (1 .. 1000000000)"]


def test_words_without_the_option_are_searched_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", "discount"]) == 0
    alone = capsys.readouterr().out
    assert cli.main(["settings", "--search", "discount"]) == 0
    assert capsys.readouterr().out == alone and "learning.gamma = " in alone


def test_nothing_found_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", "--search", "gama"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: no setting has gama in its name or meaning; did you mean learning.gamma?\n"


@pytest.mark.parametrize("width", [60, 80])
def test_lines_fit_the_terminal(width: int) -> None:
    lines = [line for groups in PROGRAMS.values() for entry in entries(groups) for line in lines_of(entry, width)]
    assert all(len(line) <= width or " " not in line.strip() for line in lines)


@pytest.fixture(scope="module")
def completion() -> str:
    return script(
        {name: module for name, (module, _) in cli.COMMANDS.items() if name in ("train", "deploy", "settings")}
    )


def completed(completion: str, *words: str) -> Sequence[str]:
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _td3_driving; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", f"{completion}\n{ask}"], capture_output=True, text=True, timeout=HANG, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("td3-driving", "tr"), ["train"]),
        (("td3-driving", "train", "--res"), ["--resume"]),
        (("td3-driving", "train", "--set", "learning.gam"), ["learning.gamma="]),
        (("td3-driving", "train", "--profile", "town_"), ["town_map"]),
        (("td3-driving", "deploy", "policy.zip", "--interface", "a"), ["autoware", "ackermann"]),
        (("td3-driving", "settings", "--s"), ["--search"]),
        (("td3-driving", "train", "--nothing"), []),
    ],
)
def test_bash_completes(completion: str, words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(completion, *words) == offered


def test_the_command_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS) and out.endswith("complete -F _td3_driving td3-driving\n")
