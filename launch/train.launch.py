"""Train a driving policy: ``ros2 launch td3_driving train.launch.py steps:=1000``.

The processes and what follows from their ends come from ``td3_driving.starting``, as in ``td3-driving train``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from time import monotonic

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from td3_driving.starting.course import Course, Decision, Restart, Say, Stop
from td3_driving.starting.node_table import SIMULATORS, ProcessSpec, verdict
from td3_driving.starting.prepare import Prepared, Request, how_to_listen, prepare
from td3_driving.starting.profiles import DEFAULT_PROFILE

SWITCH = ("false", "true")
ARGUMENTS = {
    "simulator": ("embedded", SIMULATORS, "embedded, carla (a bridge that runs already), or none (any other source)"),
    "profile": (DEFAULT_PROFILE, None, "name of a profile in config/"),
    "params_file": ("", None, "parameter file to use instead of a profile"),
    "steps": ("", None, "environment steps to take, over all actors; empty: as the profile says"),
    "seed": ("", None, "seed of every random generator; empty: as the profile says"),
    "num_actors": ("", None, "simulators that feed the one learner; empty: as the profile says"),
    "run_dir": ("", None, "name below runs/, or a path; empty: profile, time and seed"),
    "resume": ("false", SWITCH, "continue the run in run_dir (empty: the latest)"),
    "rviz": ("false", SWITCH, "open RViz"),
    "record": ("false", SWITCH, "record the run's topics, without images, into a bag in its folder"),
    "tensorboard": ("false", SWITCH, "serve TensorBoard during the run"),
}
"""Name of each argument: its default, its choices, its meaning."""


def generate_launch_description() -> LaunchDescription:
    """The arguments and the run."""
    return LaunchDescription([*map(_argument, ARGUMENTS), OpaqueFunction(function=_run)])


def _argument(name: str) -> DeclareLaunchArgument:
    default, choices, meaning = ARGUMENTS[name]
    return DeclareLaunchArgument(name, default_value=default, choices=choices, description=meaning)


def _run(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    held = ExitStack()  # The claims on run folder and domain end with this process.
    prepared = prepare(_request(values), os.environ, datetime.now(), held)
    return LaunchedRun(prepared, held).start()


def _request(values: dict[str, str]) -> Request:
    direct = {"run.steps": "steps", "run.seed": "seed", "run.num_actors": "num_actors"}
    return Request(
        profile=values["params_file"] or values["profile"],
        assignments=tuple(f"{key}={values[name]}" for key, name in direct.items() if values[name]),
        run_directory=values["run_dir"],
        resume=values["resume"] == "true",
        simulator=values["simulator"],
        tensorboard=values["tensorboard"] == "true",
        rviz=values["rviz"] == "true",
        record=values["record"] == "true",
    )


class LaunchedRun:
    """Carries out in launch what the :class:`Course` of the run decides."""

    def __init__(self, prepared: Prepared, held: ExitStack) -> None:
        self._prepared = prepared
        self._held = held
        self._specs = {spec.name: spec for spec in prepared.specs}
        self._course = Course(prepared.specs)
        self._actions: dict[str, ExecuteProcess] = {}

    def start(self) -> list[Action]:
        """Everything to do at the start of the run."""
        environment = self._prepared.environment
        return [
            *(SetEnvironmentVariable(name, value) for name, value in environment.items()),
            LogInfo(msg=f"run folder {self._prepared.folder.path}"),
            LogInfo(msg=f"other ROS programs hear the run with {how_to_listen(environment)}"),
            *(action for name in self._specs for action in self._process(name)),
        ]

    def _process(self, name: str) -> list[Action]:
        action = self._actions[name] = action_of(self._specs[name], str(self._prepared.options.params_file))
        return [action, RegisterEventHandler(OnProcessExit(target_action=action, on_exit=self._exited(name)))]

    def _exited(self, name: str):  # type: ignore[no-untyped-def]
        def on_exit(event, context) -> list[Action]:  # type: ignore[no-untyped-def]
            if context.is_shutdown:
                return []
            return self._carry_out(self._course.exited(name, event.returncode, monotonic()))

        return on_exit

    def _carry_out(self, decisions: Iterable[Decision]) -> list[Action]:
        actions: list[Action] = []
        for decision in decisions:
            if isinstance(decision, Say):
                actions.append(LogInfo(msg=decision.text))
            elif isinstance(decision, Restart):
                actions += self._process(decision.name)
            elif isinstance(decision, Stop):
                actions.append(self._stop(decision))
            else:
                actions += self._end(decision.code, decision.reason)
        return actions

    def _stop(self, order: Stop) -> Action:
        action = self._actions[order.name]
        emit = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(action)))
        return TimerAction(period=order.after, actions=[emit]) if order.after else emit

    def _end(self, code: int, reason: str) -> list[Action]:
        """The verdict on a run that went well; an error for one that did not."""
        if code:
            return [OpaqueFunction(function=_fail, args=[reason])]
        doctor = action_of(verdict(self._prepared.options), "")
        over = OnProcessExit(target_action=doctor, on_exit=[Shutdown(reason="the run is over")])
        return [RegisterEventHandler(over), doctor]


def action_of(spec: ProcessSpec, params_file: str) -> ExecuteProcess:
    """The launch action of one process."""
    if spec.arguments is None:
        return Node(
            package="td3_driving",
            executable=spec.executable,
            name=spec.executable,
            namespace=spec.namespace,
            parameters=[params_file, dict(spec.parameters)],
            remappings=list(spec.remappings),
            output="screen",
        )
    if spec.executable == "doctor":
        return Node(package="td3_driving", executable="doctor", arguments=list(spec.arguments), output="screen")
    return ExecuteProcess(cmd=[spec.executable, *spec.arguments], name=spec.name, output="screen")


def _fail(_: LaunchContext, reason: str) -> None:
    """End the launch with an error: launch exits with 1 only after an exception."""
    raise RuntimeError(reason)
