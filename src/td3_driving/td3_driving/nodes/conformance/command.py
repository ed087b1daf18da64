# SPDX-License-Identifier: Apache-2.0
"""``td3-driving conformance``: whether what runs on this ROS graph behaves as the CARLA bridge does."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from td3_driving.conformance.checks import CHECKS, experiments
from td3_driving.conformance.measures import CheckVerdict
from td3_driving.doctor.command_line import CommandParser
from td3_driving.doctor.plain_console import PlainConsole
from td3_driving.processes.domain import Domain, DomainTaken, claim_domain, wanted_domain
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.processes.ros_needs import check_ros, log_variables, spare_log_folder
from td3_driving.runs.disk import require_places
from td3_driving.runs.refusals import refuse


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe the graph and judge it.

    Returns:
        0: every check passed; 1: not so; 2: nothing to judge.
    """
    asked = _parser().parse_args(arguments)
    try:
        require_places(asked.json)
        check_ros(os.environ)
        os.environ.update(log_variables(os.environ, spare_log_folder()))
        domain = _domain()
    except (ValueError, OSError) as error:
        return refuse(error)
    with domain:
        return _judge(asked)


def _domain() -> Domain:
    """Hold the ROS domain, so that no run is in it and none begins: one that starts has no node yet to be asked.

    Raises:
        DomainTaken: a run on this machine holds it.
    """
    number = wanted_domain(os.environ) or 0
    try:
        return claim_domain(number)
    except DomainTaken as error:
        raise DomainTaken(
            f"a run on this machine has ROS domain {number}, and its vehicle would be driven; end the run, or choose"
            " the domain of another simulator with ROS_DOMAIN_ID"
        ) from error


def _judge(asked: argparse.Namespace) -> int:
    # rclpy ends the process at its import where the middleware is not installed.
    from td3_driving.nodes.conformance.experiments import record
    from td3_driving.nodes.conformance.probe import Probe, rivals

    checks = [check for name, check in CHECKS.items() if not asked.check or name in asked.check]
    others = rivals(asked.role, asked.timeout)
    if others:
        print(
            f"error: {' and '.join(others)} commands the vehicle on /carla/{asked.role}/vehicle_control_cmd; end it, or"
            " choose the ROS domain of another simulator with ROS_DOMAIN_ID",
            file=sys.stderr,
        )
        return BAD_INPUT
    probe = Probe(asked.role)
    try:
        recording = record(probe, experiments(checks), asked.timeout)
    finally:
        probe.close()
    if recording is None:
        print(
            f"error: no frames on /carla/{asked.role} within {asked.timeout:g} s; is a simulator running in this"
            " ROS domain, and nothing else driving it?",
            file=sys.stderr,
        )
        return BAD_INPUT
    verdicts = [check.verdict(recording) for check in checks]
    _show(verdicts)
    if asked.json is not None:
        asked.json.write_text(json.dumps([_plain(verdict) for verdict in verdicts], indent=2) + "\n", encoding="utf-8")
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _show(verdicts: list[CheckVerdict]) -> None:
    console = PlainConsole(soft_wrap=True, highlight=False)
    for verdict in verdicts:
        bad = [measure for measure in verdict.evidence if not measure.good]
        colour, word = ("green", "ok  ") if verdict.passed else ("bold red", "FAIL")
        measured = (
            f"{len(verdict.evidence)} values" if verdict.passed else f"{len(bad)} of {len(verdict.evidence)} values"
        )
        console.print(f"[{colour}]{word}[/] {verdict.id}: {verdict.title} ({measured})")
        for measure in bad:
            console.print(f"     {measure}", markup=False)
    passed = sum(verdict.passed for verdict in verdicts)
    console.print(f"{passed} of {len(verdicts)} checks found what the CARLA bridge does")


def _plain(verdict: CheckVerdict) -> dict[str, object]:
    evidence = [
        {"what": one.what, "value": one.value, "allowed": one.allowed, "good": one.good} for one in verdict.evidence
    ]
    return {"check": verdict.id, "title": verdict.title, "passed": verdict.passed, "evidence": evidence}


def _parser() -> CommandParser:
    parser = CommandParser(
        "td3-driving conformance",
        description="Check a running simulator or CARLA bridge against the contract of the bridge. The vehicle is "
        "driven, teleported and crashed; nothing else may command it meanwhile.",
    )
    add = parser.add_argument
    add("--role", default="ego_vehicle", help="role name of the vehicle (%(default)s)")
    add(
        "--check",
        action="append",
        choices=CHECKS,
        metavar="NAME",
        help=f"only this one; repeatable: {', '.join(CHECKS)}",
    )
    add("--timeout", type=float, default=30.0, help="wall time to wait for the first frame [s] (%(default)g)")
    add("--json", type=Path, help="write the verdicts with their evidence to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
