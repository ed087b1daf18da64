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

    Attributes:
        points: (N, 2) the distinct ones. s: (N,) their distances along the route; length: the last of them [m].

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
        self.length = float(self.s[-1])
        if self.length > LONGEST:
            raise RouteError(f"a route of {self.length:g} m is too long, at most {LONGEST:g} m")
        self._headings = np.arctan2(self._steps[:, 1], self._steps[:, 0])
        # Every frame asks several times; columns that lie in one piece take half the time.
        self._x, self._y = self.points.T.copy()
        self._step_x, self._step_y = self._steps.T.copy()
        self._end_x, self._end_y = (self._steps[-1] / self._lengths[-1]).tolist()

    def locate(self, vehicle: VehicleState, near: float | None = None) -> RoutePlace:
        """The nearest place on the route, searched around ``near`` [m] when given: routes may cross themselves."""
        first, last = self._search_range(near)
        step_x, step_y, lengths = self._step_x[first:last], self._step_y[first:last], self._lengths[first:last]
        offset_x, offset_y = vehicle.x - self._x[first:last], vehicle.y - self._y[first:last]
        along = np.minimum(np.maximum((offset_x * step_x + offset_y * step_y) / lengths, 0.0), lengths)
        ratio = along / lengths
        gap = np.hypot(offset_x - ratio * step_x, offset_y - ratio * step_y)
        best = int(gap.argmin())
        side = step_x[best] * offset_y[best] - step_y[best] * offset_x[best]
        return RoutePlace(
            s=float(self.s[first + best] + along[best]),
            lateral=math.copysign(float(gap[best]), side),
            heading_error=wrap_angle(vehicle.yaw - float(self._headings[first + best])),
        )

    def _search_range(self, near: float | None) -> tuple[int, int]:
        if near is None:
            return 0, len(self._lengths)
        first = int(self.s.searchsorted(near - SEARCH_BEHIND, side="right")) - 1
        last = int(self.s.searchsorted(near + SEARCH_AHEAD, side="left"))
        first = min(max(first, 0), len(self._lengths) - 1)
        return first, min(max(last, first + 1), len(self._lengths))

    def at(self, s: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Points (len(s), 2) at distances ``s`` [m]; beyond the end the last segment is prolonged."""
        return side_by_side(*self._columns_at(s))

    def _columns_at(self, s: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        beyond = np.maximum(s - self.length, 0.0)
        x, y = np.interp(s, self.s, self._x), np.interp(s, self.s, self._y)
        return x + beyond * self._end_x, y + beyond * self._end_y

    def ahead(self, vehicle: VehicleState, s: float, count: int, spacing: float) -> NDArray[np.float64]:
        """(count, 2) route points beyond ``s``, ``spacing`` [m] apart, in vehicle axes (x forward, y left) [m]."""
        x, y = self._columns_at(s + spacing * np.arange(1, count + 1))
        x, y = x - vehicle.x, y - vehicle.y
        cosine, sine = math.cos(vehicle.yaw), math.sin(vehicle.yaw)
        return side_by_side(x * cosine + y * sine, y * cosine - x * sine)


def side_by_side(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) of two columns (N,)."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points
