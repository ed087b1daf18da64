# SPDX-License-Identifier: Apache-2.0
"""Evaluate over ROS: ``ros2 launch td3_driving evaluate.launch.py agent:=runs/latest routes:=5``.

A policy node drives fixed routes through the service ``td3/reset_episode`` and prints what they came to; the processes
come from ``td3_driving.launching.evaluation``, as in ``td3-driving evaluate --ros``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from td3_driving.evaluation.camera_ablation import ABLATIONS, SEEN
from td3_driving.launching.course import describe
from td3_driving.launching.evaluation import Evaluation, evaluation_processes
from td3_driving.launching.node_table import ProcessSpec

ARGUMENTS = {
    "agent": ("lane_keeper", None, "run folder, or reference driver (lane_keeper, parked, random, off_road)"),
    "simulator": ("embedded", ("embedded", "none"), "embedded, or none: the bridge's topics are there already"),
    "params_file": ("", None, "parameter file to use; empty: that of the run, or the default profile"),
    "map": ("", None, "road network; empty: as the settings say"),
    "scenario": ("", None, "traffic: 0, 1, 2 = 20, 50, 100 vehicles; empty: as the settings say"),
    "routes": ("10", None, "number of routes"),
    "seed": ("0", None, "of the routes and their traffic"),
    "ending": ("leaderboard", ("leaderboard", "violation"), "where a route ends"),
    "camera": (SEEN, None, f"frames: some of {','.join(ABLATIONS)}"),
    "checkpoint": ("auto", None, "best, latest, a folder in checkpoints/, or auto: the best, else the latest"),
    "view": ("false", ("false", "true"), "show the drives on a live page in the browser"),
    "json": ("", None, "file for the results in the CARLA leaderboard's layout"),
}
"""Name of each argument: its default, its choices, its meaning."""


def generate_launch_description() -> LaunchDescription:
    """The arguments and the nodes."""
    return LaunchDescription([*map(_argument, ARGUMENTS), OpaqueFunction(function=_evaluate)])


def _argument(name: str) -> DeclareLaunchArgument:
    default, choices, meaning = ARGUMENTS[name]
    return DeclareLaunchArgument(name, default_value=default, choices=choices, description=meaning)


def _evaluate(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    # The folder outlives the launch: the nodes read it when they are up.
    folder = Path(mkdtemp(prefix="td3_driving_evaluation_"))
    return [action for spec in evaluation_processes(_request(values), folder) for action in _start(spec, folder)]


def _request(values: dict[str, str]) -> Evaluation:
    direct = {"simulator.map": "map", "simulator.scenario": "scenario"}
    return Evaluation(
        agent=values["agent"],
        profile=values["params_file"],
        assignments=[f"{key}={values[name]}" for key, name in direct.items() if values[name]],
        simulator=values["simulator"],
        routes=int(values["routes"]),
        seed=int(values["seed"]),
        ending=values["ending"],
        camera=tuple(word.strip() for word in values["camera"].split(",")),
        checkpoint=values["checkpoint"],
        results=values["json"],
        view=values["view"] == "true",
    )


def _start(spec: ProcessSpec, folder: Path) -> list[Action]:
    node = Node(
        package="td3_driving",
        executable=spec.executable,
        name=spec.executable,
        parameters=[str(folder / "config.yaml"), dict(spec.parameters)],
        output="screen",
    )
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_ended(spec))), node]


def _ended(spec: ProcessSpec) -> Callable[[ProcessExited, LaunchContext], list[Action]]:
    """The end of the policy is the end; that of the simulator is one only when it comes first."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown:
            return []
        if spec.on_exit == "optional":
            return []
        if spec.on_exit == "main" and event.returncode == 0:
            return [Shutdown(reason="the evaluation is over")]
        return [OpaqueFunction(function=_fail, args=[f"{spec.name} ended ({describe(event.returncode)})"])]

    return on_exit


def _fail(_: LaunchContext, reason: str) -> None:
    """End the launch with an error: launch exits with 1 only after an exception."""
    raise RuntimeError(reason)
