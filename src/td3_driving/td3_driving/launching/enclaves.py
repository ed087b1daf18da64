# SPDX-License-Identifier: Apache-2.0
"""``td3-driving enclaves``: a keystore of SROS 2 for the nodes of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from td3_driving.doctor.command_line import CommandParser
from td3_driving.driving import topics
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.trust.keystore import Rights, make_keystore

ROOT = "/td3_driving"
WHOLE = f"{ROOT}/run"
"""The enclave of all nodes of a run together."""
PUBLISHES: dict[str, tuple[str, ...]] = {
    "policy": (
        *(topics.REPLAY, topics.REWARD, topics.EPISODE, topics.EPISODE_START, topics.EVALUATION, topics.REFUSALS),
        *(topics.COMMAND, "diagnostics"),
    ),
    "learner": (topics.POLICY_WEIGHTS, topics.FROZEN_WEIGHTS, topics.LEARNER_STATUS),
    "diagnostics": (topics.GUARD, topics.MARKERS, topics.REFUSALS, "diagnostics"),
    "registrar": (topics.RUN_OFFER,),
    "joiner": (topics.RUN_QUESTION,),
    "simulator": ("carla/*", "clock", "tf", topics.FRAME),
    "recorder": (),
}
"""Node -> topics that it may publish; ``*`` stands for any letters."""
SERVES: dict[str, tuple[str, ...]] = {
    "simulator": (topics.RESET_EPISODE, "carla/*"),
    "diagnostics": (topics.RESET_ALARMS,),
}
CALLS: dict[str, tuple[str, ...]] = {"policy": (topics.RESET_EPISODE,)}
"""Node -> services that it serves, and that it calls."""
ACTORS = ("", "actor_*/")
"""Namespaces of the nodes of one actor or of several."""
EVERY = ("ros_discovery_info", "rt/rosout", "rt/parameter_events")
"""What every ROS 2 node publishes."""


def rights(node: str) -> Rights:
    """What ``node`` may publish, answer and ask, in any namespace of an actor; it may hear everything of the run."""
    served = (*SERVES.get(node, ()), f"{node}/*")
    names = [
        *(f"rt/{space}{topic}" for space in ACTORS for topic in PUBLISHES[node]),
        *(f"rr/{space}{service}Reply" for space in ACTORS for service in served),
        *(f"rq/{space}{service}Request" for space in ACTORS for service in CALLS.get(node, ())),
    ]
    return Rights((*EVERY, *names))


def enclaves() -> dict[str, Rights]:
    """Name -> rights of the enclave of each node, and of the one for all of them."""
    single = {f"{ROOT}/{node}": rights(node) for node in PUBLISHES}
    together = dict.fromkeys(topic for one in single.values() for topic in one.publish)
    return {**single, WHOLE: Rights(tuple(together))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the keystore, and say how a run uses it; the exit code."""
    parser = _parser()
    folder = Path(parser.parse_args(arguments).folder)
    try:
        make_keystore(folder, enclaves(), datetime.now(timezone.utc))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(
        f"{folder}: {len(enclaves())} enclaves. A run uses them with\n"
        f"  export ROS_SECURITY_KEYSTORE={folder.resolve()} ROS_SECURITY_ENABLE=true\n"
        f"  export ROS_SECURITY_STRATEGY=Enforce ROS_SECURITY_ENCLAVE_OVERRIDE={WHOLE}\n"
        "where Fast DDS has its security plug-ins, as in the distributions of ROS 2; the wheels have none.\n"
        f"{folder / 'private'} can make further enclaves: keep it apart from the machines that drive."
    )
    return 0


def _parser() -> CommandParser:
    """The arguments of the command."""
    parser = CommandParser(
        prog="td3-driving enclaves", description="Makes keys and permissions of SROS 2 for the nodes of a run."
    )
    parser.add_argument("folder", help="of the keystore; it must be new or empty")
    return parser
