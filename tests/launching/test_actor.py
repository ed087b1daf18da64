# SPDX-License-Identifier: Apache-2.0
"""What an actor for a learner on another machine takes, and what it refuses before any process starts."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from td3_driving import __version__, cli
from td3_driving.launching import actor
from td3_driving.launching.actor import MOST_DRAWN, Offer, actor_numbers, patience, read_offer, take_part
from td3_driving.launching.node_table import RunOptions, processes
from td3_driving.runs.profiles import load_profile, parameter_file
from td3_driving.settings import Settings, SettingsError, from_flat

SETTINGS = from_flat({"run.num_actors": 3})


def offered(settings: Settings = SETTINGS, **changes: Any) -> str:
    actors = {f"actor_{index}": {"session": 5 * 10**18, "done": 7} for index in range(3)}
    content = {
        "version": __version__,
        "config_hash": settings.digest(),
        "parameters": parameter_file(settings),
        "begun_at": 40,
        "start": 3,
        "actors": actors,
    }
    return json.dumps(content | changes)


def asked(*words: str) -> argparse.Namespace:
    return actor._parser().parse_args(["--learner", "127.0.0.1", "--token", "t", *words])


@pytest.mark.parametrize(("text", "numbers"), [("0", [0]), ("0-3", [0, 1, 2, 3]), ("5,0-1", [5, 0, 1]), ("2-2", [2])])
def test_numbers_of_actors(text: str, numbers: list[int]) -> None:
    assert actor_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "3-1", "0,0", "0-1,1", "0-100000", "1" * 50, "1.5"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        actor_numbers(text)


@pytest.mark.parametrize("text", ["0", "nan", "inf", "-5", "long"])
def test_a_patience_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not a number of seconds within 1 \.\. 86400"):
        patience(text)


def test_the_configuration_is_the_learners() -> None:
    assert read_offer(offered()).settings == SETTINGS


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"config_hash": "0" * 64}, "the learner's configuration is 000000000000, and this machine reads "),
        ({"config_hash": "0" * 64, "version": "9.9"}, f"(td3_driving 9.9 there, {__version__} here)"),
        ({"parameters": "nothing", "version": "9.9"}, "install the learner's version on this machine"),
        ({"parameters": "/**:\n  ros__parameters:\n    run:\n      unheard: 1\n"}, "install the learner's version"),
        ({"parameters": "x" * 2**20}, "has more than 1048576 letters"),
    ],
)
def test_another_configuration_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_offer(offered(**changes))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("clock", [5, 10**19])
def test_a_session_is_newer_than_all_before_whatever_the_clock_says(
    clock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no newer than it needs to be: it must not put behind what others number later."""
    offer = Offer(SETTINGS, 40, 3, {"actor_0": {"session": 1000, "done": 7}})
    monkeypatch.setattr("time.time_ns", lambda: clock)
    assert offer.place("actor_0", drawn=0) == {"session": 1001, "begun_at": 40, "done": 7, "start": 3}
    assert offer.place("actor_0", drawn=MOST_DRAWN - 1)["session"] == 1000 + MOST_DRAWN


def test_actors_have_the_processes_that_they_would_have_beside_the_learner(tmp_path: Path) -> None:
    specs = take_part(read_offer(offered()), asked("--actors", "2,0"), tmp_path)
    assert [spec.name for spec in specs] == ["simulator_2", "policy_2", "simulator_0", "policy_0"]
    beside = {spec.name: spec for spec in processes(RunOptions(tmp_path, num_actors=3))}
    for spec in specs:
        assert spec.namespace == beside[spec.name].namespace and spec.remappings == beside[spec.name].remappings
        assert spec.on_exit == beside[spec.name].on_exit
    session = specs[1].parameters["session"]
    assert isinstance(session, int) and 0 < session - 5 * 10**18 <= MOST_DRAWN
    place = {"session": session, "begun_at": 40, "done": 7, "start": 3}
    assert specs[1].parameters == {**beside["policy_2"].parameters, **place}
    assert load_profile(tmp_path / "config.yaml") == SETTINGS
    assert len(take_part(read_offer(offered()), asked(), tmp_path)) == 6


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "learning.gamma=0.5"], "--set learning.gamma: an actor has the configuration of its learner"),
        (["--set", "run.steps=100"], "--set run.steps: an actor has the configuration of its learner"),
        (["--set", "security.open=true"], "--set security.open: an actor has the configuration of its learner"),
        (["--actors", "3"], "--actors 3: the run has the actors 0 .. 2"),
        (["--simulator", "none"], "3 actors need simulator embedded, not none"),
    ],
)
def test_what_would_be_another_run_is_refused(words: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        take_part(read_offer(offered()), asked(*words), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_settings_of_the_machine_alone_are_taken(tmp_path: Path) -> None:
    take_part(read_offer(offered()), asked("--set", "carla.host=sim-box"), tmp_path)
    assert load_profile(tmp_path / "config.yaml").carla.host == "sim-box"


def test_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    for content, mode, words, sentence in (
        (None, 0, [], f"error: the token file {token} cannot be read: No such file or directory\n"),
        (
            "ab" * 32,
            0o644,
            [],
            f"error: the token file {token} has mode 644, so others may know it: chmod 600 {token}\n",
        ),
        (
            "ab",
            0o600,
            [],
            f"error: the token file {token} does not hold 64 hexadecimal digits and a number of starts\n",
        ),
        ("ab" * 32, 0o600, ["--learner", "127.0.0.1:1"], "error: --learner 127.0.0.1:1: port '1' is outside 11811"),
    ):
        if content is not None:
            token.write_text(content)
            token.chmod(mode)
        assert cli.main(["actor", "--learner", "127.0.0.1", "--token", str(token), *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith(sentence) and error.count("\n") == 1
