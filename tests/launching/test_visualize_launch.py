# SPDX-License-Identifier: Apache-2.0
"""visualize.launch.py: what it starts, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from td3_driving.driving.topics import SHARED
from td3_driving.view.rviz import rviz_arguments, rviz_file, rviz_topics


@pytest.fixture
def launch_file(load_launch_file: Callable[[str], Any]) -> Any:
    return load_launch_file("visualize")


def values(launch_file: Any, **changed: str) -> dict[str, str]:
    return {name: default for name, (default, _, _) in launch_file.ARGUMENTS.items()} | changed


def kinds(actions: list[Any]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_every_argument_is_described_and_switches_are_closed(launch_file: Any) -> None:
    declared = {name: launch_file._argument(name).named for name in launch_file.ARGUMENTS}
    assert all(named["description"] for named in declared.values())
    switches = {name for name, named in declared.items() if named["choices"] == launch_file.SWITCH}
    assert switches == {"rviz", "use_sim_time", "traffic", "publish_tf"}


def test_every_parameter_of_the_node_can_be_given(launch_file: Any) -> None:
    pytest.importorskip("rclpy", reason="the options are those of a ROS node")
    from td3_driving.nodes.view.options import Options

    assert {*launch_file.NODE_PARAMETERS, "actor_id"} == set(Options.__dataclass_fields__)
    assert set(launch_file.NODE_PARAMETERS) <= set(launch_file.ARGUMENTS)


def test_node_in_the_namespace_of_an_actor_hears_what_all_actors_share(launch_file: Any) -> None:
    _, node = launch_file.visualizer(values(launch_file, namespace="actor_1"))
    assert (node.named["executable"], node.named["namespace"]) == ("visualizer", "actor_1")
    assert set(node.named["remappings"]) == {(topic, f"/{topic}") for topic in SHARED}
    assert node.named["parameters"][0]["actor_id"].arguments == ("actor_1",)
    _, alone = launch_file.visualizer(values(launch_file))
    assert alone.named["remappings"] == []
    assert alone.named["parameters"][0]["actor_id"].arguments == ("",)


def exits(launch_file: Any, code: int, shutdown: bool = False) -> list[Any]:
    on_exit = launch_file._again(values(launch_file))
    return list(on_exit(SimpleNamespace(returncode=code), SimpleNamespace(is_shutdown=shutdown)))


def test_node_that_dies_is_started_again(launch_file: Any) -> None:
    said, later = exits(launch_file, -9)
    assert said.named["msg"] == "the visualizer died (-9); it is started again"
    assert kinds(later.named["actions"]) == ["RegisterEventHandler", "Node"]


def test_node_is_not_started_again_when_it_ended_or_launch_does(launch_file: Any) -> None:
    assert exits(launch_file, 0) == exits(launch_file, -2, shutdown=True) == []


def test_node_that_refuses_its_parameters_ends_the_launch_with_an_error(launch_file: Any) -> None:
    (action,) = exits(launch_file, 2)
    with pytest.raises(RuntimeError, match="the visualizer refused its parameters"):
        action.named["function"](None)


def test_missing_rviz_is_one_clear_sentence(launch_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_file.shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match=r"rviz2 is not on this machine: install .*, or start with rviz:=false"):
        launch_file.rviz(values(launch_file))


def test_rviz_gets_the_installed_configuration_and_its_end_ends_the_launch(
    launch_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_file.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(launch_file.os, "environ", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
    handler, process = launch_file.rviz(values(launch_file))
    assert process.named["cmd"] == ["rviz2", *rviz_arguments(rviz_file())]
    (profile,) = set(process.named["additional_env"].values())
    assert Path(profile).is_file(), "RViz has no part in the shared memory of those it watches"
    assert kinds(handler.arguments[0].named["on_exit"]) == ["Shutdown"]
    _, process = launch_file.rviz(values(launch_file, use_sim_time="False"))
    assert "use_sim_time:=false" in process.named["cmd"]


def test_arguments_of_rviz_in_a_namespace_lead_every_topic_there() -> None:
    assert rviz_arguments(Path("c.rviz")) == ("-d", "c.rviz", "--ros-args", "-p", "use_sim_time:=true")
    words = rviz_arguments(rviz_file(), "/actor_0")
    rules = {word for flag, word in zip(words, words[1:]) if flag == "-r"}
    assert rules == {f"{topic}:=/actor_0{topic}" for topic in (*rviz_topics(rviz_file()), "/tf", "/tf_static")}
    assert "/td3/view/image:=/actor_0/td3/view/image" in rules


def test_file_that_is_no_rviz_configuration_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.rviz"
    file.write_text("a: [")
    with pytest.raises(ValueError, match=r"bad\.rviz: not an RViz configuration"):
        rviz_arguments(file, "car")
