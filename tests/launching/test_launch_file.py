# SPDX-License-Identifier: Apache-2.0
"""The launch file and the supervisor start the same processes and draw the same conclusions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from td3_driving.launching.child import command
from td3_driving.launching.node_table import SIMULATORS, ProcessSpec, RunOptions, processes, verdict
from td3_driving.launching.prepare import Prepared, RunRequest, prepare


@pytest.fixture
def launch_file(load_launch_file: Callable[[str], Any]) -> Any:
    return load_launch_file("train")


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as held:
        yield prepare(RunRequest(assignments=("run.num_actors=2",)), {}, datetime(2030, 1, 1), held)


def kind(action: Any) -> str:
    return type(action).__name__


def ros_arguments(spec: ProcessSpec) -> tuple[str, set[str], set[str]]:
    """Executable, parameters and remappings on the supervisor's command line."""
    words = command(spec, "config.yaml")
    pairs = list(zip(words, words[1:]))
    given = {flag: {value for name, value in pairs if name == flag} for flag in ("-p", "-r")}
    return words[3], given["-p"], given["-r"]


@pytest.mark.parametrize("actors", [1, 3])
def test_both_starters_start_the_same_nodes(launch_file: Any, actors: int) -> None:
    for spec in processes(RunOptions(Path("/runs/one"), num_actors=actors)):
        node = launch_file.action_of(spec, "config.yaml").named
        params_file, parameters = node["parameters"]
        executable, given, rules = ros_arguments(spec)
        assert (node["package"], node["executable"], params_file) == ("td3_driving", executable, "config.yaml")
        assert {name for name, _, _ in (value.partition(":=") for value in given)} == set(parameters)
        space = {f"__ns:={node['namespace']}"} if node["namespace"] else set()
        assert rules == {f"__node:={node['name']}", *space, *(f"{a}:={b}" for a, b in node["remappings"])}


def test_doctor_is_started_without_ros_arguments(launch_file: Any) -> None:
    spec = verdict(RunOptions(Path("/runs/one")))
    action = launch_file.action_of(spec, "")
    assert kind(action) == "ExecuteProcess"
    program, *arguments = action.named["cmd"]
    assert program.arguments == ("doctor", "td3_driving")
    assert tuple(arguments) == spec.arguments


def test_every_argument_is_described_and_closed_where_it_can_be(launch_file: Any) -> None:
    declared = [launch_file._argument(name) for name in launch_file.ARGUMENTS]
    assert all(argument.named["description"] for argument in declared)
    choices = {argument.arguments[0]: argument.named["choices"] for argument in declared}
    assert choices["simulator"] == SIMULATORS
    assert {"simulator", "profile", "params_file", "steps", "seed", "num_actors", "run_dir", "resume"} <= set(choices)
    assert {"rviz", "record", "tensorboard", "view"} <= {name for name, closed in choices.items() if closed}


def test_arguments_become_the_request(launch_file: Any) -> None:
    values = {name: default for name, (default, _, _) in launch_file.ARGUMENTS.items()}
    assert launch_file._request(values) == RunRequest()
    changed = {**values, "steps": "9", "params_file": "mine.yaml", "rviz": "True", "run_dir": "first"}
    wanted = RunRequest(profile="mine.yaml", assignments=("run.steps=9",), run_directory="first", rviz=True)
    assert launch_file._request(changed) == wanted


def test_a_profile_does_not_go_with_resume(launch_file: Any) -> None:
    values = {name: default for name, (default, _, _) in launch_file.ARGUMENTS.items()} | {"resume": "true"}
    assert launch_file._request(values).resume
    for given in ("profile", "params_file"):
        with pytest.raises(ValueError, match="resume goes on with the settings of the run"):
            launch_file._request({**values, given: "town"})


def exits(run: Any, name: str, code: int) -> list[Any]:
    handler = run._exited(name)
    return list(handler(SimpleNamespace(returncode=code), SimpleNamespace(is_shutdown=False)))


def test_run_ends_with_the_verdict(launch_file: Any, prepared: Prepared) -> None:
    run = launch_file.LaunchedRun(prepared, ExitStack())
    run.start()
    assert exits(run, "policy_0", 0) == []
    assert [kind(action) for action in exits(run, "policy_1", 0)] == ["TimerAction"] * 2 + ["EmitEvent"] * 2
    for name in ("learner", "diagnostics", "simulator_0"):
        assert exits(run, name, 0) == []
    actions, names = exits(run, "simulator_1", 0), []
    while len(actions) == 2:
        handler, process = actions
        assert [kind(action) for action in actions] == ["RegisterEventHandler", "ExecuteProcess"]
        waiting = handler.arguments[0].named
        assert waiting["target_action"] is process
        actions = waiting["on_exit"]
        names.append(process.named["name"])
    assert names == ["final", "doctor"], "one after the other"
    assert [kind(action) for action in actions] == ["Shutdown"]


def test_dying_policy_ends_the_launch_with_its_name(launch_file: Any, prepared: Prepared) -> None:
    run = launch_file.LaunchedRun(prepared, ExitStack())
    run.start()
    assert exits(run, "policy_0", 7)[0].named["msg"] == "policy_0 ended the run (exit code 7)"
    last = [exits(run, name, 0) for name in ("learner", "diagnostics", "simulator_0", "simulator_1", "policy_1")][-1]
    fail = last[-1].named
    with pytest.raises(RuntimeError, match=r"policy_0 ended the run \(exit code 7\)"):
        fail["function"](None, *fail["args"])


def test_dying_learner_is_started_again(launch_file: Any, prepared: Prepared) -> None:
    run = launch_file.LaunchedRun(prepared, ExitStack())
    run.start()
    actions = exits(run, "learner", -9)
    assert kind(actions[0]) == "LogInfo"
    assert [action.named["executable"] for action in actions if kind(action) == "Node"] == ["learner"]


def test_nothing_is_restarted_while_launch_shuts_down(launch_file: Any, prepared: Prepared) -> None:
    run = launch_file.LaunchedRun(prepared, ExitStack())
    run.start()
    assert run._exited("learner")(SimpleNamespace(returncode=-2), SimpleNamespace(is_shutdown=True)) == []
