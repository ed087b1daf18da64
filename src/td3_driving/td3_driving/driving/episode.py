# SPDX-License-Identifier: Apache-2.0
"""When and why an episode ends, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from td3_driving.driving.reward import RewardTerms
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import EpisodeSettings

GOAL_DISTANCE = 3.0
"""Remaining route length at which the goal counts as reached [m]."""


class ExitReason(IntEnum):
    """Why an episode ended; the numbers are those of ``EpisodeSummary.msg``."""

    GOAL = 0
    COLLISION = 1
    OFF_LANE = 2
    WRONG_WAY = 3
    STANDSTILL = 4
    TIME_LIMIT = 5
    RUN_END = 6
    SIMULATOR_FAULT = 7

    @property
    def terminated(self) -> bool:
        """Whether the episode ended in a state whose value is zero.

        The goal is no such state: the road goes on behind the end of the route. A value of zero there would teach the
        policy that arriving is worth nothing.
        """
        return self in (ExitReason.COLLISION, ExitReason.OFF_LANE, ExitReason.WRONG_WAY)


class EpisodeMonitor:
    """Tells at each step whether the episode ends with it."""

    def __init__(self, settings: EpisodeSettings) -> None:
        self._settings = settings
        self._standing = 0
        self._steps = 0

    def start(self) -> None:
        """Begin an episode."""
        self._standing = 0
        self._steps = 0

    def step(self, vehicle: VehicleState, place: RoutePlace, route: Route, collided: bool) -> ExitReason | None:
        """Count a step; the reason if the episode ends with it. A violation wins over every other reason."""
        self._steps += 1
        self._standing = self._standing + 1 if abs(vehicle.speed) < self._settings.standstill_speed else 0
        if collided:
            return ExitReason.COLLISION
        if abs(place.lateral) > self._settings.off_lane_distance:
            return ExitReason.OFF_LANE
        if abs(place.heading_error) > self._settings.wrong_way_angle:
            return ExitReason.WRONG_WAY
        if place.s >= route.length - GOAL_DISTANCE:
            return ExitReason.GOAL
        if self._standing >= self._settings.standstill_steps:
            return ExitReason.STANDSTILL
        return ExitReason.TIME_LIMIT if self._steps >= self._settings.max_steps else None


@dataclass
class EpisodeRecord:
    """The record of one episode.

    Attributes:
        start_s: place on the route at which the episode began [m].
        term_returns: the undiscounted sum of each term of the reward; no term before the first step.
        speed_sum: for the mean speed [m/s].
        max_lateral: greatest absolute lateral deviation at the end of a step [m].
    """

    episode_id: int
    scenario: int
    seed: int
    route_length: float
    start_s: float
    length: int = 0
    term_returns: RewardTerms = field(default_factory=lambda: RewardTerms((), np.zeros(0)))
    speed_sum: float = 0.0
    collisions: int = 0
    lane_invasions: int = 0
    last_s: float = 0.0
    max_lateral: float = 0.0
    exit_reason: ExitReason | None = None

    def add(self, terms: RewardTerms, vehicle: VehicleState, place: RoutePlace) -> None:
        """Add one step."""
        self.length += 1
        values = self.term_returns.values if self.term_returns.names else np.zeros(len(terms.names))
        self.term_returns = RewardTerms(terms.names, values + terms.values)
        self.speed_sum += vehicle.speed
        self.last_s = place.s
        self.max_lateral = max(self.max_lateral, abs(place.lateral))

    @property
    def episode_return(self) -> float:
        """Undiscounted sum of the rewards."""
        return float(self.term_returns.values.sum())

    @property
    def mean_speed(self) -> float:
        """[m/s]; 0 for an episode without steps."""
        return self.speed_sum / self.length if self.length else 0.0

    @property
    def route_completion(self) -> float:
        """Driven share of the route, 0..1. An episode that reaches the goal has 1."""
        if self.exit_reason is ExitReason.GOAL:
            return 1.0
        rest = self.route_length - self.start_s
        return min(max((self.last_s - self.start_s) / rest, 0.0), 1.0) if self.length and rest > 0 else 0.0
