# SPDX-License-Identifier: Apache-2.0
"""Counts the infractions of an episode as the criteria of the CARLA leaderboard 2.1 do.

Sources: branch ``leaderboard-2.1`` of carla-simulator/leaderboard (``statistics_manager.py``, ``route_scenario.py``)
and of carla-simulator/scenario_runner (``atomic_criteria.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLLISION_RADIUS = 5.0
"""Contacts nearer than this to the last counted one are the same collision [m]."""
SAME_ACTOR = 5.0
"""Contacts with the same actor within this time are the same collision [s]."""
AT_REST = 0.1
"""A vehicle slower than this is not at fault [m/s]."""
ALLOWED_OUTSIDE = 0.5
"""How far the origin may be beyond the edge of the lane [m]."""
WRONG_DIRECTION = math.radians(120.0)
"""Heading error from which on the vehicle drives in a wrong direction [rad]."""
CHECKPOINTS = 4
"""Parts of the route over which the speed is compared with the traffic's."""
LAST_PART = 0.95
"""Share of the route from which on the last part counts at the end of the episode."""


class CollisionCounter:
    """Turns contacts, one list per frame, into collisions."""

    def __init__(self) -> None:
        self.count = 0
        self._actor: int | None = None
        self._time = -math.inf
        self._place: tuple[float, float] | None = None

    def step(self, time: float, place: tuple[float, float], speed: float, actors: Sequence[int]) -> int:
        """Take one frame and return the number of new collisions.

        Args:
            time: simulated [s].
            place: x and y of the vehicle [m].
            speed: before the contact [m/s].
            actors: ids of the vehicles touched during the frame.
        """
        before = self.count
        if self._place is not None and math.dist(place, self._place) > COLLISION_RADIUS:
            self._place = None
        if time - self._time > SAME_ACTOR:
            self._actor = None
        for actor in actors:
            if actor != self._actor and self._place is None and abs(speed) >= AT_REST:
                self.count, self._actor, self._time, self._place = self.count + 1, actor, time, place
        return self.count - before


@dataclass(frozen=True, slots=True)
class Outside:
    """Route length driven outside the route's lane, and all that was driven [m]."""

    length: float
    driven: float

    @property
    def share(self) -> float:
        """Share of the driven length, 0 .. 1."""
        return self.length / self.driven if self.driven > 0.0 else 0.0


def outside_lane(
    s: NDArray[np.float64],
    lateral: NDArray[np.float64],
    heading_error: NDArray[np.float64],
    half_width: NDArray[np.float64],
) -> Outside:
    """How much of the route was driven off its lane or against its direction.

    Args:
        s, lateral, heading_error: (N,) place on the route per frame [m], [m], [rad].
        half_width: (N,) half the width of the lane there [m].
    """
    outside = (np.abs(lateral) > half_width + ALLOWED_OUTSIDE) | (np.abs(heading_error) > WRONG_DIRECTION)
    gained = np.diff(np.maximum.accumulate(s))
    return Outside(float(gained[outside[1:]].sum()), float(gained.sum()))


def speed_ratios(
    s: NDArray[np.float64], route_length: float, speed: NDArray[np.float64], traffic_speed: NDArray[np.float64]
) -> list[float]:
    """Own mean speed over the surrounding traffic's, for every quarter of the route that was driven.

    Args:
        s: (N,) place on the route [m]; ``route_length`` [m].
        speed, traffic_speed: (N,) own, and mean of all other vehicles [m/s]; not a number where there is no traffic.

    Returns:
        One ratio per part, 1 where the traffic stood or there was none.
    """
    ratios, start, reached = [], 0, float(s[0])
    for index in range(len(s)):
        if s[index] - reached > route_length / CHECKPOINTS:
            ratios.append(_ratio(speed[start:index], traffic_speed[start:index]))
            start, reached = index, float(s[index])
    if s[-1] > LAST_PART * route_length:
        ratios.append(_ratio(speed[start:], traffic_speed[start:]))
    return ratios


def _ratio(own: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    known = np.isfinite(others)
    mean = float(others[known].mean()) if known.any() else 0.0
    return float(own[known].mean()) / mean if mean > 0.0 else 1.0
