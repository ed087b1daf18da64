# SPDX-License-Identifier: Apache-2.0
"""CARLA alone, ready for episodes: ``ros2 launch td3_driving carla.launch.py town:=Town02``.

Finds or starts the server, starts the bridge, spawns the ego vehicle, and offers ``/td3/reset_episode``. Training joins
with ``train.launch.py simulator:=none``; ``train.launch.py simulator:=carla`` does both.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from td3_driving.carla.arguments import assignments, launch_arguments
from td3_driving.runs.profiles import DEFAULT_PROFILE, load_profile, override, profile_path

ARGUMENTS = {
    "profile": (DEFAULT_PROFILE, None, "name of a profile in config/"),
    "params_file": ("", None, "parameter file to use instead of a profile"),
    "run_dir": ("", None, "folder for the log files of server and bridge; empty: a temporary one"),
    **launch_arguments(),
}
"""Name of each argument: its default, its choices, its meaning."""


def generate_launch_description() -> LaunchDescription:
    """The arguments and the CARLA node."""
    return LaunchDescription([*map(_argument, ARGUMENTS), OpaqueFunction(function=_bring_up)])


def _argument(name: str) -> DeclareLaunchArgument:
    default, choices, meaning = ARGUMENTS[name]
    return DeclareLaunchArgument(name, default_value=default, choices=choices, description=meaning)


def _bring_up(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    profile = load_profile(profile_path(values["params_file"] or values["profile"]))
    settings = override(profile, assignments(values))
    parameters = [{**settings.flat(), "run_dir": values["run_dir"]}]
    node = Node(
        package="td3_driving",
        executable="carla_episodes",
        name="carla_episodes",
        parameters=parameters,
        output="screen",
    )
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_exited)), node]


def _exited(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """Launch exits with 1 only after an exception; what was wrong, the node has said."""
    if event.returncode == 0 or context.is_shutdown:
        return [Shutdown(reason="the CARLA node has ended")]
    return [OpaqueFunction(function=_fail, args=[f"carla_episodes ended with exit code {event.returncode}"])]


def _fail(_: LaunchContext, reason: str) -> None:
    raise RuntimeError(reason)
