# SPDX-License-Identifier: Apache-2.0
"""The drawn state of a drive: route, lane error, predicted path, action, reward, Q, traffic, the command gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.prediction import predicted_path
from td3_driving.driving.route import Route, RouteError
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import EpisodeSettings
from td3_driving.view.shapes import (
    GREEN,
    GREY,
    PATH,
    RED,
    ROUTE,
    WHITE,
    YELLOW,
    Box,
    Colour,
    Polyline,
    Shape,
    Text,
)

LIFT = 0.3
"""Height of lines above the road [m]."""
VEHICLE = (4.7, 1.9, 1.45)
"""Length, width and height of a passenger car, as the vehicle is drawn [m]."""
BAR_LENGTH = 2.0
"""Length of an action bar at full deflection [m]."""
BARS_LEFT = 3.0
"""Where the action bars start, left of the vehicle [m]."""
LOST = 10.0
"""Distance from the route beyond which the vehicle was moved and is searched along the whole route [m]."""
OFF_ROAD = EpisodeSettings().off_lane_distance
"""Distance from the route at which a predicted path ends, as an episode does [m]."""
LEVEL_COLOURS: dict[str, Colour] = {"OK": GREEN, "WARN": YELLOW, "ERROR": RED, "STALE": GREY}


@dataclass(frozen=True, slots=True)
class GateState:
    """The command gate's status: level OK, WARN, ERROR or STALE, and a sentence."""

    level: str
    message: str

    @property
    def colour(self) -> Colour:
        """Colour of the level."""
        return LEVEL_COLOURS.get(self.level, GREY)


