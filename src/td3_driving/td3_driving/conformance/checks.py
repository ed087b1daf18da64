# SPDX-License-Identifier: Apache-2.0
"""The 18 points that compare a simulator with the CARLA ROS bridge."""

from __future__ import annotations

from collections.abc import Iterable

from td3_driving.conformance import control_checks as control
from td3_driving.conformance import frame_checks as frame
from td3_driving.conformance import world_checks as world
from td3_driving.conformance.measures import Check

EXPERIMENTS = ("join", "reset", "drive", "hold", "override", "tolerate", "pause", "teleport", "spawn")
"""In the order in which they are made."""

CHECKS = (
    Check(1, "names, types and quality of service", (), frame.names),
    Check(2, "coordinate frames and transforms", ("drive",), frame.coordinate_frames),
    Check(3, "one stamp per frame, strictly increasing", ("reset", "drive"), frame.stamps),
    Check(4, "order of a frame", ("drive",), frame.order),
    Check(5, "image and camera info", ("drive",), frame.camera),
    Check(6, "odometry and vehicle status", ("drive",), frame.motion),
    Check(7, "meaning of commands", ("drive", "hold", "override"), control.commands),
    Check(8, "echo of the command", ("drive",), control.echo),
    Check(9, "collision and lane events", ("drive", "spawn"), world.events),
    Check(10, "teleport and target velocity", ("teleport",), control.teleport),
    Check(11, "pause, step, play", ("pause",), control.pausing),
    Check(12, "wait for the command", ("drive", "hold"), control.lockstep),
    Check(13, "frame number, step and pace", ("drive",), control.pace),
    Check(14, "vehicle info and world info", ("join",), world.vehicle_and_map),
    Check(15, "object lists and actor list", ("drive",), world.objects),
    Check(16, "spawning and removing", ("spawn",), world.spawning),
    Check(17, "route", ("join", "drive", "teleport"), world.route),
    Check(18, "clients as they are", ("hold", "tolerate"), control.clients),
)


def experiments(checks: Iterable[Check]) -> list[str]:
    """Experiments that ``checks`` need, in the order in which they are to be made."""
    needed = {name for check in checks for name in check.needs}
    return [name for name in EXPERIMENTS if name in needed]
