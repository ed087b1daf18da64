# SPDX-License-Identifier: Apache-2.0
"""The state vector of the policy: which elements it has, and how each is made.

One table per contract (:func:`state_elements`) says name, unit, scale and source of every element, in the order of the
vector. Everything that needs the length or the meaning of the vector reads it there. A user's own elements, named by
their import paths in ``observation.elements``, follow those of the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.navigation import Manoeuvre, Navigation
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.plugins import PluginFault
from td3_driving.settings_observation import ObservationSettings, OwnElement, StateElement, own_elements

__all__ = [
    "OwnElement",
    "Sensed",
    "StateElement",
    "encode_map",
    "encode_state",
    "own_elements",
    "state_dim",
    "state_elements",
]

SPEED_SCALE = 10.0
LATERAL_SCALE = 2.0
HEADING_SCALE = math.pi / 4
YAW_RATE_SCALE = 1.0
MANOEUVRE_SCALE = 50.0
STATE_BOUND = 5.0
"""Every element is clipped to [-STATE_BOUND, STATE_BOUND]."""


@dataclass(frozen=True, slots=True)
class Sensed:
    """What an own element of the state vector may look at: what the vehicle knows as well, not the simulator alone.

    Attributes:
        place: where the vehicle is on the route; ``None`` in state ``sensors``, which does not know it exactly.
        navigation: waypoints and the next manoeuvre; ``None`` in state ``map``.
        last_action: (2,) steer, drive.
    """

    vehicle: VehicleState
    place: RoutePlace | None
    navigation: Navigation | None
    last_action: NDArray[np.float32]


SPEED = StateElement("speed, forward positive", "m/s", SPEED_SCALE, "odometry twist")
YAW_RATE = StateElement("yaw rate, left positive", "rad/s", YAW_RATE_SCALE, "odometry twist")
LAST_ACTION = (
    StateElement("last steer, right positive", "1", 1.0, "own action"),
    StateElement("last drive, throttle positive", "1", 1.0, "own action"),
)
LANE = (
    StateElement("lateral deviation from the route, left positive", "m", LATERAL_SCALE, "odometry pose and route"),
    StateElement("heading error, left positive", "rad", HEADING_SCALE, "odometry pose and route"),
)
MANOEUVRE = (
    StateElement("next manoeuvre is a left turn", "0 or 1", 1.0, "route"),
    StateElement("next manoeuvre is a right turn", "0 or 1", 1.0, "route"),
    StateElement("distance to the next manoeuvre", "m", MANOEUVRE_SCALE, "position and route"),
)


def state_elements(settings: ObservationSettings) -> tuple[StateElement, ...]:
    """The elements of the state vector in their order."""
    return (*_contract_elements(settings), *(own.element for own in own_elements(settings.elements)))


def _contract_elements(settings: ObservationSettings) -> tuple[StateElement, ...]:
    if settings.state == "map":
        points = _points("route point", settings.route_points, settings.route_spacing, "odometry pose and route")
        return (SPEED, *LANE, YAW_RATE, *LAST_ACTION, *points)
    points = _points("waypoint", settings.waypoints, settings.waypoint_spacing, "position, compass and route")
    return (SPEED, YAW_RATE, *LAST_ACTION, *points, *MANOEUVRE)


def state_dim(settings: ObservationSettings) -> int:
    """Length of the state vector."""
    return len(state_elements(settings))


def _points(name: str, count: int, spacing: float, source: str) -> tuple[StateElement, ...]:
    reach = count * spacing
    return tuple(
        StateElement(f"{name} {index}, {axis}", "m", reach, source)
        for index in range(1, count + 1)
        for axis in ("forward", "left")
    )


def encode_state(
    vehicle: VehicleState,
    place: RoutePlace,
    route: Route,
    navigation: Navigation | None,
    last_action: NDArray[np.float32],
    settings: ObservationSettings,
) -> NDArray[np.float32]:
    """The state vector (state_dim,) float32, each element divided by its scale and clipped to ±5.

    Args:
        place: where the vehicle really is on the route; only the ``map`` contract looks at it.
        navigation: what a vehicle without exact localisation knows; only the ``sensors`` contract needs it.
        last_action: (2,) steer, drive.

    Raises:
        PluginFault: an own element is not finite.
    """
    if settings.state == "map":
        values = encode_map(vehicle, place, route, last_action, settings)
    elif navigation is not None:
        values = _encode_sensors(vehicle, navigation, last_action, settings)
    else:
        raise ValueError("the sensors contract needs the navigation")
    if settings.elements:
        known = place if settings.state == "map" else None
        own = _encode_own(Sensed(vehicle, known, navigation, last_action), settings)
        values = np.concatenate((values, own))
    return np.minimum(np.maximum(values, -STATE_BOUND), STATE_BOUND)


def _encode_own(sensed: Sensed, settings: ObservationSettings) -> NDArray[np.float32]:
    values = []
    for own in own_elements(settings.elements):
        value = float(own.value(sensed))
        if not math.isfinite(value):
            raise PluginFault(f"element {own.element.name!r} of the state vector is {value}")
        values.append(value / own.element.scale)
    return np.array(values, dtype=np.float32)


def encode_map(
    vehicle: VehicleState,
    place: RoutePlace,
    route: Route,
    last_action: NDArray[np.float32],
    settings: ObservationSettings,
) -> NDArray[np.float32]:
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
    vehicle: VehicleState, navigation: Navigation, last_action: NDArray[np.float32], settings: ObservationSettings
) -> NDArray[np.float32]:
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
