# SPDX-License-Identifier: Apache-2.0
"""Where vehicles begin an episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.lane_graph import LaneGraph

SPAWN_GAP = 12.0
"""Least distance between two new vehicles on one lane [m]."""
EGO_GAP = 20.0
"""Least distance of a new vehicle from the ego [m]."""
AHEAD = 150.0
"""How far along the route of the ego a place counts as on it [m]."""
ON_LINE = 1.0
"""Greatest distance from the line of the route of a place on it [m]; the lanes beside lie farther away."""


@dataclass(frozen=True, slots=True)
class OnRoute:
    """Which share of the vehicles begins on the route of the ego, in its direction.

    Attributes:
        route: (N, 5) as :meth:`td3_driving.sim.world.World.reset` returns it, about 1 m from point to point.
        share: 0 .. 1.
    """

    route: NDArray[np.float64]
    share: float = 0.0


ANYWHERE = OnRoute(np.zeros((0, 5)))


def free_places(
    graph: LaneGraph, count: int, rng: np.random.Generator, ego: tuple[float, float], on_route: OnRoute = ANYWHERE
) -> list[tuple[int, float]]:
    """Lane and distance along it [m] of ``count`` new vehicles, or of as many as fit.

    They are at least :data:`EGO_GAP` from ``ego`` (x, y) [m] and :data:`SPAWN_GAP` from each other on their lane.
    """
    lanes = np.flatnonzero(~graph.junction & (graph.length > SPAWN_GAP))
    places = [(int(lane), float(s)) for lane in lanes for s in np.arange(6.0, graph.length[lane] - 5.0, 2.0)]
    order: list[int] = rng.permutation(len(places)).tolist()
    chosen = _Chosen(graph, ego)
    wanted = round(on_route.share * count)
    if wanted:
        chosen.fill([places[index] for index in order if _is_on_route(graph, places[index], on_route.route)], wanted)
    chosen.fill([places[index] for index in order], count)
    return chosen.places


def _is_on_route(graph: LaneGraph, place: tuple[int, float], route: NDArray[np.float64]) -> bool:
    x, y, _ = graph.poses(np.array([place[0]]), np.array([place[1]]))
    distance = np.hypot(route[: int(AHEAD), 0] - x[0], route[: int(AHEAD), 1] - y[0])
    return bool(distance.min() < ON_LINE)


class _Chosen:
    """Places that keep their distance."""

    def __init__(self, graph: LaneGraph, ego: tuple[float, float]) -> None:
        self.places: list[tuple[int, float]] = []
        self._graph, self._ego = graph, ego
        self._taken: dict[int, list[float]] = {}

    def fill(self, candidates: list[tuple[int, float]], count: int) -> None:
        """Choose from ``candidates`` in their order until there are ``count``."""
        for lane, s in candidates:
            if len(self.places) >= count:
                return
            if self._is_free(lane, s):
                self._taken.setdefault(lane, []).append(s)
                self.places.append((lane, s))

    def _is_free(self, lane: int, s: float) -> bool:
        x, y, _ = self._graph.poses(np.array([lane]), np.array([s]))
        clear = np.hypot(x[0] - self._ego[0], y[0] - self._ego[1]) >= EGO_GAP
        return bool(clear) and all(abs(s - other) >= SPAWN_GAP for other in self._taken.get(lane, ()))
