# SPDX-License-Identifier: Apache-2.0
"""``td3-driving``: every command of the project that needs no ROS command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from td3_driving import __version__
from td3_driving.doctor.command_line import did_you_mean
from td3_driving.doctor.plain_text import speak_plainly
from td3_driving.plugins import blame
from td3_driving.processes.exit_codes import PIPE_CLOSED
from td3_driving.processes.extras import remedy
from td3_driving.processes.ros_needs import ensure_home
from td3_driving.runs.refusals import refuse

COMMANDS = {
    "train": ("td3_driving.launching.train", "train a policy over ROS 2 nodes and judge the run"),
    "actor": ("td3_driving.launching.actor", "drive for a learner on another machine"),
    "replay": ("td3_driving.bags.cli", "rebuild the steps of a recorded run, as its learner got them"),
    "evaluate": ("td3_driving.launching.evaluate", "drive fixed routes with policies and reference drivers"),
    "carla-server": ("td3_driving.carla_server.cli", "stand in for a CARLA server, for scripts and CI without a GPU"),
    "simulator": ("td3_driving.launching.simulator", "run the embedded simulator alone, say in a vehicle's place"),
    "view": ("td3_driving.launching.view", "show a recorded run or drive on a live page in the browser"),
    "map": ("td3_driving.sim.map_cli", "say whether an OpenDRIVE file can be driven on, and draw it"),
    "conformance": ("td3_driving.nodes.conformance.command", "check a running simulator against the CARLA bridge"),
    "doctor": ("td3_driving.doctor.cli", "judge a training run from its folder"),
    "enclaves": ("td3_driving.launching.enclaves", "make keys and permissions of SROS 2 for the nodes of a run"),
    "fit-pedals": ("td3_driving.export.fit_pedals", "fit what the pedals of a vehicle do, for the command gate"),
    "bundle": ("td3_driving.deploy.bundle_cli", "check a bundle and say what it is"),
    "settings": ("td3_driving.launching.settings", "print every setting with its range and meaning"),
    "completion": ("td3_driving.completion", "print a script that completes this command in bash and zsh"),
    "deploy": ("td3_driving.launching.deploy", "drive a vehicle by a bundle, through the command gate"),
    "export": ("td3_driving.export.to_bundle", "pack a trained policy into a bundle for a vehicle"),
}
"""Name of each command: the module whose ``main(arguments)`` it is, and what it does."""


def usage() -> str:
    """The help text."""
    lines = [f"  {name:<12} {meaning}" for name, (_, meaning) in COMMANDS.items()]
    head, foot = "usage: td3-driving [--version] COMMAND ...", "td3-driving COMMAND --help says more."
    return "\n".join([head, "", *lines, "", foot])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        its exit code; 141 when the reader of its output has gone, as in ``td3-driving settings | head``; 2 when there
        is no such command, or when what it needs is not installed.
    """
    speak_plainly()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["-h"], ["--help"]):
        print(usage())
        return 0
    if given[:1] == ["--version"]:
        print(__version__)
        return 0
    if not given or given[0] not in COMMANDS:
        error = f"error: unknown command {given[0]!r}{did_you_mean(given[0], COMMANDS)}\n\n" if given else ""
        print(f"{error}{usage()}", file=sys.stderr)
        return 2
    note = ensure_home()
    if note:
        print(note, file=sys.stderr)
    try:
        module, _ = COMMANDS[given[0]]
        code = int(import_module(module).main(given[1:]))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What is left to say leads nowhere, for Python says it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except ModuleNotFoundError as error:
        reason = remedy(error.name or "")
        if not reason:
            raise
        print(f"error: td3-driving {given[0]} needs {error.name}, which is not installed: {reason}", file=sys.stderr)
        return 2
    except Exception as error:
        if not blame(error):
            raise
        return refuse(error)


if __name__ == "__main__":
    sys.exit(main())
