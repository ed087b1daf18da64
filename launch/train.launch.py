# SPDX-License-Identifier: Apache-2.0
"""Train a driving policy: ``ros2 launch td3_driving train.launch.py steps:=1000``.

The processes and what follows from their ends come from ``td3_driving.launching``, as in ``td3-driving train``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
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
from launch.event_handler import BaseEventHandler
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.events import matches_action
from launch.events.process import ProcessExited, ProcessStdout, ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage
from rich.console import Console

from td3_driving.carla.arguments import assignments, launch_arguments
from td3_driving.launching.child import MODULES
from td3_driving.launching.course import Course, Decision, Restart, Say, Stop
from td3_driving.launching.node_table import SIMULATORS, ProcessSpec, closing
from td3_driving.launching.prepare import Prepared, RunRequest, how_to_listen, prepare
from td3_driving.launching.progress import Screen
from td3_driving.processes.hangup import hang_up_as_interrupt
from td3_driving.runs.profiles import DEFAULT_PROFILE

SWITCH = ("false", "true", "False", "True")
ARGUMENTS = {
    "simulator": (
        "embedded",
        SIMULATORS,
        "embedded, carla (server and bridge are brought up), or none (what runs already)",
    ),
    "profile": ("", None, f"name of a profile in config/; empty: {DEFAULT_PROFILE}, or that of the resumed run"),
    "params_file": ("", None, "parameter file to use instead of a profile"),
    "steps": ("", None, "environment steps to take, over all actors; empty: as the profile says"),
    "seed": ("", None, "seed of every random generator; empty: as the profile says"),
    "num_actors": ("", None, "simulators that feed the one learner; empty: as the profile says"),
    "run_dir": ("", None, "name below runs/, or a path; empty: profile, time and seed"),
    "resume": ("false", SWITCH, "continue the run in run_dir (empty: the latest)"),
    "rviz": ("false", SWITCH, "open RViz"),
    "view": ("false", SWITCH, "show the run on a live page in the browser"),
    "record": ("false", SWITCH, "record the run's topics into a bag in its folder"),
    "tensorboard": ("false", SWITCH, "serve TensorBoard during the run"),
    **launch_arguments(),
}
"""Name of each argument: its default, its choices, its meaning."""
PROGRESS_SOURCES = ("diagnostics",)
"""Processes whose stdout is read for progress lines, and shown without them."""


def generate_launch_description() -> LaunchDescription:
    """The arguments and the run."""
    return LaunchDescription([*map(_argument, ARGUMENTS), OpaqueFunction(function=_run)])


def _argument(name: str) -> DeclareLaunchArgument:
    default, choices, meaning = ARGUMENTS[name]
    return DeclareLaunchArgument(name, default_value=default, choices=choices, description=meaning)


def _run(context: LaunchContext) -> list[Action]:
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    hang_up_as_interrupt()
    held = ExitStack()  # The claims on run folder and domain end with this process.
    prepared = prepare(_request(values), os.environ, datetime.now(), held)
    return LaunchedRun(prepared, held).start()


def _request(values: dict[str, str]) -> RunRequest:
    if values["resume"].lower() == "true" and (values["profile"] or values["params_file"]):
        raise ValueError(
            "resume goes on with the settings of the run, so no profile or params_file can be given with it"
        )
    direct = {"run.steps": "steps", "run.seed": "seed", "run.num_actors": "num_actors"}
    return RunRequest(
        profile=values["params_file"] or values["profile"],
        assignments=(*(f"{key}={values[name]}" for key, name in direct.items() if values[name]), *assignments(values)),
        run_directory=values["run_dir"],
        simulator=values["simulator"],
        **{name: values[name].lower() == "true" for name in ("resume", "rviz", "record", "tensorboard", "view")},
    )


class LaunchedRun:
    """Carries out in launch what the :class:`Course` of the run decides."""

    def __init__(self, prepared: Prepared, held: ExitStack) -> None:
        self._prepared = prepared
        self._held = held
        self._specs = {spec.name: spec for spec in prepared.specs}
        self._course = Course(prepared.specs)
        self._actions: dict[str, ExecuteProcess] = {}
        self._screen = Screen(Console(force_terminal=False, soft_wrap=True, highlight=False))

    def start(self) -> list[Action]:
        """Everything to do at the start of the run."""
        environment = self._prepared.environment
        return [
            *(SetEnvironmentVariable(name, value) for name, value in environment.items()),
            LogInfo(msg=f"run folder {self._prepared.folder.path}"),
            LogInfo(msg=f"other ROS programs hear the run with {how_to_listen(environment)}"),
            *([LogInfo(msg=self._prepared.note)] if self._prepared.note else []),
            *(action for name in self._specs for action in self._process(name)),
        ]

    def _process(self, name: str) -> list[Action]:
        action = self._actions[name] = action_of(self._specs[name], str(self._prepared.options.params_file))
        handlers: list[BaseEventHandler] = [OnProcessExit(target_action=action, on_exit=self._exited(name))]
        if name in PROGRESS_SOURCES:
            handlers.append(OnProcessIO(target_action=action, on_stdout=self._show(name)))
        return [*map(RegisterEventHandler, handlers), action]

    def _show(self, name: str) -> Callable[[ProcessStdout], None]:
        def on_stdout(event: ProcessStdout) -> None:
            for line in event.text.decode(errors="replace").splitlines():
                self._screen.line(name, line)

        return on_stdout

    def _exited(self, name: str) -> Callable[[ProcessExited, LaunchContext], list[Action]]:
        def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
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
        """The final drives and the verdict on a run that went well; an error for one that did not."""
        if code:
            return [OpaqueFunction(function=_fail, args=[reason])]
        actions: list[Action] = [Shutdown(reason="the run is over")]
        for spec in reversed(closing(self._prepared.options)):
            process = action_of(spec, "")
            actions = [RegisterEventHandler(OnProcessExit(target_action=process, on_exit=actions)), process]
        return actions


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
            output={"stdout": "log", "stderr": "screen"} if spec.name in PROGRESS_SOURCES else "screen",
        )
    ours = spec.executable in MODULES
    program = ExecutableInPackage(spec.executable, "td3_driving") if ours else spec.executable
    return ExecuteProcess(cmd=[program, *spec.arguments], name=spec.name, output="screen")


def _fail(_: LaunchContext, reason: str) -> None:
    """End the launch with an error: launch exits with 1 only after an exception."""
    raise RuntimeError(reason)
