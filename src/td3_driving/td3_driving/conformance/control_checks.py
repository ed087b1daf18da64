# SPDX-License-Identifier: Apache-2.0
"""Checks of commands, teleports, pause, lockstep, pace and of clients as they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from td3_driving.conformance.frame_checks import ODOMETRY, STATUS
from td3_driving.conformance.measures import Measures
from td3_driving.conformance.recording import Recording, Stretch
from td3_driving.driving.decoding import vehicle_state
from td3_driving.driving.vehicle_state import VehicleState, wrap_angle

FIELDS = ("throttle", "brake", "steer", "hand_brake", "reverse", "gear", "manual_gear_shift")
TIMEOUT = 1.0
"""Wall time that the bridge waits for a command [s]; a constant in its source."""


def _states(stretch: Stretch, phase: str = "") -> list[VehicleState]:
    """States of the stretch, or of the frames that answered the commands of one phase of it."""
    states = [vehicle_state(heard.message) for heard in stretch.of(ODOMETRY)]
    first, last = stretch.facts.get(f"phase {phase}", (0, math.inf)) if phase else (0, math.inf)
    return [state for state in states if first <= state.stamp_ns <= last]


def _gain(states: list[VehicleState]) -> float | None:
    return states[-1].speed - states[0].speed if len(states) > 1 else None


def commands(recording: Recording, found: Measures) -> None:
    """Throttle, brake, steering (right positive), hand brake, reverse; the last command holds; the header does not
    count; override.
    """
    drive, hold, override = recording["drive"], recording["hold"], recording["override"]
    found.at_least("speed gained by throttle", _gain(_states(drive, "throttle")), 0.5, "m/s")
    turn = _states(drive, "steer right")
    change = sum(wrap_angle(two.yaw - one.yaw) for one, two in zip(turn, turn[1:]))
    found.within("heading's change while steered right", change, -math.pi, -0.02, "rad")
    for phase in ("brake", "hand brake"):
        loss = _gain(_states(drive, phase))
        found.within(f"speed gained under {phase}", loss, -math.inf, -0.3, "m/s")
    backwards = min((state.speed for state in _states(drive, "reverse")), default=None)
    found.within("least forward speed in reverse", backwards, -math.inf, -0.1, "m/s")
    found.at_least("speed gained while nobody commands after throttle", _gain(_states(hold)), 0.05, "m/s")
    kept = {round(heard.message.control.throttle, 3) for heard in hold.of(STATUS)[1:]}
    found.equal("throttle in force while nobody commands, sent with a header of another time", kept, {0.6})
    steers = [round(heard.message.control.steer, 3) for heard in override.of(STATUS)]
    found.true("normal command under override", 0.25 not in steers, str(sorted(set(steers))), "without 0.25")
    found.true("manual command under override", -0.125 in steers, str(sorted(set(steers))), "with -0.125")


def echo(recording: Recording, found: Measures) -> None:
    """The command in force, one tick later, with an empty header."""
    stretch = recording["drive"]
    frames = stretch.frames()
    after = dict(zip(frames, frames[1:]))
    statuses = stretch.by_stamp(STATUS)
    pairs = []
    for sent in stretch.sent:
        status = statuses.get(after.get(sent.answers, -1))
        if status is not None:
            pairs.append((sent.command, status.message.control))
    found.at_least("commands whose next status came", len(pairs), 10)
    different = [pair for pair in pairs if not _same(*pair)]
    example = "none" if not different else f"{_text(different[0][0])} came back as {_text(different[0][1])}"
    found.true("commands not echoed one tick later", not different, f"{len(different)}, {example}", "0")
    headers = {(echoed.header.frame_id, echoed.header.stamp.sec, echoed.header.stamp.nanosec) for _, echoed in pairs}
    found.equal("header of the echo", headers, {("", 0, 0)})


def _same(one: Any, two: Any) -> bool:
    return all(abs(float(getattr(one, name)) - float(getattr(two, name))) < 1e-4 for name in FIELDS[:5])


def _text(command: Any) -> str:
    return ", ".join(f"{name} {getattr(command, name):g}" for name in FIELDS[:3])


def teleport(recording: Recording, found: Measures) -> None:
    """A teleport keeps the speed; a target velocity is taken."""
    facts = recording["teleport"].facts
    found.within("speed after set_target_velocity of 6 m/s", facts.get("speed"), 5.0, 7.0, "m/s")
    found.within("distance from the pose of set_transform", facts.get("miss"), 0.0, 1.5, "m")
    found.within("speed kept across set_transform", facts.get("kept"), 4.5, 7.0, "m/s")


def pausing(recording: Recording, found: Measures) -> None:
    """Pause stops frames and clock; a step is one frame; play goes on; the status says so."""
    facts = recording["pause"].facts
    found.equal("status says paused", facts.get("paused"), True)
    found.equal("frames while paused", facts.get("frames while paused"), 0)
    found.equal("clock messages while paused", facts.get("clocks while paused"), 0)
    found.equal("frames after one step", facts.get("frames after a step"), 1)
    found.equal("status says paused after the step", facts.get("paused again"), True)
    found.equal("frames come after play", facts.get("frames after play"), True)


def lockstep(recording: Recording, found: Measures) -> None:
    """A frame waits one second for its command."""
    stretch = recording["hold"]
    gaps = np.diff([heard.wall for heard in stretch.of(ODOMETRY)])
    found.at_least("frames without a command", len(gaps), 2)
    found.within("least wait without a command", min(gaps.tolist(), default=None), TIMEOUT - 0.15, TIMEOUT + 1.5, "s")
    answered = recording["drive"].facts.get("answer times", [])
    typical = float(np.median(answered)) if len(answered) else None
    found.within("time from a command to the next frame, median", typical, 0.0, 0.8 * TIMEOUT, "s")


def pace(recording: Recording, found: Measures) -> None:
    """The status tells frame number and step; no wall clock sets the pace."""
    stretch = recording["drive"]
    statuses = [heard.message for heard in stretch.of("carla/status") if heard.message.synchronous_mode_running]
    numbers = [status.frame for status in statuses]
    found.at_least("statuses", len(numbers), 10)
    steps = np.diff(np.array(numbers, dtype=np.int64))
    found.equal("steps of the frame number", set(steps.tolist()), {1})
    stamps = np.diff(stretch.frames()) * 1e-9
    delta = float(np.median(stamps)) if len(stamps) else None
    told = statuses[-1].fixed_delta_seconds
    found.within("fixed_delta_seconds", told, 0.001, 1.0, "s")
    found.within("step of the stamps less that", None if delta is None else delta - told, -1e-3, 1e-3, "s")
    found.equal("synchronous mode", {status.synchronous_mode for status in statuses}, {True})
    answered = stretch.facts.get("answer times", [])
    paced = float(np.mean(np.abs(np.array(answered) - told) < 0.04 * told)) if len(answered) else None
    found.within("share of the frames that came at the pace of the wall clock", paced, 0.0, 0.8)


def clients(recording: Recording, found: Measures) -> None:
    """Several commands in a frame, none at all, best-effort readers, late readers."""
    facts = recording["tolerate"].facts
    found.equal("last of three commands in one frame is in force", facts.get("last command wins"), True)
    found.equal("frames still follow commands afterwards", facts.get("goes on"), True)
    found.at_least("frames at a best-effort reader", facts.get("best effort"), 1)
    found.equal("vehicle_info at a late reader", facts.get("late vehicle_info"), 1)
    found.at_least("odometry at a late reader", facts.get("late odometry"), 1)
    found.at_least("frames without any command", len(recording["hold"].frames()), 2)
