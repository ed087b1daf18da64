# SPDX-License-Identifier: Apache-2.0
"""Lane geometry and right of way as flat arrays, so that traffic moves without a loop over vehicles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.road_map import LEVEL, Lane, RoadMap

LATERAL_ACCELERATION = 2.0
"""Lateral acceleration of the traffic in bends [m/s²]."""
SLOWING = 1.5
"""Deceleration with which traffic approaches a bend [m/s²]."""
CLEARANCE = 2.7
"""Lane centres of one junction that come closer than this cannot be used at the same time [m]."""


class LaneGraph:
    """The lanes of a :class:`RoadMap`, indexed as there.

    Attributes:
        length: (L,) length [m].
        junction: (L,) bool, whether the lane crosses a junction.
        successors: per lane, where one may go next; a dead end continues at an entry of the map.
        entry_limit: (L,) greatest sensible speed at the start of a lane [m/s].
        levels: whether lanes lie on different levels.
        conflicts: (L, L) bool, pairs of lanes that must not be used at the same time.
    """

    def __init__(self, roads: RoadMap) -> None:
        lanes = roads.lanes
        self.length = np.array([lane.length for lane in lanes])
        self.junction = np.array([lane.junction >= 0 for lane in lanes])
        self.successors = _endless_successors(lanes)
        self._count = np.array([len(lane.s) for lane in lanes])
        self._first = np.concatenate(([0], np.cumsum(self._count)[:-1]))
        self._density = (self._count - 1) / self.length
        self._x, self._y, self._heading = roads.sample_x, roads.sample_y, roads.sample_heading
        self._z, self.levels = roads.sample_z, roads.levels
        self._limit = np.concatenate([_speed_limit(lane) for lane in lanes])
        self.entry_limit = self._limit[self._first]
        self.conflicts = _conflicts(lanes)

    def poses(
        self, lane: NDArray[np.int64], s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """x, y [m] and heading [rad], (N,) each, at distance ``s`` (N,) [m] along lanes ``lane`` (N,)."""
        sample, share = self._sample(lane, s)
        after = sample + 1
        return (
            self._x[sample] + share * (self._x[after] - self._x[sample]),
            self._y[sample] + share * (self._y[after] - self._y[sample]),
            self._heading[sample] + share * (self._heading[after] - self._heading[sample]),
        )

    def heights(self, lane: NDArray[np.int64], s: NDArray[np.float64]) -> NDArray[np.float64]:
        """z (N,) [m] at distance ``s`` (N,) [m] along lanes ``lane`` (N,)."""
        sample, share = self._sample(lane, s)
        return np.asarray(self._z[sample] + share * (self._z[sample + 1] - self._z[sample]))

    def limits(self, lane: NDArray[np.int64], s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Greatest sensible speed (N,) [m/s] in view of the bends of the lane."""
        return np.asarray(self._limit[self._sample(lane, s)[0]])

    def _sample(
        self, lane: NDArray[np.int64], s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        place = np.maximum(s, 0.0) * self._density[lane]
        whole = np.minimum(place.astype(np.int64), self._count[lane] - 2)
        return self._first[lane] + whole, np.minimum(place - whole, 1.0)


def _endless_successors(lanes: tuple[Lane, ...]) -> list[tuple[int, ...]]:
    """Each dead end leads to an entry of its own as far as there are enough, since vehicles do not merge there."""
    followed = {after for lane in lanes for after in lane.successors}
    entries = [index for index in range(len(lanes)) if index not in followed] or [0]
    dead_ends = [index for index, lane in enumerate(lanes) if not lane.successors]
    beyond = {index: (entries[position % len(entries)],) for position, index in enumerate(dead_ends)}
    return [beyond.get(index, lane.successors) for index, lane in enumerate(lanes)]


def _speed_limit(lane: Lane) -> NDArray[np.float64]:
    """Speed (n,) [m/s] from which the bends of this lane can still be met."""
    bend = np.abs(np.gradient(lane.heading, lane.s)) if len(lane.s) > 2 else np.zeros(len(lane.s))
    squared = LATERAL_ACCELERATION / np.maximum(bend, 1e-4)
    for index in range(len(squared) - 2, -1, -1):
        step = lane.s[index + 1] - lane.s[index]
        squared[index] = min(squared[index], squared[index + 1] + 2.0 * SLOWING * step)
    return np.sqrt(squared)


def _conflicts(lanes: tuple[Lane, ...]) -> NDArray[np.bool_]:
    before: list[set[int]] = [set() for _ in lanes]
    for index, lane in enumerate(lanes):
        for after in lane.successors:
            before[after].add(index)
    crossing: dict[int, list[int]] = {}
    for index, lane in enumerate(lanes):
        if lane.junction >= 0:
            crossing.setdefault(lane.junction, []).append(index)
    table = np.zeros((len(lanes), len(lanes)), dtype=bool)
    for members in crossing.values():
        for position, first in enumerate(members):
            for second in members[position + 1 :]:
                table[first, second] = table[second, first] = _in_each_others_way(lanes, before, first, second)
    return table


def _in_each_others_way(lanes: tuple[Lane, ...], before: list[set[int]], first: int, second: int) -> bool:
    """Return which lanes conflict: cars from one lane or on consecutive lanes queue, others must keep apart."""
    if before[first] & before[second] or first in lanes[second].successors or second in lanes[first].successors:
        return False
    apart = lanes[first].points[:, None, :] - lanes[second].points[None, :, :]
    level = np.abs(lanes[first].z[:, None] - lanes[second].z) < LEVEL
    return bool(((np.hypot(apart[..., 0], apart[..., 1]) < CLEARANCE) & level).any())
