# SPDX-License-Identifier: Apache-2.0
"""What a vehicle without exact localisation knows of its route: sparse waypoints and the next manoeuvre.

The waypoints are fixed on the route, ``waypoint_spacing`` apart. The vehicle knows its position as a GNSS receiver
tells it (:class:`LocalisationError`), so they do not tell where it is in its lane. This is the navigation input of the
sensor track of the CARLA leaderboard 2.1: a sparse plan in GNSS coordinates.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.route import Route, side_by_side
from td3_driving.driving.seeding import localisation_generator
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import LocalisationSettings, ObservationSettings

TURN_ANGLE = math.radians(40.0)
"""A change of heading by this much within :data:`TURN_LENGTH` is a manoeuvre [rad]; bends of a road are wider."""
TURN_LENGTH = 12.0
"""[m]"""
HORIZON = 50.0
"""A manoeuvre is announced from this distance on [m]. Without one the distance is this."""
STEP = 1.0
"""Distance between two points at which the route's heading is taken [m]."""
DENSE = 2.0
"""Points that are no farther apart need no curve between them [m]."""


class Manoeuvre(enum.Enum):
    """What to do at the next junction."""

    FOLLOW = "follow"
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Navigation:
    """What is known of the route at one instant.

    Attributes:
        waypoints: (count, 2) the next waypoints in vehicle axes (x forward, y left) [m].
        manoeuvre: the next one within :data:`HORIZON`.
        manoeuvre_distance: to its begin, 0 within it, :data:`HORIZON` where there is none [m].
    """

    waypoints: NDArray[np.float64]
    manoeuvre: Manoeuvre
    manoeuvre_distance: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the route from ``begin`` to ``end`` [m] along it."""

    begin: float
    end: float
    manoeuvre: Manoeuvre


def find_turns(route: Route) -> tuple[Turn, ...]:
    """The turns of a route, in order: where its heading changes by :data:`TURN_ANGLE` within :data:`TURN_LENGTH`."""
    s = np.arange(0.0, route.length, STEP)
    ahead = np.diff(route.at(np.concatenate((s, [s[-1] + STEP]))), axis=0)
    heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    window = round(TURN_LENGTH / STEP)
    turned = heading[window:] - heading[:-window] if len(heading) > window else np.zeros(0)
    sides = np.where(turned > TURN_ANGLE, 1, np.where(turned < -TURN_ANGLE, -1, 0))
    turns: list[Turn] = []
    for index in np.flatnonzero(sides).tolist():
        manoeuvre = Manoeuvre.LEFT if sides[index] > 0 else Manoeuvre.RIGHT
        begin, end = float(s[index]), float(s[index] + TURN_LENGTH)
        if turns and turns[-1].manoeuvre is manoeuvre and begin <= turns[-1].end:
            begin = turns.pop().begin
        turns.append(Turn(begin, end, manoeuvre))
    return tuple(turns)


def filled(route: Route, longest: float) -> Route:
    """The route with curves between sparse points. A route with dense points is returned unchanged.

    Chords cut the bends off and put all of a bend into a few corners. Between points more than :data:`DENSE` and at
    most ``longest`` [m] apart there are cubic Hermite curves, whose tangents are those of the parabola through three
    points (Bessel tangents: de Boor 1978, A Practical Guide to Splines, chapter IV); longer chords stay straight.
    """
    points, lengths = route.points, np.diff(route.s)
    sparse = (lengths > DENSE) & (lengths <= longest)
    if not sparse.any():
        return route
    chords = np.diff(points, axis=0) / lengths[:, None]
    share = (lengths[1:] / (lengths[1:] + lengths[:-1]))[:, None]
    tangents = np.concatenate((chords[:1], share * chords[:-1] + (1.0 - share) * chords[1:], chords[-1:]))
    parts = [points[:1]]
    for index, length in enumerate(lengths.tolist()):
        count = math.ceil(length / STEP) if sparse[index] else 1
        t = (np.arange(1, count + 1) / count)[:, None]
        bulge = length * t * (1.0 - t) * ((1.0 - t) * tangents[index] - t * tangents[index + 1])
        step = t * t * (3.0 - 2.0 * t)
        parts.append((1.0 - step) * points[index] + step * points[index + 1] + bulge)
    return Route(np.concatenate(parts))


class LocalisationError:
    """The error of position and heading in the course of an episode: a first-order Gauss-Markov process and a bias.

    ``e' = a e + sqrt(1 - a^2) sigma w`` with ``a = exp(-dt / T)`` keeps the standard deviation at ``sigma`` and forgets
    within the time ``T`` (Gelb 1974, Applied Optimal Estimation, section 3.8).

    Args:
        frame_time: time between two frames [s].
        seed: of the episode.
    """

    def __init__(self, settings: LocalisationSettings, frame_time: float, seed: int) -> None:
        self._generator = localisation_generator(seed)
        self._sigma = np.array((settings.position_noise, settings.position_noise, settings.heading_noise))
        correlation = settings.correlation_time
        self._keep = math.exp(-frame_time / correlation) if correlation > 0.0 else 0.0
        self._fresh = math.sqrt(1.0 - self._keep**2)
        self._bias = np.append(self._generator.normal(0.0, settings.position_bias, 2), 0.0)
        self._error = self._generator.normal(0.0, self._sigma)

    def apply(self, vehicle: VehicleState) -> VehicleState:
        """The pose that the vehicle believes. Each call moves the error on by one frame."""
        x, y, yaw = (self._error + self._bias).tolist()
        self._error = self._keep * self._error + self._fresh * self._generator.normal(0.0, self._sigma)
        return replace(vehicle, x=vehicle.x + x, y=vehicle.y + y, yaw=vehicle.yaw + yaw)


class Navigator:
    """Follows one route by believed positions.

    Args:
        route: with sparse points or dense ones, see :func:`filled`.
        error: of the localisation of an episode, which begins where its route begins; ``None`` takes the positions as
            they are, as on a vehicle, whose own are noisy and which may be anywhere on its route.
    """

    def __init__(self, route: Route, settings: ObservationSettings, error: LocalisationError | None) -> None:
        self._count, self._spacing = settings.waypoints, settings.waypoint_spacing
        self._route = filled(route, self._spacing)
        self._error = error
        self._turns = find_turns(self._route)
        # With an error of metres, a search of the whole route could find the end of a route that returns to its start.
        self._near: float | None = None if error is None else 0.0
        self._reached = 0.0

    def look(self, vehicle: VehicleState) -> Navigation:
        """What the vehicle knows at the next frame. A waypoint that it passed does not come back."""
        believed = vehicle if self._error is None else self._error.apply(vehicle)
        self._near = self._route.locate(believed, self._near).s
        self._reached = max(self._reached, self._near)
        first = math.floor(self._reached / self._spacing) + 1
        points = self._route.at(self._spacing * np.arange(first, first + self._count))
        manoeuvre, distance = self._next_turn()
        return Navigation(_in_vehicle_axes(points, believed), manoeuvre, distance)

    def _next_turn(self) -> tuple[Manoeuvre, float]:
        for turn in self._turns:
            if turn.end > self._reached and turn.begin < self._reached + HORIZON:
                return turn.manoeuvre, max(turn.begin - self._reached, 0.0)
        return Manoeuvre.FOLLOW, HORIZON


def _in_vehicle_axes(points: NDArray[np.float64], vehicle: VehicleState) -> NDArray[np.float64]:
    """(N, 2) points of the map frame in vehicle axes (x forward, y left) [m]."""
    offset = points - (vehicle.x, vehicle.y)
    cosine, sine = math.cos(vehicle.yaw), math.sin(vehicle.yaw)
    forward, left = offset @ (cosine, sine), offset @ (-sine, cosine)
    return side_by_side(forward, left)
