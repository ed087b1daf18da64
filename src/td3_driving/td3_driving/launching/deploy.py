# SPDX-License-Identifier: Apache-2.0
"""``td3-driving deploy``: policy and gate as one foreground process, for services and without ``launch``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from td3_driving.doctor.command_line import CommandParser
from td3_driving.launching.child import command
from td3_driving.launching.deployment import INTERFACES, ROLES, SENSOR_QOS, DeployOptions, deployment
from td3_driving.launching.supervisor import Supervisor
from td3_driving.launching.vehicle_inputs import require_sound
from td3_driving.processes.exit_codes import BAD_INPUT, INTERRUPTED
from td3_driving.processes.ros_needs import check_ros, log_note, log_variables, spare_log_folder
from td3_driving.runs.refusals import in_words


class Log:
    """Prints each line with the name of its process; a journal adds the time."""

    def line(self, source: str, text: str) -> None:
        """One line of ``source``."""
        print(f"{source}: {text}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive until a signal stops it.

    Returns:
        0: stopped by SIGINT or SIGTERM, after the stop command; 1: a process failed; 2: bad input.
    """
    try:
        options = _options(_parser().parse_args(arguments))
        room = require_sound(options, os.environ)
        check_ros(os.environ)
        logs = log_variables(os.environ, spare_log_folder())
    except (ValueError, OSError) as error:
        print(f"error: {_as_typed(in_words(error))}", file=sys.stderr)
        return BAD_INPUT
    if logs:
        print(log_note(logs), file=sys.stderr)
    environment = {**os.environ, **logs, **room, "PYTHONUNBUFFERED": "1"}
    supervisor = Supervisor(deployment(options), lambda spec: command(spec, options.params_file), Log(), environment)
    end = supervisor.run()
    if end.code and end.code != INTERRUPTED:
        print(f"error: {end.reason}", file=sys.stderr)
    return 0 if end.code == INTERRUPTED else end.code


def _as_typed(text: str) -> str:
    """Settings of the drive node that are options here, under the options' names."""
    for name in ("threads", "sync_tolerance"):
        text = text.replace(f"drive.{name}", f"--{name.replace('_', '-')}")
    return text


def _options(asked: argparse.Namespace) -> DeployOptions:
    return DeployOptions(
        bundle=asked.bundle.absolute(),
        interface=asked.interface,
        shadow=asked.shadow,
        namespace=asked.namespace,
        public_key=asked.public_key,
        params_file=asked.params_file,
        threads=asked.threads,
        sensor_qos=asked.sensor_qos,
        sync_tolerance=asked.sync_tolerance,
        use_sim_time=asked.use_sim_time,
        view=asked.view,
        topics={role: getattr(asked, f"{role}_topic") for role in ROLES},
    )


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving deploy", description="Drive a vehicle by a bundle, through the gate.")
    add = parser.add_argument
    add("bundle", type=Path, help="the policy, from td3-driving export")
    add("--interface", choices=INTERFACES, default="carla", help="kind of vehicle that the gate commands (%(default)s)")
    add("--shadow", action="store_true", help="command nothing; publish what it would do")
    add("--public-key", default="", metavar="PEM", help="take only a bundle that is signed for this Ed25519 key")
    add("--params-file", default="", metavar="YAML", help="parameters with sections gate: and drive:")
    add("--namespace", default="", help="ROS namespace of both nodes")
    add("--threads", type=int, default=1, help="CPU threads of the network (%(default)s)")
    add("--sensor-qos", choices=SENSOR_QOS, default="best_effort", help="asked of camera and odometry (%(default)s)")
    tolerance = "seconds between an image and its odometry (0: they share their stamps)"
    add("--sync-tolerance", type=float, default=0.0, metavar="S", help=tolerance)
    add("--use-sim-time", action="store_true", help="take the time from /clock")
    add("--view", action="store_true", help="show the drive on a live page in the browser")
    for role in ROLES:
        add(f"--{role}-topic", default="", metavar="NAME", help=f"topic of the {role}, where it is not the usual one")
    return parser
