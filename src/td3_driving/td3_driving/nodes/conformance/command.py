# SPDX-License-Identifier: Apache-2.0
"""``td3-driving conformance``: whether what runs on this ROS graph behaves as the CARLA bridge does."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from td3_driving.conformance.checks import CHECKS, experiments
from td3_driving.conformance.measures import CheckVerdict
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.processes.ros_needs import check_ros, log_variables, spare_log_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe the graph and judge it.

    Returns:
        0: every point is met; 1: not so; 2: nothing to judge.
    """
    asked = _parser().parse_args(arguments)
    try:
        check_ros(os.environ)
        os.environ.update(log_variables(os.environ, spare_log_folder()))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    return _judge(asked)


def _judge(asked: argparse.Namespace) -> int:
    # rclpy ends the process at its import where the middleware is not installed.
    from td3_driving.nodes.conformance.experiments import record
    from td3_driving.nodes.conformance.probe import Probe, rivals

    checks = [check for check in CHECKS if not asked.check or check.number in asked.check]
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
    console = Console(soft_wrap=True, highlight=False)
    for verdict in verdicts:
        bad = [measure for measure in verdict.evidence if not measure.good]
        colour, word = ("green", "ok  ") if verdict.passed else ("bold red", "FAIL")
        measured = (
            f"{len(verdict.evidence)} values" if verdict.passed else f"{len(bad)} of {len(verdict.evidence)} values"
        )
        console.print(f"[{colour}]{word}[/] {verdict.number:2d}  {verdict.title} ({measured})")
        for measure in bad:
            console.print(f"         {measure}", markup=False)
    passed = sum(verdict.passed for verdict in verdicts)
    console.print(f"{passed} of {len(verdicts)} points are as on the CARLA bridge")


def _plain(verdict: CheckVerdict) -> dict[str, object]:
    evidence = [
        {"what": one.what, "value": one.value, "allowed": one.allowed, "good": one.good} for one in verdict.evidence
    ]
    return {"number": verdict.number, "title": verdict.title, "passed": verdict.passed, "evidence": evidence}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "td3-driving conformance",
        description="Check a running simulator or CARLA bridge against the 18 points of the contract. The vehicle is "
        "driven, teleported and crashed; nothing else may command it meanwhile.",
    )
    add = parser.add_argument
    add("--role", default="ego_vehicle", help="role name of the vehicle (%(default)s)")
    add("--check", type=int, action="append", choices=range(1, 19), metavar="1..18", help="only this point; repeatable")
    add("--timeout", type=float, default=30.0, help="wall time to wait for the first frame [s] (%(default)g)")
    add("--json", type=Path, help="write the verdicts with their evidence to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
