# SPDX-License-Identifier: Apache-2.0
"""The meshes of the traffic's vehicles. Plain arrays: nothing here draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.mesh import Quads, block
from td3_driving.sim.surfaces import family

PAINTS = len(family("paint"))
"""How many colours cars have."""
SILL = 0.28
"""Height of the underside above the road [m]."""


def car(length: float, width: float, height: float, paint: str) -> Quads:
    """A car of the surface ``paint``, x forward, centred on the ground below its middle."""
    half_length, half_width = length / 2.0, width / 2.0
    belt = SILL + 0.50 * (height - SILL)
    made = Quads()
    for x in (-0.62 * half_length, 0.62 * half_length):
        wheels = block((x - 0.33, x + 0.33), (-half_width + 0.02, half_width - 0.02), (0.0, 0.62))
        made.add(wheels[:4], "tyre")
    body = block((-half_length, half_length), (-half_width, half_width), (SILL, belt), taper=0.06)
    made.add(body, paint)
    boxy = height > 1.8
    rear, front = (-0.96, 0.62 if boxy else 0.42)
    taper = 0.25 if boxy else 0.55
    inner_width = half_width - 0.12
    cabin = block((rear * half_length, front * half_length), (-inner_width, inner_width), (belt, height), taper)
    made.add(cabin[4:], paint)
    made.add(cabin[:4], "glass")
    _pillars(made, cabin, paint)
    _lights(made, half_length, half_width, belt)
    return made


def post(length: float, width: float, height: float, paint: str) -> Quads:
    """A plain box of the surface ``paint`` on the ground: a person, or a thing."""
    made = Quads()
    made.add(block((-length / 2.0, length / 2.0), (-width / 2.0, width / 2.0), (0.0, height)), paint)
    return made


def _pillars(made: Quads, cabin: NDArray[np.float64], paint: str) -> None:
    """The painted post between the side windows."""
    for face in cabin[2:4]:
        low, high = face[0] * 0.55 + face[1] * 0.45, face[3] * 0.55 + face[2] * 0.45
        along = (face[1] - face[0]) / np.linalg.norm(face[1] - face[0]) * 0.07
        outward = np.array([0.0, np.sign(face[0, 1]) * 0.02, 0.0])
        post = np.array([[low - along, low + along, high + along, high - along]]) + outward
        made.add(post, paint)


def _lights(made: Quads, half_length: float, half_width: float, belt: float) -> None:
    low, high = belt - 0.24, belt - 0.06
    for side in (-1.0, 1.0):
        inner, outer = sorted((side * (half_width - 0.42), side * (half_width - 0.04)))
        for x, sign, colour in ((half_length + 0.02, 1.0, "headlight"), (-half_length - 0.02, -1.0, "taillight")):
            made.add(_panel(x, sign, inner, outer, low, high), colour)
    made.add(_panel(-half_length - 0.02, -1.0, -0.26, 0.26, SILL + 0.1, SILL + 0.22), "plate")


def _panel(x: float, sign: float, right: float, left: float, low: float, high: float) -> NDArray[np.float64]:
    """A quad across the car at ``x`` [m] that faces forward (sign 1) or backward (-1)."""
    start, end = (right, left) if sign > 0 else (left, right)
    return np.array([[(x, start, low), (x, end, low), (x, end, high), (x, start, high)]])


def shadow(length: float, width: float) -> Quads:
    """The dark ground below a car."""
    made = Quads()
    x, y = length / 2.0 + 0.15, width / 2.0 + 0.15
    made.add(np.array([[(-x, -y, 0.0), (x, -y, 0.0), (x, y, 0.0), (-x, y, 0.0)]]), "shadow")
    return made
