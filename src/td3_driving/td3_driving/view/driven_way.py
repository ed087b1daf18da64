# SPDX-License-Identifier: Apache-2.0
"""The way that a vehicle came along."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

STEP = 0.5
"""Least distance between two points that are kept [m]."""
MOST = 2000
"""Most points that are kept; then the oldest goes."""


class DrivenWay:
    """Keeps where the vehicle was, not more often than it moved by :data:`STEP`."""

    def __init__(self) -> None:
        self._places: deque[tuple[float, float, float]] = deque(maxlen=MOST)

    def add(self, place: tuple[float, float, float]) -> None:
        """Add where it is now, x, y, z in the map frame [m]."""
        if not self._places or math.dist(place, self._places[-1]) > STEP:
            self._places.append(place)

    def clear(self) -> None:
        """Begin a new way."""
        self._places.clear()

    @property
    def points(self) -> NDArray[np.float64]:
        """(N, 3) in the map frame [m]."""
        return np.array(self._places, dtype=np.float64).reshape(-1, 3)
