# SPDX-License-Identifier: Apache-2.0
"""What an evaluation over ROS starts, from the command line and from launch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from td3_driving.launching.child import command
from td3_driving.launching.evaluation import Evaluation, evaluation_processes, evaluation_settings
from td3_driving.runs.profiles import load_profile, parameter_file
from td3_driving.settings import Settings, SettingsError, from_flat


@pytest.fixture
def launch_file(load_launch_file: Callable[[str], Any]) -> Any:
    return load_launch_file("evaluate")


def make_run(folder: Path) -> Settings:
    settings = from_flat({"simulator.map": "town", "learning.gamma": 0.9, "simulator.control_timeout": 60.0})
    (folder / "config.yaml").write_text(parameter_file(settings))
    return settings


def test_a_run_brings_its_settings_and_a_driver_those_of_the_default_profile(tmp_path: Path) -> None:
    settings = make_run(tmp_path)
    assert evaluation_settings(Evaluation(str(tmp_path))) == settings
    changed = evaluation_settings(Evaluation(str(tmp_path), assignments=["simulator.scenario=2"]))
    assert changed.simulator.scenario == 2 and changed.learning.gamma == 0.9
    assert evaluation_settings(Evaluation("parked")).observation.frame_height == 32, "profile quick"
    assert evaluation_settings(Evaluation("parked")).simulator.control_timeout == 30.0
    with pytest.raises(SettingsError, match="unknown profile 'nothing'"):
        evaluation_settings(Evaluation("parked", profile="nothing"))


def test_the_policy_is_told_what_to_evaluate(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    make_run(run)
    asked = Evaluation(str(run), routes=4, seed=9, ending="violation", camera=("black",), results="out.json")
    simulator, policy = evaluation_processes(asked, tmp_path)
    assert (simulator.executable, simulator.on_exit) == ("simulator", "respawn")
    assert (policy.executable, policy.on_exit) == ("policy", "main")
    assert policy.parameters["evaluate"] == str(run)
    assert policy.parameters["evaluate_json"] == str(Path("out.json").resolve())
    words = command(policy, str(tmp_path / "config.yaml"))
    assert {
        'evaluate_camera:="seen,black"',
        "evaluate_routes:=4",
        "evaluate_seed:=9",
        'evaluate_ending:="violation"',
    } <= set(words)
    assert load_profile(tmp_path / "config.yaml").simulator.map == "town"


def test_without_a_simulator_of_its_own(tmp_path: Path) -> None:
    (policy,) = evaluation_processes(Evaluation("parked", simulator="none"), tmp_path)
    assert policy.parameters["evaluate"] == "parked"
    with pytest.raises(ValueError, match="'carla' is neither embedded nor none"):
        Evaluation("parked", simulator="carla")
    with pytest.raises(ValueError, match="camera: 'blak' is not one of seen, black"):
        Evaluation("parked", camera=["blak"])


def test_launch_arguments_become_the_same_request(launch_file: Any) -> None:
    values = {name: default for name, (default, _, _) in launch_file.ARGUMENTS.items()}
    assert launch_file._request(values) == Evaluation("lane_keeper", assignments=[])
    changed = {**values, "agent": "runs/one", "map": "town", "scenario": "1", "routes": "3", "json": "out.json"}
    changed |= {"camera": "black, noise"}
    wanted = ["simulator.map=town", "simulator.scenario=1"]
    assert launch_file._request(changed) == Evaluation(
        "runs/one", assignments=wanted, routes=3, camera=("black", "noise"), results="out.json"
    )
    declared = [launch_file._argument(name) for name in launch_file.ARGUMENTS]
    assert all(argument.named["description"] for argument in declared)


def test_launch_starts_the_nodes_of_the_table(launch_file: Any, tmp_path: Path) -> None:
    specs = evaluation_processes(Evaluation("parked"), tmp_path)
    for spec in specs:
        _, node = launch_file._start(spec, tmp_path)
        assert (node.named["package"], node.named["executable"]) == ("td3_driving", spec.executable)
        assert node.named["parameters"] == [str(tmp_path / "config.yaml"), dict(spec.parameters)]


def test_launch_ends_with_the_policy_and_fails_with_whatever_fails(launch_file: Any, tmp_path: Path) -> None:
    simulator, policy = evaluation_processes(Evaluation("parked"), tmp_path)

    def ended(spec: Any, code: int, over: bool = False) -> list[Any]:
        return list(launch_file._ended(spec)(SimpleNamespace(returncode=code), SimpleNamespace(is_shutdown=over)))

    assert [type(action).__name__ for action in ended(policy, 0)] == ["Shutdown"]
    assert ended(simulator, 0, over=True) == []
    for spec, code in ((policy, 2), (simulator, 1)):
        (action,) = ended(spec, code)
        with pytest.raises(RuntimeError, match=f"{spec.name} ended \\(exit code {code}\\)"):
            action.named["function"](None, *action.named["args"])
