# SPDX-License-Identifier: Apache-2.0
"""Curves between two poses: the reference lines of streets and of the movements through junctions.

All coordinates are OpenDRIVE's (x east, y north, counter-clockwise heading) in metres and radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Pose = tuple[float, float, float]
"""x [m], y [m], heading [rad]"""
TURNS = 0.6
"""A movement through a junction whose heading changes by more than this is a turn [rad]."""
LEAST_TURN = 3.5
"""Least radius of the middle of a late turn [m]; those of CARLA's Town02 have from 3.4 m."""


@dataclass(frozen=True)
class Cubic:
    """A cubic in the axes of ``start``: u and v are polynomials of p in [0, 1], lowest power first."""

    start: Pose
    u: tuple[float, float, float, float]
    v: tuple[float, float, float, float]

    @cached_property
    def length(self) -> float:
        """[m], by Gauss-Legendre quadrature."""
        nodes, weights = _quadrature()
        du, dv = (_slope(part, (nodes + 1.0) / 2.0) for part in (self.u, self.v))
        return float(weights @ np.hypot(du, dv) / 2.0)

    def tightest(self) -> float:
        """The least radius of its bends [m]."""
        p = np.linspace(0.0, 1.0, 41)
        (du, ddu), (dv, ddv) = ((_slope(part, p), 2.0 * part[2] + 6.0 * part[3] * p) for part in (self.u, self.v))
        bend = np.abs(du * ddv - dv * ddu) / np.maximum(np.hypot(du, dv), 1e-9) ** 3
        return float(1.0 / max(bend.max(), 1e-9))


def cubic(start: Pose, end: Pose, late: float = 1.0) -> Cubic:
    """The curve from one pose to another, close to a circle where both lie on one (Bezier arc approximation).

    Args:
        late: lengthens its tangents; more than 1 makes it straighter at its ends and tighter between them.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    cosine, sine = math.cos(start[2]), math.sin(start[2])
    u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
    turn = turn_between(start, end)
    chord = math.hypot(u, v)
    bow = 4.0 / 3.0 * math.tan(abs(turn) / 4.0) / (2.0 * math.sin(abs(turn) / 2.0)) if turn else 1.0 / 3.0
    handle = late * 3.0 * chord * max(bow, 1.0 / 3.0)
    tangent = handle * math.cos(turn), handle * math.sin(turn)
    return Cubic(
        start,
        (0.0, handle, 3.0 * u - 2.0 * handle - tangent[0], -2.0 * u + handle + tangent[0]),
        (0.0, 0.0, 3.0 * v - tangent[1], -2.0 * v + tangent[1]),
    )


def movement(start: Pose, end: Pose, width: float, late: float) -> Cubic:
    """The left edge of a lane of that width [m] through a junction, less late where its middle would be too tight."""
    turn = turn_between(start, end)
    if abs(turn) <= TURNS:
        return cubic(start, end)
    while late > 1.0:
        curve = cubic(start, end, late)
        if curve.tightest() + math.copysign(width / 2.0, turn) >= LEAST_TURN:
            return curve
        late -= 0.05
    return cubic(start, end)


def turn_between(start: Pose, end: Pose) -> float:
    """From one heading to the other [rad], counter-clockwise."""
    return math.remainder(end[2] - start[2], 2.0 * math.pi)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(24)


def _slope(part: tuple[float, float, float, float], p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(part[1] + 2.0 * part[2] * p + 3.0 * part[3] * p * p)
