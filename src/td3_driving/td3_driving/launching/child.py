# SPDX-License-Identifier: Apache-2.0
"""``python -m td3_driving.launching.child EXECUTABLE ...``: run a node or the doctor without an installed script."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from td3_driving.doctor.plain_text import speak_plainly
from td3_driving.processes.exit_codes import BAD_INPUT, INTERRUPTED
from td3_driving.processes.ros_needs import ensure_home

if TYPE_CHECKING:
    # A process that is stopped while it imports this ends with a traceback, so the less the better.
    from td3_driving.launching.node_table import ProcessSpec

MODULES = {
    "policy": "td3_driving.nodes.training.policies",
    "learner": "td3_driving.nodes.training.learner",
    "diagnostics": "td3_driving.nodes.training.diagnostics",
    "simulator": "td3_driving.nodes.bridge.simulator",
    "carla_episodes": "td3_driving.nodes.bridge.carla_episodes",
    "visualizer": "td3_driving.nodes.view.visualizer",
    "live": "td3_driving.nodes.view.live",
    "recorder": "td3_driving.nodes.training.recorder",
    "registrar": "td3_driving.nodes.training.registrar",
    "joiner": "td3_driving.nodes.training.joiner",
    "gate": "td3_driving.nodes.vehicle.gate",
    "drive": "td3_driving.nodes.vehicle.drive",
    "final_drives": "td3_driving.evaluation.final_drives",
    "doctor": "td3_driving.doctor.cli",
    "loggers": "td3_driving.loggers.cli",
}
"""Module of each executable of the package; each has a ``main``."""


def command(spec: ProcessSpec, params_file: str) -> list[str]:
    """The command line of a process."""
    if spec.executable not in MODULES:
        return [spec.executable, *(spec.arguments or ())]
    start = [sys.executable, "-m", __name__, spec.executable]
    return start + (list(spec.arguments) if spec.arguments is not None else _ros_arguments(spec, params_file))


def heeds_interrupt(words: Sequence[str]) -> bool:
    """Whether a command line is one of :func:`command` for a module of the package, which takes a held SIGINT."""
    return list(words[1:3]) == ["-m", __name__]


def _ros_arguments(spec: ProcessSpec, params_file: str) -> list[str]:
    """Node name, namespace, parameters and remappings as ``rcl`` reads them; parameter values are YAML."""
    rules = [f"__node:={spec.executable}"] + ([f"__ns:={spec.namespace}"] if spec.namespace else [])
    rules += [f"{before}:={after}" for before, after in spec.remappings]
    arguments = ["--ros-args", *(["--params-file", params_file] if params_file else [])]
    for name, value in spec.parameters.items():
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    for rule in rules:
        arguments += ["-r", rule]
    return arguments


def main() -> int:
    """Hand the rest of the command line to the ``main`` of the named executable; its exit code."""
    speak_plainly()
    ensure_home()
    executable = sys.argv[1]
    sys.argv = [executable, *sys.argv[2:]]
    try:
        return int(_imported(MODULES[executable]).main() or 0)
    except ModuleNotFoundError as error:
        print(f"error: {executable} needs the module {error.name}; build the workspace and source it", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def _imported(name: str) -> ModuleType:
    """The module; Ctrl-C before and while it is imported ends the process.

    A library of C may make an ImportError of it, and Python a fatal error while it starts; so the starter holds it.
    """
    heeds = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeds:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        return import_module(name)
    finally:
        if heeds:
            signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
