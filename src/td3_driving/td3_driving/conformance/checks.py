# SPDX-License-Identifier: Apache-2.0
"""The checks that compare a simulator with the CARLA ROS bridge."""

from __future__ import annotations

from collections.abc import Iterable

from td3_driving.conformance import control_checks as control
from td3_driving.conformance import frame_checks as frame
from td3_driving.conformance import world_checks as world
from td3_driving.conformance.measures import Check

EXPERIMENTS = ("join", "reset", "drive", "hold", "override", "tolerate", "pause", "teleport", "spawn")
"""In the order in which they are made."""

CHECKS: dict[str, Check] = {
    check.id: check
    for check in (
        Check("interfaces", "names, types and quality of service", (), frame.names),
        Check("coordinate-frames", "coordinate frames and transforms", ("drive",), frame.coordinate_frames),
        Check("stamps", "one stamp per frame, strictly increasing", ("reset", "drive"), frame.stamps),
        Check("frame-order", "order of a frame", ("drive",), frame.order),
        Check("camera", "image and camera info", ("drive",), frame.camera),
        Check("motion", "odometry and vehicle status", ("drive",), frame.motion),
        Check("commands", "meaning of commands", ("drive", "hold", "override"), control.commands),
        Check("command-echo", "echo of the command", ("drive",), control.echo),
        Check("events", "collision and lane events", ("drive", "spawn"), world.events),
        Check("teleport", "teleport and target velocity", ("teleport",), control.teleport),
        Check("pause", "pause, step, play", ("pause",), control.pausing),
        Check("command-wait", "wait for the command", ("drive", "hold"), control.lockstep),
        Check("pace", "frame number, step and pace", ("drive",), control.pace),
        Check("vehicle-and-map", "vehicle info and world info", ("join",), world.vehicle_and_map),
        Check("object-lists", "object lists and actor list", ("drive",), world.objects),
        Check("spawning", "spawning and removing", ("spawn",), world.spawning),
        Check("route", "route", ("join", "drive", "teleport"), world.route),
        Check("clients", "clients as they are", ("hold", "tolerate"), control.clients),
    )
}
"""By name, in the order in which they are reported. What a check looks at is the docstring of its function."""


def experiments(checks: Iterable[Check]) -> list[str]:
    """Experiments that ``checks`` need, in the order in which they are to be made."""
    needed = {name for check in checks for name in check.needs}
    return [name for name in EXPERIMENTS if name in needed]
