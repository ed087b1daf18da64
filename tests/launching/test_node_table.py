# SPDX-License-Identifier: Apache-2.0
"""The description of a run's processes, and the command lines made from it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from td3_driving.driving.topics import SHARED
from td3_driving.launching.child import MODULES, command
from td3_driving.launching.node_table import ProcessSpec, RunOptions, closing, processes, verdict

RUN = Path("/runs/one")


def names(options: RunOptions) -> list[str]:
    return [spec.name for spec in processes(options)]


def test_one_actor_runs_in_the_root_namespace() -> None:
    specs = processes(RunOptions(RUN))
    assert [spec.name for spec in specs] == ["diagnostics", "learner", "simulator", "policy"]
    assert all(spec.namespace == "" and spec.remappings == () for spec in specs)


def test_several_actors_feed_one_learner() -> None:
    specs = {spec.name: spec for spec in processes(RunOptions(RUN, num_actors=3))}
    assert sorted(specs) == sorted(
        ["diagnostics", "learner", *(f"{kind}_{i}" for kind in ("simulator", "policy") for i in range(3))]
    )
    assert specs["simulator_2"].namespace == specs["policy_2"].namespace == "/actor_2"
    assert specs["policy_2"].parameters == {
        "actor_id": "actor_2",
        "actor_index": 2,
        "run_dir": str(RUN),
        "resetter": "",
        "whole_frames": True,
    }
    assert set(specs["policy_1"].remappings) == {(topic, f"/{topic}") for topic in SHARED}


def test_several_actors_share_processes_where_that_is_asked_for() -> None:
    specs = {spec.name: spec for spec in processes(RunOptions(RUN, num_actors=5, actors_per_process=2))}
    assert [name for name in specs if "simulator" in name] == ["simulator_0-1", "simulator_2-3", "simulator_4"]
    assert [name for name in specs if "policy" in name] == ["policy_0-1", "policy_2-3", "policy_4"]
    policy, simulator = specs["policy_2-3"], specs["simulator_2-3"]
    assert policy.namespace == simulator.namespace == "/actor_2"
    assert simulator.parameters == {"actor_index": 2, "together": 2, "run_dir": str(RUN)}
    assert (policy.parameters["actor_id"], policy.parameters["together"]) == ("actor_2", 2)
    assert "together" not in specs["policy_4"].parameters and specs["simulator_4"].parameters == {"run_dir": str(RUN)}


@pytest.mark.parametrize("alone", [{"faults": "drop@5", "num_actors": 2}, {"simulator": "none"}])
def test_what_must_have_a_process_of_its_own_has_one(alone: dict[str, Any]) -> None:
    specs = processes(RunOptions(RUN, actors_per_process=4, **alone))
    assert not any("together" in spec.parameters for spec in specs)


def test_only_carla_needs_a_node_that_commands_the_vehicle_in_a_reset() -> None:
    for simulator, named in (("embedded", True), ("carla", False), ("none", False)):
        specs = {spec.name: spec for spec in processes(RunOptions(RUN, simulator=simulator))}
        assert all(("resetter" in specs[name].parameters) is named for name in ("policy", "diagnostics"))


def test_a_policy_takes_whole_frames_from_an_embedded_simulator_without_faults() -> None:
    """Faults are those of the bridge's topics, and nobody else publishes whole frames."""

    def whole(options: RunOptions) -> bool:
        policy = next(spec for spec in processes(options) if spec.name == "policy")
        return policy.parameters.get("whole_frames", False) is True

    assert whole(RunOptions(RUN))
    assert not whole(RunOptions(RUN, faults="drop@5"))
    assert not any(whole(RunOptions(RUN, simulator=simulator)) for simulator in ("carla", "none"))


def test_reset_service_stays_with_the_actor() -> None:
    assert not any("reset" in topic for topic in SHARED)


@pytest.mark.parametrize("simulator", ["carla", "none"])
def test_outside_simulators_are_not_started(simulator: str) -> None:
    assert "simulator" not in names(RunOptions(RUN, simulator=simulator))


def test_companions_only_when_asked_for() -> None:
    assert names(RunOptions(RUN, tensorboard=True, rviz=True))[4:] == ["tensorboard", "visualizer", "rviz2"]
    assert names(RunOptions(RUN, record=True)) == ["diagnostics", "learner", "recorder", "simulator", "policy"]


def test_view_of_several_actors_shows_the_first() -> None:
    specs = {spec.name: spec for spec in processes(RunOptions(RUN, num_actors=2, rviz=True))}
    view = specs["visualizer"]
    assert (view.namespace, view.parameters) == ("/actor_0", {"actor_id": "actor_0"})
    assert view.remappings == specs["policy_0"].remappings
    assert "/td3/markers:=/actor_0/td3/markers" in (specs["rviz2"].arguments or ())
    assert {spec.on_exit for spec in (view, specs["rviz2"])} == {"optional"}, "a viewer must not end a run"


def test_unknown_simulator_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'gazebo' is not one of embedded, carla, none"):
        RunOptions(RUN, simulator="gazebo")


def test_several_actors_need_the_embedded_simulator() -> None:
    with pytest.raises(ValueError, match="2 actors need simulator embedded, not carla"):
        RunOptions(RUN, simulator="carla", num_actors=2)


def test_every_node_of_the_table_can_be_started_by_either_starter() -> None:
    setup = (Path(__file__).resolve().parents[2] / "src/td3_driving/setup.py").read_text()
    for spec in [*processes(RunOptions(RUN)), *closing(RunOptions(RUN, final_routes=1))]:
        assert spec.executable in MODULES
        assert f'"{spec.executable}"' in setup or f'"{spec.executable} = ' in setup


def test_an_installed_script_and_a_child_run_the_same_module() -> None:
    setup = ast.parse((Path(__file__).resolve().parents[2] / "src/td3_driving/setup.py").read_text())
    installed = next(
        ast.literal_eval(node.value)
        for node in setup.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NODES"
    )
    rooms = "td3_driving.nodes."
    assert installed == {name: path.removeprefix(rooms) for name, path in MODULES.items() if path.startswith(rooms)}


def test_command_line_of_a_node() -> None:
    spec = ProcessSpec("policy_1", "policy", "/actor_1", {"actor_id": "7", "x": 2.0}, (("td3/a", "/td3/a"),))
    assert command(spec, "c.yaml")[2:] == [
        *("td3_driving.launching.child", "policy", "--ros-args", "--params-file", "c.yaml"),
        *("-p", 'actor_id:="7"', "-p", "x:=2.0"),
        *("-r", "__node:=policy", "-r", "__ns:=/actor_1", "-r", "td3/a:=/td3/a"),
    ]


def test_doctor_gets_the_run_and_no_ros_arguments() -> None:
    assert command(verdict(RunOptions(RUN)), "")[3:6] == ["doctor", str(RUN), "--brief"]


def test_the_final_drives_come_before_the_verdict_where_the_embedded_world_is_the_one_trained_in() -> None:
    drives, doctor = closing(RunOptions(RUN, final_routes=5))
    assert (drives.executable, drives.arguments, drives.on_exit) == ("final_drives", (str(RUN),), "last")
    assert command(drives, "")[3:] == ["final_drives", str(RUN)]
    assert doctor == verdict(RunOptions(RUN))
    for options in (RunOptions(RUN), *(RunOptions(RUN, name, final_routes=5) for name in ("carla", "none"))):
        assert closing(options) == [verdict(options)]


def test_command_line_of_a_program() -> None:
    assert command(ProcessSpec("t", "tensorboard", arguments=("--logdir", "r")), "") == ["tensorboard", "--logdir", "r"]
