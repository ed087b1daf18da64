# SPDX-License-Identifier: Apache-2.0
"""``td3-driving simulator``: the embedded simulator alone, to be driven, checked or looked at, without ``ros2 run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from td3_driving.doctor.command_line import CommandParser
from td3_driving.launching.child import command
from td3_driving.launching.node_table import ProcessSpec
from td3_driving.processes.domain import check_domain, wanted_domain
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.processes.ros_needs import check_ros, log_note, log_variables, spare_log_folder
from td3_driving.runs.profiles import load_profile, override, profile_path
from td3_driving.settings import Settings

VEHICLE = ("simulator.wait_for_control=false", "simulator.real_time_factor=1.0")
"""What lets the simulator stand in for a vehicle: its time goes on by the wall clock, whoever commands it or not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Become the simulator; it ends by a signal.

    Returns:
        2 for bad input; otherwise the process is another program, with the exit code of that.
    """
    asked = _parser().parse_args(arguments)
    try:
        spec = process(asked.profile, [*(VEHICLE if asked.vehicle else ()), *asked.set])
        check_ros(os.environ)
        domain = wanted_domain(os.environ) or 0
        check_domain(domain)
        logs = log_variables(os.environ, spare_log_folder())
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    if logs:
        print(log_note(logs), file=sys.stderr)
    print(f"the simulator runs in ROS domain {domain}; Ctrl-C ends it", flush=True)
    line = command(spec, "")
    os.execve(line[0], line, {**os.environ, **logs})


def process(profile: str, assignments: Sequence[str]) -> ProcessSpec:
    """The process of the simulator with the settings of a profile and the assignments on top of it.

    Raises:
        ValueError: the profile or a setting does not exist, or a value is out of its range.
    """
    base = Settings()
    before = base.flat()
    settings = override(load_profile(profile_path(profile)) if profile else base, assignments)
    changed = {name: value for name, value in settings.flat().items() if value != before[name]}
    return ProcessSpec("simulator", "simulator", parameters=changed)


def _parser() -> CommandParser:
    parser = CommandParser(
        "td3-driving simulator", description="Run the embedded simulator alone, in the ROS domain of the shell."
    )
    add = parser.add_argument
    add("--vehicle", action="store_true", help="in a vehicle's place: in real time, and without waiting for commands")
    add("--profile", default="", help="settings from a profile or a parameter file; without it the defaults")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    return parser
