# SPDX-License-Identifier: Apache-2.0
"""Look at a run, a vehicle or a bag: ``ros2 launch td3_driving visualize.launch.py``.

The visualizer node makes the camera image with the scene in it, the markers and the frames of REP 105; RViz shows them.
``rviz:=false`` starts the node alone, for Foxglove or PlotJuggler with the layouts in the package's config/layouts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from td3_driving.launching.node_table import shared_topics
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.view.rviz import rviz_arguments, rviz_file, viewer_environment

SWITCH = ("false", "true", "False", "True")
ARGUMENTS = {
    "rviz": ("true", SWITCH, "open RViz; its end ends this launch"),
    "rviz_config": ("", None, "RViz configuration; empty: the installed config/rviz/td3_driving.rviz"),
    "namespace": ("", None, "namespace of the vehicle, for instance actor_0 in a run with several actors"),
    "actor_id": ("", None, "whose reward is shown; empty: anybody's, or in a namespace its last part"),
    "use_sim_time": ("true", SWITCH, "RViz takes its time from /clock: false on a vehicle without a simulator"),
    "rate": ("10.0", None, "images and marker arrays per second of wall time, 0.2 .. 60 [1/s]"),
    "image_height": ("432", None, "least height of the camera image, 36 .. 2160 [px]"),
    "traffic": (
        "true",
        SWITCH,
        "draw boxes around other vehicles, from the bridge's list of objects",
    ),
    "publish_tf": ("true", SWITCH, "publish map -> odom_frame -> base_frame from odometry in the map"),
    "odom_frame": ("odom", None, "name of the frame without jumps"),
    "base_frame": ("base_link", None, "name of the vehicle's own frame"),
    "log_level": ("info", ("debug", "info", "warn", "error", "fatal"), "least severity that the node logs"),
}
"""Name of each argument: its default, its choices, its meaning."""
NODE_PARAMETERS = {
    "rate": float,
    "image_height": int,
    "traffic": bool,
    "publish_tf": bool,
    "odom_frame": str,
    "base_frame": str,
}
"""Arguments that become parameters of the node, and their types."""
PAUSE = 2.0
"""Time before a visualizer that died is started again [s]."""


def generate_launch_description() -> LaunchDescription:
    """The arguments, and what shows."""
    return LaunchDescription([*map(_argument, ARGUMENTS), OpaqueFunction(function=_view)])


def _argument(name: str) -> DeclareLaunchArgument:
    default, choices, meaning = ARGUMENTS[name]
    return DeclareLaunchArgument(name, default_value=default, choices=choices, description=meaning)


def _view(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    return visualizer(values) + (rviz(values) if _is(values["rviz"]) else [])


def visualizer(values: dict[str, str]) -> list[Action]:
    """The node; it is started again whenever it dies, unless it was started wrongly."""
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, kind in NODE_PARAMETERS.items()
    }
    whose = values["actor_id"] or values["namespace"].strip("/").rpartition("/")[2]
    node = Node(
        package="td3_driving",
        executable="visualizer",
        name="visualizer",
        namespace=values["namespace"],
        parameters=[{**parameters, "actor_id": ParameterValue(whose, value_type=str)}],
        remappings=list(shared_topics(values["namespace"])),
        arguments=["--ros-args", "--log-level", values["log_level"]],
        output="screen",
    )
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_again(values))), node]


def _again(values: dict[str, str]) -> Callable[[ProcessExited, LaunchContext], list[Action]]:
    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown or event.returncode == 0:
            return []
        if event.returncode == BAD_INPUT:
            return [OpaqueFunction(function=_refuse)]
        said = LogInfo(msg=f"the visualizer died ({event.returncode}); it is started again")
        return [said, TimerAction(period=PAUSE, actions=visualizer(values))]

    return on_exit


def _refuse(_: LaunchContext) -> None:
    """End the launch with an error: launch exits with 1 only after an exception."""
    raise RuntimeError("the visualizer refused its parameters; the line above says why")


def rviz(values: dict[str, str]) -> list[Action]:
    """RViz with the configuration, looking into the namespace.

    Raises:
        RuntimeError: there is no RViz on this machine.
    """
    if shutil.which("rviz2") is None:
        raise RuntimeError("rviz2 is not on this machine: install ros-$ROS_DISTRO-rviz2, or start with rviz:=false")
    file = Path(values["rviz_config"]) if values["rviz_config"] else rviz_file()
    arguments = rviz_arguments(file, values["namespace"], _is(values["use_sim_time"]))
    apart = viewer_environment(os.environ)
    shown = ExecuteProcess(cmd=["rviz2", *arguments], name="rviz2", output="screen", additional_env=apart)
    over = OnProcessExit(target_action=shown, on_exit=[Shutdown(reason="RViz was closed")])
    return [RegisterEventHandler(over), shown]


def _is(switch: str) -> bool:
    return switch.lower() == "true"
