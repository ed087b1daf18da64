# SPDX-License-Identifier: Apache-2.0
"""A series of any length in bounded memory.

Count, mean, standard deviation, first and last point, smallest and greatest value with their steps, and the number of
non-finite values are always exact. Up to ``capacity`` points, all points are stored, so that medians, quantiles and
plots are exact too. Beyond that, every second stored point is dropped, and only every 2nd, 4th, 8th … further point is
stored. A caller that asks for the points also gets the extremes and the last point.
"""

from __future__ import annotations

import math
from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CAPACITY = 4096


class Point(NamedTuple):
    """Environment step, value, wall time [s]."""

    step: float
    value: float
    wall: float


class Series:
    """One quantity of one run."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 4:
            raise ValueError(f"capacity {capacity} is below 4")
        self.capacity = capacity
        self.count = 0
        self.nonfinite = 0
        self.first: Point | None = None
        self.lowest: Point | None = None
        self.highest: Point | None = None
        self._last = (0.0, 0.0, 0.0)
        self._low = self._high = 0.0
        self._stride = 1
        self._mean = 0.0
        self._squares = 0.0
        self._steps, self._values, self._walls = array("d"), array("d"), array("d")

    def add(self, step: float, value: float, wall: float) -> None:
        """Append one point. A non-finite value is only counted."""
        if not math.isfinite(value):
            self.nonfinite += 1
            return
        if self.count == 0:
            self.first = self.lowest = self.highest = Point(step, value, wall)
            self._low = self._high = value
        elif value < self._low:
            self._low, self.lowest = value, Point(step, value, wall)
        elif value > self._high:
            self._high, self.highest = value, Point(step, value, wall)
        self._last = (step, value, wall)
        if self.count % self._stride == 0:
            self._store(step, value, wall)
        self.count += 1
        difference = value - self._mean
        self._mean += difference / self.count
        self._squares += difference * (value - self._mean)

    def _store(self, step: float, value: float, wall: float) -> None:
        if len(self._steps) >= self.capacity:
            for column in (self._steps, self._values, self._walls):
                column[:] = column[::2]
            self._stride *= 2
            if self.count % self._stride:
                return
        self._steps.append(step)
        self._values.append(value)
        self._walls.append(wall)

    @property
    def last(self) -> Point | None:
        """The latest point."""
        return Point(*self._last) if self.count else None

    @property
    def exact(self) -> bool:
        """Whether every point is stored."""
        return self._stride == 1

    @property
    def mean(self) -> float:
        """Mean over all points; NaN without any."""
        return self._mean if self.count else math.nan

    @property
    def std(self) -> float:
        """Population standard deviation over all points; NaN without any."""
        return math.sqrt(max(self._squares, 0.0) / self.count) if self.count else math.nan

    @property
    def constant(self) -> bool:
        """Whether all points have the same value."""
        return self.lowest is not None and self.highest is not None and self.lowest.value == self.highest.value

    def columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Steps, values and wall times of the stored points, in the order of writing, each (n,) float64."""
        stored = np.array([self._steps, self._values, self._walls], dtype=float).reshape(3, -1)
        if self.exact:
            return stored[0], stored[1], stored[2]
        extra = np.array([self.lowest, self.highest, self._last], dtype=float).T
        merged = np.unique(np.concatenate([stored, extra], axis=1), axis=1)
        merged = merged[:, np.argsort(merged[2], kind="stable")]
        return merged[0], merged[1], merged[2]

    def steps(self) -> NDArray[np.float64]:
        """Steps of the stored points, (n,)."""
        return self.columns()[0]

    def values(self) -> NDArray[np.float64]:
        """Values of the stored points, (n,)."""
        return self.columns()[1]

    def between(self, low: float, high: float) -> NDArray[np.float64]:
        """Values of the stored points with ``low < step <= high``, (n,)."""
        steps, values, _ = self.columns()
        return values[(steps > low) & (steps <= high)]

    def median(self) -> float:
        """Median of the stored points; NaN without any."""
        values = self.values()
        return float(np.median(values)) if len(values) else math.nan