@dataclass
class Scene:
    """The newest value of everything drawn; missing values are left out, or shown as a dash in a text.

    Attributes:
        vehicle: newest pose and motion.
        action: steer (right positive) and drive (throttle positive, brake negative), each in [-1, 1].
        lateral_error: distance from the route, left positive [m].
        reward: of the newest step.
        q_value: mean Q on the replay, as the learner last logged it.
        traffic: boxes around the other vehicles.
        gate: state of the command gate, None where there is none.
    """

    vehicle: VehicleState | None = None
    action: tuple[float, float] | None = None
    lateral_error: float = math.nan
    reward: float = math.nan
    q_value: float = math.nan
    traffic: Sequence[Box] = ()
    gate: GateState | None = None
    _points: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    _route: Route | None = None
    _s: float | None = None

    @property
    def route(self) -> NDArray[np.float64]:
        """(N, 3) points of the route in the map frame [m]; none before one came."""
        return self._points

    def take_route(self, points: NDArray[np.float64]) -> None:
        """Take a new route (N, 3) in the map frame [m]; an undrivable one is drawn but not used for measurements.

        An action that was chosen for the route before it predicts nothing on the new one.
        """
        self._points, self._s, self.lateral_error, self.action = points, None, math.nan, None
        try:
            self._route = Route(points)
        except RouteError:
            self._route = None

    def take_vehicle(self, vehicle: VehicleState) -> None:
        """The vehicle's newest state; one that is not finite is left out, and its place on the route with it."""
        self.vehicle = vehicle if vehicle.finite() else None
        if self._route is None or self.vehicle is None:
            self.lateral_error = math.nan
            return
        place = self._route.locate(vehicle, self._s)
        if abs(place.lateral) > LOST:
            place = self._route.locate(vehicle)
        self._s, self.lateral_error = place.s, place.lateral

    def path(self, vehicle: VehicleState) -> NDArray[np.float64]:
        """(N, 3) points [m] where ``vehicle`` goes with the current action held, no farther than its road.

        It ends where it is :data:`OFF_ROAD` beside the route. There are none without an action.
        """
        if self.action is None:
            return np.zeros((0, 3))
        return _raised(self._on_road(predicted_path(vehicle, *self.action), vehicle), vehicle.z)

    def _on_road(self, points: NDArray[np.float64], vehicle: VehicleState) -> NDArray[np.float64]:
        """The part of a path (N, 2) up to the edge of the road; of one that begins beyond it, what leads back."""
        if self._route is None:
            return points
        beside, s = np.zeros(len(points)), self._s
        for number, (x, y) in enumerate(points.tolist()):
            place = self._route.locate(replace(vehicle, x=x, y=y), s)
            beside[number], s = abs(place.lateral), place.s
        edge = max(OFF_ROAD, float(beside[0]))
        beyond = np.flatnonzero(beside > edge)
        if len(beyond) == 0:
            return points
        after = int(beyond[0])
        share = (edge - beside[after - 1]) / (beside[after] - beside[after - 1])
        end = points[after - 1] + share * (points[after] - points[after - 1])
        return np.vstack((points[:after], end))

    def readings(self) -> tuple[str, str]:
        """Return two lines of text: speed and lane error; reward and Q."""
        speed = math.nan if self.vehicle is None else self.vehicle.speed * 3.6
        drive = f"{_shown(speed, '.0f')} km/h   lane {_shown(self.lateral_error, '+.2f')} m"
        return drive, f"r {_shown(self.reward, '+.2f')}   Q {_shown(self.q_value, '.1f')}"

    def shapes(self) -> list[Shape]:
        """Return all shapes to draw."""
        shown: list[Shape] = []
        if len(self._points):
            shown.append(Polyline("route", self._points + np.array((0.0, 0.0, LIFT)), ROUTE, 0.25))
        if self.vehicle is not None:
            shown += self._vehicle_shapes(self.vehicle)
        return [*shown, *self.traffic]

    def _vehicle_shapes(self, vehicle: VehicleState) -> list[Shape]:
        here = np.array((vehicle.x, vehicle.y))
        left = np.array((-math.sin(vehicle.yaw), math.cos(vehicle.yaw)))
        shown: list[Shape] = [_body(vehicle), self._text("value", vehicle, 3.5, "\n".join(self.readings()), WHITE)]
        if math.isfinite(self.lateral_error):
            error = np.array((here, here - self.lateral_error * left))
            shown.append(Polyline("lane error", _raised(error, vehicle.z), RED, 0.15))
        if self.action is not None:
            shown.append(Polyline("predicted path", self.path(vehicle), PATH, 0.15))
            shown += _bars(vehicle, left, *self.action)
        if self.gate is not None:
            shown.append(self._text("gate", vehicle, 4.8, f"gate: {self.gate.message}", self.gate.colour))
        return shown

    def _text(self, name: str, vehicle: VehicleState, height: float, text: str, colour: Colour) -> Text:
        return Text(name, vehicle.x, vehicle.y, vehicle.z + height, plain(text), 0.5, colour)


def plain(text: str) -> str:
    """``text`` in ASCII: neither RViz nor OpenCV has letters for much else."""
    return text.encode("ascii", "replace").decode()


def _body(vehicle: VehicleState) -> Box:
    centre = vehicle.x, vehicle.y, vehicle.z + VEHICLE[2] / 2.0
    return Box("vehicle", 0, *centre, vehicle.yaw, *VEHICLE, WHITE)


def _bars(vehicle: VehicleState, left: NDArray[np.float64], steer: float, drive: float) -> list[Shape]:
    """One bar to the side for the wheel, one along the vehicle for the pedals, each on its full range."""
    start = np.array((vehicle.x, vehicle.y)) + BARS_LEFT * left
    forward = np.array((left[1], -left[0]))
    colour = GREEN if drive > 0.0 else RED
    shown: list[Shape] = []
    for name, axis, value, shade in (("steer", -left, steer, YELLOW), ("drive", forward, drive, colour)):
        reach = BAR_LENGTH * axis
        shown.append(
            Polyline(f"{name} range", _raised(np.array((start - reach, start + reach)), vehicle.z), GREY, 0.06)
        )
        shown.append(Polyline(name, _raised(np.array((start, start + value * reach)), vehicle.z), shade, 0.3))
    return shown


def _raised(points: NDArray[np.float64], z: float) -> NDArray[np.float64]:
    """(N, 2) points as (N, 3) above the road at height ``z`` [m]."""
    return np.column_stack((points, np.full(len(points), z + LIFT)))


def _shown(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "-"
