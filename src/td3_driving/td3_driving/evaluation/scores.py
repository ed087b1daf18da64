# SPDX-License-Identifier: Apache-2.0
"""Driving score, route completion and infraction penalty of the CARLA leaderboard, version 2.1.

Scores of versions 1.0 and 2.0, which multiply one factor per infraction, are not comparable with these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

VERSION = "CARLA leaderboard 2.1"
COEFFICIENTS = {
    "collisions_pedestrian": 1.0,
    "collisions_vehicle": 0.7,
    "collisions_layout": 0.6,
    "red_light": 0.4,
    "stop_infraction": 0.25,
    "scenario_timeouts": 0.4,
    "yield_emergency_vehicle_infractions": 0.4,
}
"""Weight of one infraction in the sum under the fraction (``statistics_manager.py``, branch ``leaderboard-2.1``)."""
MIN_SPEED = 0.4
"""Weight of driving slower than the traffic, times the share that is missing."""
IMPOSSIBLE = (
    "collisions_pedestrian",
    "collisions_layout",
    "red_light",
    "stop_infraction",
    "scenario_timeouts",
    "yield_emergency_vehicle_infractions",
)
"""Infractions that cannot happen on the embedded simulator: it has no pedestrians, no obstacles beside the road that
one could hit, no lights, no stop signs, no scripted scenarios and no emergency vehicles."""


@dataclass(frozen=True, slots=True)
class Infractions:
    """The infractions of one route.

    Attributes:
        counts: number of infractions by the names of :data:`COEFFICIENTS`; what is absent did not happen.
        outside_share: share of the driven route outside its lane, 0 .. 1; outside_length in [m].
        speed_ratios: own over surrounding speed per part of the route.
        ended_by: ``route_dev``, ``vehicle_blocked`` or ``route_timeout`` when that ended the route, else "".
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    outside_share: float = 0.0
    outside_length: float = 0.0
    speed_ratios: Sequence[float] = ()
    ended_by: str = ""

    @property
    def slow_parts(self) -> list[float]:
        """The speed ratios below 1, each an infraction against the minimum speed."""
        return [ratio for ratio in self.speed_ratios if round(ratio, 4) < 1.0]

    @property
    def clean(self) -> bool:
        """No infraction but one against the minimum speed, which Bench2Drive leaves out of success, too."""
        return not any(self.counts.values()) and self.outside_length == 0.0 and not self.ended_by


def penalty(infractions: Infractions) -> float:
    """Factor in [0, 1]: what was driven outside the lane is taken off, then 1 / (1 + weighted infractions).

    Raises:
        ValueError: an infraction has a name that is not in :data:`COEFFICIENTS`, or a share is outside 0 .. 1.
    """
    unknown = set(infractions.counts) - set(COEFFICIENTS)
    if unknown or not 0.0 <= infractions.outside_share <= 1.0:
        raise ValueError(f"infractions {sorted(unknown)} unknown, or share {infractions.outside_share} not in 0 .. 1")
    weighted = sum(COEFFICIENTS[name] * count for name, count in infractions.counts.items())
    weighted += sum(MIN_SPEED * (1.0 - ratio) for ratio in infractions.slow_parts)
    return (1.0 - infractions.outside_share) / (1.0 + weighted)


def driving_score(route_completion: float, factor: float) -> float:
    """Driving score [%] from the completed share of the route and the infraction penalty, both 0 .. 1."""
    return 100.0 * max(route_completion * factor, 0.0)
