# SPDX-License-Identifier: Apache-2.0
"""Bad input at the command line: one sentence, exit code 2."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from td3_driving import cli
from td3_driving.launching import prepare as prepare_module
from td3_driving.launching import train
from td3_driving.launching.child import MODULES
from td3_driving.launching.course import End
from td3_driving.launching.node_table import ProcessSpec
from td3_driving.launching.prepare import Prepared, RunRequest, blind_note, how_to_listen, prepare, resolve
from td3_driving.processes.typed import PREFIX, pasted
from td3_driving.trust.token import read_token

from ..shared.patience import HANG

NOW = datetime(2030, 1, 2, 3, 4, 5)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "learning.gama=1"], "did you mean 'learning.gamma'"),
        (["--steps", "0"], "0 is outside 1"),
        (["--steps", "0"], "error: --steps: 0 is outside"),
        (["--set", "learning.gamma=2"], "error: learning.gamma: 2"),
        (["--steps", "300"], "error: --steps 300 is not above pacing.learning_starts 500"),
        (["--set", "run.steps=500"], "error: run.steps 500 is not above pacing.learning_starts 500"),
        (["--resume", "--profile", "town"], "--profile cannot be given with it"),
        (["--profile", "none-such"], "unknown profile 'none-such'"),
        (["--resume", "--run", "nothing"], "holds no run (no config.yaml)"),
        (["--simulator", "carla", "--num-actors", "2"], "2 actors need simulator embedded"),
    ],
)
def test_bad_requests(arguments: list[str], message: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/nowhere/run", "/dev/null/run"])
def test_a_run_folder_that_cannot_be_made_is_named(place: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--run", place]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: run folder {place} cannot be written: ") and error.count("\n") == 1
    assert "Errno" not in error


def test_run_folder_that_is_a_file(home: Path) -> None:
    (home / "taken").write_text("")
    assert cli.main(["train", "--run", str(home / "taken")]) == 2


def test_unknown_command_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    assert "train" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_every_command_describes_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    if command == "conformance":
        pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out.lower()


def test_large_images_get_a_transport_that_holds_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_module, "free_shared_memory", lambda: 2**40)
    request = RunRequest(assignments=("simulator.camera_width=1280", "simulator.camera_height=720"))
    with ExitStack() as held:
        profile = Path(prepare(request, {}, NOW, held).environment["FASTDDS_DEFAULT_PROFILES_FILE"])
        segment = re.search(r"<segment_size>(\d+)</segment_size>", profile.read_text(encoding="utf-8"))
        assert segment is not None and int(segment[1]) >= 4 * 4 * 1920 * 1080


def test_request_is_resolved(home: Path) -> None:
    request = RunRequest(assignments=("run.num_actors=2", "run.seed=9"), faults="crash@5")
    with ExitStack() as held:
        prepared = prepare(request, {}, NOW, held)
        assert prepared.folder.path == home / "runs/quick-20300102-030405-9"
        assert [spec.parameters.get("faults") for spec in prepared.specs if spec.executable == "simulator"] == [
            "crash@5"
        ] * 2
        assert prepared.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
        assert prepared.environment["OMP_WAIT_POLICY"] == "PASSIVE"
        said = how_to_listen(prepared.environment)
        assert not any(name.startswith("FAST") for name in prepared.environment)
        assert said.startswith("ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_DOMAIN_ID=") and "OMP" not in said


@pytest.mark.parametrize(
    ("simulator", "asked", "critic", "teacher"),
    [
        ("embedded", (), "privileged", "brisk"),
        ("carla", (), "privileged", "brisk"),
        ("none", (), "camera", "none"),
        ("none", ("network.critic=privileged",), "privileged", "none"),
        ("none", ("network.critic = privileged", "learning.teacher=idm"), "privileged", "idm"),
    ],
)
def test_a_simulator_that_may_not_tell_the_others_is_trained_on_without_them(
    simulator: str, asked: tuple[str, ...], critic: str, teacher: str
) -> None:
    request = RunRequest(assignments=asked, simulator=simulator)
    settings, _ = resolve(request, NOW)
    assert (settings.network.critic, settings.learning.teacher) == (critic, teacher)
    note = blind_note(request)
    assert ("network.critic=camera" in note, "learning.teacher=none" in note) == (critic == "camera", teacher == "none")


def test_a_profile_that_needs_nobody_is_left_alone() -> None:
    request = RunRequest(simulator="none", profile="validation_5k")
    assert resolve(request, NOW)[0] == resolve(replace(request, simulator="embedded"), NOW)[0]
    assert blind_note(request) == ""


@pytest.mark.parametrize("serve", ["", "127.0.0.1"])
def test_a_resumed_run_has_another_token_or_counts_its_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, serve: str
) -> None:
    """Actors on other machines have a copy of the token of a run that is served, and go on with it."""
    monkeypatch.setattr(prepare_module, "server_command", lambda _: ["true"])
    tokens = []
    for resume in (False, True):
        with ExitStack() as held:
            folder = prepare(RunRequest(run_directory="r", resume=resume, serve=serve), {}, NOW, held).folder.path
            tokens.append(read_token(folder / "token"))
    assert [token.start for token in tokens] == [1, 2 if serve else 1]
    assert (tokens[0].secret == tokens[1].secret) == bool(serve)


def test_the_users_choice_for_openmp_stands(home: Path) -> None:
    with ExitStack() as held:
        prepared = prepare(RunRequest(), {"OMP_WAIT_POLICY": "ACTIVE"}, NOW, held)
        assert "OMP_WAIT_POLICY" not in prepared.environment


@pytest.mark.parametrize(
    ("end", "logged", "judged", "told"),
    [
        (End(130, "interrupted"), True, End(0, ""), False),
        (End(130, "interrupted"), True, End(130, "interrupted"), True),
        (End(130, "interrupted twice"), True, None, True),
        (End(1, "learner ended the run (exit code 1)"), True, End(0, ""), False),
        (End(130, "interrupted"), False, None, False),
        (End(2, "policy ended the run (exit code 2)"), True, None, False),
    ],
)
def test_what_was_cut_short_is_judged_by_what_it_logged(
    end: End,
    logged: bool,
    judged: End | None,
    told: bool,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[tuple[list[str], float]] = []

    class Stopped:
        """In place of the processes: ends as it is told."""

        def __init__(self, specs: list[ProcessSpec], *_: object) -> None:
            self._names = [spec.name for spec in specs]

        def run(self, limit: float | None = None) -> End:
            if limit is None:
                return end
            asked.append((self._names, limit))
            assert judged is not None
            return judged

    monkeypatch.setattr(train, "Supervisor", Stopped)
    if logged:
        monkeypatch.setattr(train, "prepare", with_an_event_file)
    assert cli.main(["train", "--run", "cut"]) == end.code
    assert asked == ([] if judged is None else [(["doctor"], train.LONGEST_VERDICT)])
    assert ("td3-driving doctor" in capsys.readouterr().out) == told


def with_an_event_file(request: RunRequest, *others: Any) -> Prepared:
    prepared = prepare(request, *others)
    (prepared.folder.path / "events.out.tfevents.1.host").touch()
    return prepared


def test_ctrl_c_before_the_run_is_no_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "prepare", interrupted)
    assert cli.main(["train"]) == 130


def test_missing_companion_program_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    with ExitStack() as held, pytest.raises(ValueError, match="rviz2 is not on this machine"):
        prepare(RunRequest(rviz=True), {}, NOW, held)


def test_node_without_its_module_is_told_in_one_sentence() -> None:
    sources = Path(cli.__file__).resolve().parents[1]
    stub = f"import sys; sys.modules['{MODULES['learner']}'] = None; sys.argv = ['child', 'learner']"
    code = f"{stub}; from td3_driving.launching.child import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=HANG)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: learner needs the module")


@pytest.mark.parametrize("name", ["runs/first", "a b", "it's", 'say "x"', "$HOME", "größe 日本", "100%", "a\nb"])
def test_a_printed_command_can_be_typed_whatever_the_folder_is_called(name: str) -> None:
    line = pasted("tensorboard", "--logdir", Path(name))
    assert shlex.split(line) == ["tensorboard", "--logdir", name]
    assert pasted("td3-driving", "doctor", Path("/runs/first")) == "td3-driving doctor /runs/first"


def test_printed_commands_begin_as_those_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who typed ``make train`` has no ``td3-driving`` in the shell."""
    monkeypatch.setenv(PREFIX, "tools/env.sh")
    assert pasted("tensorboard", "--logdir", "runs/first") == "tools/env.sh tensorboard --logdir runs/first"
