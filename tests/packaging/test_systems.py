# SPDX-License-Identifier: Apache-2.0
"""The trials of systems: what counts as good, and that a place is clean and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tools.systems import place as places
from tools.systems.judging import FAILS, REFUSED, WORKS, ended, refused, worked
from tools.systems.place import NOBODY, NotAtHand, Place, Shown, python_of
from tools.systems.trials import TRIALS

TRACEBACK = "Traceback (most recent call last)\n  File x\nValueError: y\n"


def test_a_refusal_is_a_code_and_a_sentence() -> None:
    said = Shown(2, "building\r\n\x1b[31merror: no loopback\x1b[0m\r\n")
    assert refused(said, "loopback").word == REFUSED
    assert refused(said, "loopback").sentence == "no loopback"
    assert refused(said, "compiler").word == FAILS
    assert refused(Shown(1, said.output), "loopback").word == FAILS
    assert refused(Shown(2, TRACEBACK + "error: no loopback"), "loopback").sentence.startswith("a traceback")


def test_work_is_done_without_a_traceback_or_a_process_left() -> None:
    assert worked(Shown(0, "fine\n")).word == WORKS
    assert worked(Shown(0, "a note\n"), "note").sentence == "a note"
    assert worked(Shown(0, "fine\n"), "note").word == FAILS
    assert worked(Shown(1, "fine\n")).sentence == "exit code 1"
    assert worked(Shown(0, TRACEBACK)).word == FAILS
    assert "sleep" in worked(Shown(0, "fine\n", ("sleep 9",))).sentence
    assert ended(Shown(130, "")).word == WORKS
    assert ended(Shown(0, "")).word == ended(Shown(130, TRACEBACK)).word == FAILS


def test_a_trial_that_fails_shows_all_that_was_printed() -> None:
    assert worked(Shown(1, "one\ntwo\n")).output == refused(Shown(1, "one\ntwo\n"), "three").output == "one\ntwo\n"
    assert ended(Shown(1, "one\n")).output == "one\n"
    assert worked(Shown(0, "fine\n")).output == ""


def test_a_place_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    with Place() as place:
        shown = place.run(["env"], {"EXTRA": "1", "LANG": None}).lines
        folder = place.folder
    names = {line.partition("=")[0] for line in shown}
    assert {"PATH", "HOME", "EXTRA", places.MARK} <= names
    assert not {"ROS_DISTRO", "PYTHONPATH", "VIRTUAL_ENV", "LANG"} & names
    assert not folder.exists()


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="no setpriv to heed permissions as root")
def test_a_folder_that_is_closed_is_closed_to_root_too() -> None:
    with Place() as place:
        (place.folder / "closed").mkdir(mode=0o555)
        assert place.run(["touch", "closed/x"]).code != 0
        assert place.run(["touch", "open"]).code == 0


def test_what_outlives_its_command_is_found_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PATIENCE", 0.0)
    with Place() as place:
        # The second shell has begun when cat has ended, and waits for a writer who does not come.
        waits = "trap '' HUP; mkfifo p q; sh -c 'echo > p; read x < q' & cat p; exit 3"
        answer = place.run(["sh", "-c", waits])
        assert (answer.code, len(answer.left)) == (3, 1)
        monkeypatch.undo()
        assert place.run(["true"]).left == ()


def test_programs_are_those_of_the_system_less_some_and_more() -> None:
    with Place() as place:
        path = place.programs(without=("make",), uname="#!/bin/sh\necho vax\n")
        assert not (path / "make").exists() and (path / "ls").exists()
        assert place.run(["uname"], {"PATH": str(path)}).lines == ["vax"]


def test_a_python_that_is_not_there_is_said() -> None:
    assert Path(python_of(f"{sys.version_info[0]}.{sys.version_info[1]}")).exists()
    with pytest.raises(NotAtHand, match=r"no Python 3\.99"):
        python_of("3.99")


def test_a_user_without_rights_has_none() -> None:
    with Place() as place:
        try:
            place.give_up_root()
        except NotAtHand as missing:
            pytest.skip(str(missing))
        assert place.user in ((), NOBODY)
        assert place.run(["id", "-u"]).lines != ["0"]


def test_each_system_is_in_the_guide() -> None:
    guide = (places.ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in guide.splitlines() if line.startswith("| ")]
    assert [name for name in TRIALS if name not in rows] == []
