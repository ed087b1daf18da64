# SPDX-License-Identifier: Apache-2.0
"""The route: a polyline along the lane centre, and where the vehicle is on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.vehicle_state import VehicleState, wrap_angle

SEARCH_BEHIND = 5.0
"""The search for the vehicle begins this far behind its last place [m]."""
SEARCH_AHEAD = 15.0
"""The search ends this far ahead of it [m]; a frame of 0.1 s at 40 m/s covers 4 m."""


LONGEST = 1e6
"""A longer route is refused as an error [m]: what is worked out every metre of it must fit into memory."""


class RouteError(ValueError):
    """A route is empty, too short, too long or not finite."""


@dataclass(frozen=True, slots=True)
class RoutePlace:
    """Where a vehicle is relative to its route.

    Attributes:
        s: distance along the route from its start [m].
        lateral: signed distance from the route, left positive [m].
        heading_error: vehicle heading minus route heading, left positive, in [-pi, pi) [rad].
    """

    s: float
    lateral: float
    heading_error: float


class Route:
    """A polyline in the map frame with at least two distinct points.

    Args:
        points: (N, 2) or wider; x and y in the map frame [m]. Repeated points are dropped.

    Raises:
        RouteError: fewer than two distinct points, a coordinate that is not finite, or more than :data:`LONGEST`.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] < 2:
            raise RouteError(f"a route needs points of shape (N, 2), not {points.shape}")
        points = points[:, :2]
        if not np.isfinite(points).all():
            raise RouteError("a route point is not finite")
        distinct = np.ones(len(points), dtype=bool)
        distinct[1:] = np.hypot(*np.diff(points, axis=0).T) > 1e-6
        self.points = points[distinct]
        if len(self.points) < 2:
            raise RouteError(f"a route needs at least two distinct points, not {len(self.points)}")
        self._steps = np.diff(self.points, axis=0)
        self._lengths = np.hypot(self._steps[:, 0], self._steps[:, 1])
        self.s = np.concatenate(([0.0], np.cumsum(self._lengths)))
        if self.length > LONGEST:
            raise RouteError(f"a route of {self.length:g} m is too long, at most {LONGEST:g} m")
        self._headings = np.arctan2(self._steps[:, 1], self._steps[:, 0])

    @property
    def length(self) -> float:
        """Length along the polyline [m]."""
        return float(self.s[-1])

    def locate(self, vehicle: VehicleState, near: float | None = None) -> RoutePlace:
        """The nearest place on the route, searched around ``near`` [m] when given: routes may cross themselves."""
        first, last = self._search_range(near)
        starts, steps, lengths = self.points[first:last], self._steps[first:last], self._lengths[first:last]
        offset_x, offset_y = vehicle.x - starts[:, 0], vehicle.y - starts[:, 1]
        along = np.clip((offset_x * steps[:, 0] + offset_y * steps[:, 1]) / lengths, 0.0, lengths)
        ratio = along / lengths
        gap = np.hypot(offset_x - ratio * steps[:, 0], offset_y - ratio * steps[:, 1])
        best = int(np.argmin(gap))
        side = steps[best, 0] * offset_y[best] - steps[best, 1] * offset_x[best]
        return RoutePlace(
            s=float(self.s[first + best] + along[best]),
            lateral=math.copysign(float(gap[best]), side),
            heading_error=wrap_angle(vehicle.yaw - float(self._headings[first + best])),
        )

    def _search_range(self, near: float | None) -> tuple[int, int]:
        if near is None:
            return 0, len(self._lengths)
        first = int(np.searchsorted(self.s, near - SEARCH_BEHIND, side="right")) - 1
        last = int(np.searchsorted(self.s, near + SEARCH_AHEAD, side="left"))
        first = min(max(first, 0), len(self._lengths) - 1)
        return first, min(max(last, first + 1), len(self._lengths))

    def at(self, s: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Points (len(s), 2) at distances ``s`` [m]; beyond the end the last segment is prolonged."""
        x = np.interp(s, self.s, self.points[:, 0])
        y = np.interp(s, self.s, self.points[:, 1])
        beyond = np.maximum(s - self.length, 0.0)
        direction = self._steps[-1] / self._lengths[-1]
        return np.stack((x + beyond * direction[0], y + beyond * direction[1]), axis=1)

    def ahead(self, vehicle: VehicleState, s: float, count: int, spacing: float) -> NDArray[np.float64]:
        """(count, 2) route points beyond ``s``, ``spacing`` [m] apart, in vehicle axes (x forward, y left) [m]."""
        offset = self.at(s + spacing * np.arange(1, count + 1)) - (vehicle.x, vehicle.y)
        cosine, sine = math.cos(vehicle.yaw), math.sin(vehicle.yaw)
        return np.stack(
            (offset[:, 0] * cosine + offset[:, 1] * sine, offset[:, 1] * cosine - offset[:, 0] * sine), axis=1
        )
