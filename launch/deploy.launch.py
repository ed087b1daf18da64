# SPDX-License-Identifier: Apache-2.0
"""Drive a vehicle by a bundle: ``ros2 launch td3_driving deploy.launch.py bundle:=policy.zip interface:=autoware``.

The processes come from ``td3_driving.launching.deployment``, as in ``td3-driving deploy``: the policy, and the gate
that alone commands the vehicle.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from td3_driving.launching.course import describe
from td3_driving.launching.deployment import INTERFACES, ROLES, SENSOR_QOS, DeployOptions, deployment
from td3_driving.launching.node_table import ProcessSpec
from td3_driving.launching.vehicle_inputs import require_sound
from td3_driving.processes.exit_codes import BAD_INPUT

SWITCH = ("false", "true", "False", "True")
ARGUMENTS = {
    "bundle": (None, None, "path of the policy's bundle, from td3-driving export"),
    "interface": ("carla", INTERFACES, "kind of vehicle that the gate commands"),
    "shadow": ("false", SWITCH, "command nothing; publish what the policy would do and how that differs"),
    "public_key": ("", None, "Ed25519 public key (PEM) that the bundle must be signed for; empty: any bundle"),
    "params_file": ("", None, "parameter file with sections gate: and drive:; empty: the defaults"),
    "namespace": ("", None, "ROS namespace of both nodes"),
    "autostart": ("true", SWITCH, "the policy configures and activates itself; false: a lifecycle manager does"),
    "use_sim_time": ("false", SWITCH, "take the time from /clock"),
    "threads": ("1", None, "CPU threads of the network, 1 .. 64"),
    "sensor_qos": ("best_effort", SENSOR_QOS, "reliability that the policy asks of camera and odometry"),
    "sync_tolerance": ("0.0", None, "seconds between an image and its odometry, 0 .. 0.1; 0: they share their stamps"),
    "camera_topic": ("", None, "sensor_msgs/Image; empty: the usual topic of the interface"),
    "odometry_topic": ("", None, "nav_msgs/Odometry, pose in the map; empty: the usual topic of the interface"),
    "route_topic": ("", None, "nav_msgs/Path along the lane centre; empty: carla/ego_vehicle/waypoints"),
    "command_topic": ("", None, "where the vehicle takes commands; empty: the usual topic of the interface"),
    "view": ("false", SWITCH, "show the drive on a live page in the browser"),
    "log_level": ("info", ("debug", "info", "warn", "error", "fatal"), "least severity that the nodes log"),
}
"""Name of each argument: its default (None: it must be given), its choices, its meaning."""
PAUSE = 1.0
"""Time before a policy that died is started again [s]."""


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the processes."""
    return LaunchDescription([*map(_argument, ARGUMENTS), OpaqueFunction(function=_deploy)])


def _argument(name: str) -> DeclareLaunchArgument:
    default, choices, meaning = ARGUMENTS[name]
    given = {} if default is None else {"default_value": default}
    return DeclareLaunchArgument(name, choices=choices, description=meaning, **given)


def _deploy(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    options = options_of(values)
    room = [SetEnvironmentVariable(name, value) for name, value in require_sound(options, os.environ).items()]
    return [*room, *(action for spec in deployment(options) for action in process(spec, values))]


def options_of(values: dict[str, str]) -> DeployOptions:
    """The options that the arguments stand for.

    Raises:
        ValueError: one of them cannot be.
    """
    return DeployOptions(
        bundle=Path(values["bundle"]).absolute(),
        interface=values["interface"],
        public_key=values["public_key"],
        params_file=values["params_file"],
        namespace=values["namespace"],
        threads=_number(values, "threads", int),
        sensor_qos=values["sensor_qos"],
        sync_tolerance=_number(values, "sync_tolerance", float),
        topics={role: values[f"{role}_topic"] for role in ROLES},
        **{name: values[name].lower() == "true" for name in ("shadow", "autostart", "use_sim_time", "view")},
    )


def _number(values: dict[str, str], name: str, kind: type[Any]) -> Any:
    try:
        return kind(values[name])
    except ValueError as error:
        raise ValueError(f"{name}: {values[name]!r} is no number") from error


def process(spec: ProcessSpec, values: dict[str, str]) -> list[Action]:
    """Return a node and the handler of its end."""
    files = [values["params_file"]] if values["params_file"] else []
    node = Node(
        package="td3_driving",
        executable=spec.executable,
        name=spec.executable,
        namespace=spec.namespace,
        parameters=[*files, dict(spec.parameters)],
        remappings=list(spec.remappings),
        arguments=["--ros-args", "--log-level", values["log_level"]],
        output="screen",
    )
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_exited(spec, values))), node]


def _exited(spec: ProcessSpec, values: dict[str, str]) -> Callable[[ProcessExited, LaunchContext], list[Action]]:
    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown:
            return []
        reason = f"{spec.name} ended ({describe(event.returncode)})"
        if spec.on_exit == "optional":
            return [LogInfo(msg=f"{reason}; the drive goes on without it")]
        if spec.on_exit != "respawn" or event.returncode == BAD_INPUT:
            return [OpaqueFunction(function=_fail, args=[reason])]
        if event.returncode == 0:
            return [LogInfo(msg=f"{reason}; the gate goes on without it")]
        return [LogInfo(msg=f"{reason}; it is started again"), TimerAction(period=PAUSE, actions=process(spec, values))]

    return on_exit


def _fail(_: LaunchContext, reason: str) -> None:
    """End the launch with an error: launch exits with 1 only after an exception."""
    raise RuntimeError(reason)
