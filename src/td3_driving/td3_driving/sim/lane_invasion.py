# SPDX-License-Identifier: Apache-2.0
"""Which lane markings the corners of the ego vehicle cross, as CARLA's lane invasion sensor reports them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.roads import RoadMap

REACH = 8.0
"""Distance from a lane beyond which the vehicle has left the roads [m]."""
WINDOW = 5
"""Lane samples searched on both sides of the vehicle's place, enough for its corners."""

Near = list[tuple[int, float, float]]
"""Lanes close to the vehicle: index, distance along [m], offset [m]; nearest first."""


class LaneInvasion:
    """Compares the side of the lane borders that each corner is on with the frame before; junctions have no borders.

    The borders are those of the lane nearest to the vehicle's origin. Where that changes to a lane beside it, one frame
    is not compared.
    """

    def __init__(self, roads: RoadMap) -> None:
        self._roads = roads
        self._lane = -1
        self._sides = np.zeros(4, dtype=np.int64)

    def forget(self) -> None:
        """Forget the last frame after a teleport, which crosses no marking."""
        self._lane = -1

    def update(self, near: Near, corners: NDArray[np.float64]) -> tuple[int, ...]:
        """Types of the markings crossed since the last call, numbered as ``carla.LaneMarkingType``.

        Args:
            near: lanes close to the vehicle's origin.
            corners: (4, 2) corners in the map frame [m].
        """
        if not near or self._roads.lanes[near[0][0]].junction >= 0:
            self._lane = -1
            return ()
        lane, s, _ = near[0]
        sides, sample = self._sides_of(lane, s, corners)
        comparable = self._lane >= 0 and (lane == self._lane or lane in self._roads.lanes[self._lane].successors)
        crossed = self._crossed(lane, sample, sides) if comparable else ()
        self._lane, self._sides = lane, sides
        return crossed

    def _sides_of(
        self, index: int, s: float, corners: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(4,) 1 left of the lane, 0 on it, -1 right of it; and the lane sample each corner is nearest to."""
        lane = self._roads.lanes[index]
        centre = round(s / lane.length * (len(lane.s) - 1))
        first, last = max(centre - WINDOW, 0), min(centre + WINDOW + 1, len(lane.s))
        offset = corners[:, None, :] - lane.points[first:last]
        sample = first + (offset * offset).sum(axis=2).argmin(axis=1)
        dx, dy = (corners - lane.points[sample]).T
        heading = lane.heading[sample]
        left = dy * np.cos(heading) - dx * np.sin(heading)
        half = lane.width[sample] / 2.0
        return (left > half).astype(np.int64) - (left < -half), sample

    def _crossed(self, index: int, sample: NDArray[np.int64], sides: NDArray[np.int64]) -> tuple[int, ...]:
        marking = self._roads.lanes[index].marking
        crossed = set()
        for corner in np.flatnonzero(sides != self._sides):
            before, after = int(self._sides[corner]), int(sides[corner])
            if 1 in (before, after):
                crossed.add(int(marking[sample[corner], 0]))
            if -1 in (before, after):
                crossed.add(int(marking[sample[corner], 1]))
        return tuple(sorted(crossed))
