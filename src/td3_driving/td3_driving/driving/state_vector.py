"""The state vector of the policy: which elements it has, and how each is made.

One table per contract (:func:`state_elements`) says name, unit, scale and source of every element, in the order of the
vector. Everything that needs the length or the meaning of the vector reads it there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from td3_driving.driving.navigation import Manoeuvre, Navigation
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings

SPEED_SCALE = 10.0
LATERAL_SCALE = 2.0
HEADING_SCALE = math.pi / 4
YAW_RATE_SCALE = 1.0
MANOEUVRE_SCALE = 50.0
STATE_BOUND = 5.0
"""Every element is clipped to [-STATE_BOUND, STATE_BOUND]."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a vector.

    Attributes:
        name: what it is, with its sign.
        unit: of the quantity before it is scaled.
        scale: what the quantity is divided by.
        source: the sensor or topic that it comes from.
    """

    name: str
    unit: str
    scale: float
    source: str


SPEED = Element("speed, forward positive", "m/s", SPEED_SCALE, "odometry twist")
YAW_RATE = Element("yaw rate, left positive", "rad/s", YAW_RATE_SCALE, "odometry twist")
LAST_ACTION = (
    Element("last steer, right positive", "1", 1.0, "own action"),
    Element("last drive, throttle positive", "1", 1.0, "own action"),
)
LANE = (
    Element("lateral deviation from the route, left positive", "m", LATERAL_SCALE, "odometry pose and route"),
    Element("heading error, left positive", "rad", HEADING_SCALE, "odometry pose and route"),
)
MANOEUVRE = (
    Element("next manoeuvre is a left turn", "0 or 1", 1.0, "route"),
    Element("next manoeuvre is a right turn", "0 or 1", 1.0, "route"),
    Element("distance to the next manoeuvre", "m", MANOEUVRE_SCALE, "position and route"),
)


def state_elements(settings: ObservationSettings) -> tuple[Element, ...]:
    """The elements of the state vector in their order."""
    if settings.state == "map":
        points = _points("route point", settings.route_points, settings.route_spacing, "odometry pose and route")
        return (SPEED, *LANE, YAW_RATE, *LAST_ACTION, *points)
    points = _points("waypoint", settings.waypoints, settings.waypoint_spacing, "position, compass and route")
    return (SPEED, YAW_RATE, *LAST_ACTION, *points, *MANOEUVRE)


def state_dim(settings: ObservationSettings) -> int:
    """Length of the state vector."""
    return len(state_elements(settings))


def _points(name: str, count: int, spacing: float, source: str) -> tuple[Element, ...]:
    reach = count * spacing
    return tuple(
        Element(f"{name} {index}, {axis}", "m", reach, source)
        for index in range(1, count + 1)
        for axis in ("forward", "left")
    )


def encode_state(
    vehicle: VehicleState,
    place: RoutePlace,
    route: Route,
    navigation: Navigation | None,
    last_action: np.ndarray,
    settings: ObservationSettings,
) -> np.ndarray:
    """The state vector (state_dim,) float32, each element divided by its scale and clipped to ±5.

    Args:
        place: where the vehicle really is on the route; only the ``map`` contract looks at it.
        navigation: what a vehicle without exact localisation knows; only the ``sensors`` contract needs it.
        last_action: (2,) steer, drive.
    """
    if settings.state == "map":
        values = encode_map(vehicle, place, route, last_action, settings)
    elif navigation is not None:
        values = _encode_sensors(vehicle, navigation, last_action, settings)
    else:
        raise ValueError("the sensors contract needs the navigation")
    return np.clip(values, -STATE_BOUND, STATE_BOUND)


def encode_map(
    vehicle: VehicleState, place: RoutePlace, route: Route, last_action: np.ndarray, settings: ObservationSettings
) -> np.ndarray:
    """The vector of the ``map`` contract before it is clipped."""
    points = route.ahead(vehicle, place.s, settings.route_points, settings.route_spacing)
    reach = settings.route_points * settings.route_spacing
    motion = (
        vehicle.speed / SPEED_SCALE,
        place.lateral / LATERAL_SCALE,
        place.heading_error / HEADING_SCALE,
        vehicle.yaw_rate / YAW_RATE_SCALE,
    )
    return np.concatenate((motion, last_action, points.ravel() / reach)).astype(np.float32)


def _encode_sensors(
    vehicle: VehicleState, navigation: Navigation, last_action: np.ndarray, settings: ObservationSettings
) -> np.ndarray:
    reach = settings.waypoints * settings.waypoint_spacing
    manoeuvre = navigation.manoeuvre
    following = (
        float(manoeuvre is Manoeuvre.LEFT),
        float(manoeuvre is Manoeuvre.RIGHT),
        navigation.manoeuvre_distance / MANOEUVRE_SCALE,
    )
    motion = (vehicle.speed / SPEED_SCALE, vehicle.yaw_rate / YAW_RATE_SCALE)
    parts = (motion, last_action, navigation.waypoints.ravel() / reach, following)
    return np.concatenate(parts).astype(np.float32)
