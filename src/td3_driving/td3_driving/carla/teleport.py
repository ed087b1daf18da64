# SPDX-License-Identifier: Apache-2.0
"""Moving the ego vehicle to the start of an episode through the topics of the bridge.

The bridge acknowledges nothing, a teleport keeps the velocity, and CARLA keeps the last command for ever. So the ego is
braked before and after, and watched until it stands. Every frame is answered, or the bridge would wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from td3_driving.carla.errors import ServerLost
from td3_driving.carla.sightings import Sightings
from td3_driving.driving.vehicle_state import VehicleState

CLEARANCE = 0.1
"""Height above the road at which the ego appears [m]: below it would fall through, much above it would bounce."""
NEAR = 1.0
"""Distance from the start within which the ego counts as there [m]."""
SLOW = 0.2
"""Speed below which it counts as standing [m/s]."""
QUIET = 0.3
"""Wall time without a frame after which the bridge waits for a command [s]; it waits for one second."""
MOST_UNREST = 1.0
"""Wall time after which the reset begins although frames keep coming [s]: the bridge does not wait for commands."""
MOST_FRAMES = 200
"""Frames after which the reset has failed: 10 s at 0.05 s."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A pose of the ego: position [m] and heading [rad] in the map frame."""

    x: float
    y: float
    z: float
    yaw: float


class Ego(Protocol):
    """The ego vehicle through the bridge's topics. No method waits for an effect."""

    def brake(self) -> None:
        """Answer the frame with full brakes."""

    def stop_motion(self) -> None:
        """Ask for zero velocity."""

    def teleport(self, pose: Pose) -> None:
        """Ask for a pose; the velocity is kept."""

    def join_traffic_manager(self) -> None:
        """Make the bridge's process the host of CARLA's traffic manager; see :mod:`td3_driving.carla.traffic`."""

    def missing(self) -> list[str]:
        """Return the ego's topics without a publisher."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one reset.

    Attributes:
        discard: least number of frames at rest.
        silence: wall time without a frame that is too long [s].
        patience: wall time of the whole [s]. A bridge without the ego's commands makes a frame a second.
    """

    discard: int
    silence: float
    patience: float


def teleport(ego: Ego, sightings: Sightings, start: Pose, limits: Limits, frame_ns: int) -> int:
    """Put the ego at rest at ``start``.

    Args:
        frame_ns: simulated time between two frames [ns].

    Returns:
        The earliest stamp of the new episode [ns]: half a frame after the last one that was braked.

    Raises:
        ServerLost: frames stopped coming, or the ego does not come to rest there.
    """
    _until_bridge_waits(sightings)
    seen = sightings.states
    ego.brake()
    ego.stop_motion()
    ego.teleport(start)
    ego.stop_motion()
    frames = settled = 0
    deadline = sightings.now() + limits.patience
    while frames < MOST_FRAMES and sightings.now() < deadline:
        state = _next_state(sightings, seen, limits.silence)
        frames += 1
        seen = sightings.states
        arrived = math.hypot(state.x - start.x, state.y - start.y) < NEAR
        still = math.hypot(state.speed, state.lateral_speed) < SLOW
        settled = settled + 1 if arrived and still else 0
        if not arrived:
            ego.teleport(start)
        if not settled:
            ego.stop_motion()
        ego.brake()
        if settled >= limits.discard:
            return state.stamp_ns + frame_ns // 2
    took = f"{frames} frames and {sightings.now() - deadline + limits.patience:.0f} s"
    raise ServerLost(f"the ego vehicle did not come to rest at ({start.x:.1f}, {start.y:.1f}) in {took}")


def _until_bridge_waits(sightings: Sightings) -> None:
    """Wait until the bridge has used up the commands in transit.

    A command that came too late for its frame answers the next one; from then on the bridge is a frame ahead of
    the answers for good, unless a frame goes unanswered.
    """
    deadline = sightings.now() + MOST_UNREST
    seen = -1
    while seen < sightings.states and sightings.now() < deadline:
        seen = sightings.states
        sightings.wait(partial(_newer, sightings, seen), QUIET)


def _newer(sightings: Sightings, seen: int) -> bool:
    return sightings.states > seen


def _next_state(sightings: Sightings, seen: int, timeout: float) -> VehicleState:
    if not sightings.wait(partial(_newer, sightings, seen), timeout) or sightings.state is None:
        raise ServerLost(f"no frame within {timeout:g} s in the middle of a reset")
    return sightings.state
