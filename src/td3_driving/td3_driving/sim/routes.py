# SPDX-License-Identifier: Apache-2.0
"""Lane routes: from a start to a goal along the driving direction, without lane changes.

A route is an array (N, 5): x, y [m], heading [rad], lane width [m] and height of the lane [m], about 1 m apart, in
the map frame.
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.route import RouteError
from td3_driving.sim.roads import Lane, RoadMap

__all__ = ["RouteError", "plan_route", "parse_route", "route_between", "random_route"]

SNAP = 5.0
"""Greatest distance of a given start or goal from a lane centre [m]."""
LENGTHS = (200.0, 400.0)
"""Range of the length of a route drawn from a seed [m]."""
LEAST_LENGTH = 5.0
"""A map without a drawn route of this length is too short to drive on [m]."""
ATTEMPTS = 200
TOWN01_ROUTE = (317.0, -129.0, 92.0, -87.0)
"""Start and goal in Town01 for scenario 0 [m]: (317, 129) and (92, 87) in CARLA's axes."""


def plan_route(roads: RoadMap, text: str, scenario: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The route (N, 5) that the setting ``simulator.route`` asks for, in the coordinates of the map's file.

    Raises:
        RouteError: the text is neither ``auto`` nor four numbers, or there is no such route.
    """
    if text != "auto":
        x, y, goal_x, goal_y = parse_route(text)
        left, down = roads.offset
        return route_between(roads, x - left, y - down, goal_x - left, goal_y - down)
    if roads.name == "Town01" and scenario == 0:
        return route_between(roads, *TOWN01_ROUTE)
    return random_route(roads, rng)


def parse_route(text: str) -> tuple[float, float, float, float]:
    """Start and goal ``x y x y`` [m].

    Raises:
        RouteError: not four finite numbers.
    """
    try:
        values = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise RouteError(f"route {text!r} is neither 'auto' nor 'x y x y' in metres") from error
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        raise RouteError(f"route {text!r} is neither 'auto' nor 'x y x y' in metres")
    return values[0], values[1], values[2], values[3]


def route_between(roads: RoadMap, x: float, y: float, goal_x: float, goal_y: float) -> NDArray[np.float64]:
    """The shortest lane route (N, 5) between the lanes nearest to two points [m].

    Raises:
        RouteError: a point is farther than 5 m from every lane, or no lanes lead from the first to the second.
    """
    starts, goals = _snap(roads, x, y), _snap(roads, goal_x, goal_y)
    tried = [_shortest(roads, start, goal) for start in starts for goal in goals]
    found = [candidate for candidate in tried if candidate is not None]
    if not found:
        raise RouteError(f"no lanes lead from ({x:g}, {y:g}) to ({goal_x:g}, {goal_y:g}) on map {roads.name!r}")
    lanes, start_s, goal_s, _ = min(found, key=lambda candidate: candidate[3])
    return _sample(roads, lanes, start_s, goal_s)


def _snap(roads: RoadMap, x: float, y: float) -> list[tuple[int, float]]:
    """The lane nearest to a point and those that lie as near (in junctions several do): index and distance along."""
    near = roads.near(x, y, SNAP + 1.0)
    if not near or abs(near[0][2]) > SNAP:
        raise RouteError(f"({x:g}, {y:g}) is more than {SNAP:g} m from every lane of map {roads.name!r}")
    closest = abs(near[0][2])
    return [(lane, s) for lane, s, offset in near if abs(offset) < closest + 0.1]


Candidate = tuple[list[int], float, float, float]
"""Lanes, distance along the first, distance along the last, cost: all in [m]."""


def _shortest(roads: RoadMap, start: tuple[int, float], goal: tuple[int, float]) -> Candidate | None:
    """Dijkstra over lanes; the cost is the length driven."""
    (start_lane, start_s), (goal_lane, goal_s) = start, goal
    if start_lane == goal_lane and goal_s > start_s:
        return [start_lane], start_s, goal_s, goal_s - start_s
    rest = roads.lanes[start_lane].length - start_s
    queue: list[tuple[float, int, int]] = [(rest, lane, start_lane) for lane in roads.lanes[start_lane].successors]
    heapq.heapify(queue)
    came_from: dict[int, int] = {}
    while queue:
        cost, lane, before = heapq.heappop(queue)
        if lane in came_from:
            continue
        came_from[lane] = before
        if lane == goal_lane:
            return _backtrack(came_from, start_lane, goal_lane), start_s, goal_s, cost + goal_s
        for after in roads.lanes[lane].successors:
            heapq.heappush(queue, (cost + roads.lanes[lane].length, after, lane))
    return None


def _backtrack(came_from: dict[int, int], start: int, goal: int) -> list[int]:
    lanes = [goal]
    while lanes[-1] != start or len(lanes) == 1:
        lanes.append(came_from[lanes[-1]])
    return lanes[::-1]


def random_route(roads: RoadMap, rng: np.random.Generator) -> NDArray[np.float64]:
    """A route (N, 5) of 200 to 400 m from anywhere outside junctions, with turns drawn at random; no lane comes twice.

    Where the network has no such route, the longest of those drawn is returned. A network that is one junction is
    driven from anywhere in it.

    Raises:
        RouteError: the network has no route of 5 m.
    """
    open_lanes = [index for index, lane in enumerate(roads.lanes) if lane.junction < 0] or list(range(len(roads.lanes)))
    lengths = np.array([roads.lanes[index].length for index in open_lanes])
    best: tuple[float, list[int], float, float] = (0.0, [], 0.0, 0.0)
    for _ in range(ATTEMPTS):
        first = open_lanes[int(rng.choice(len(open_lanes), p=lengths / lengths.sum()))]
        start_s = float(rng.uniform(0.0, roads.lanes[first].length))
        wanted = float(rng.uniform(*LENGTHS))
        lanes, goal_s, length = _walk(roads, first, start_s, wanted, rng)
        best = max(best, (length, lanes, start_s, goal_s), key=lambda walk: walk[0])
        if length >= wanted - 1e-6:
            return _sample(roads, lanes, start_s, goal_s)
    if best[0] < LEAST_LENGTH:
        road, _, number = max(roads.lanes, key=lambda lane: lane.length).key
        longest = f"the longest lane is {number} of road {road}"
        raise RouteError(f"map {roads.name!r} has no route of {LEAST_LENGTH:g} m; {longest}")
    return _sample(roads, best[1], best[2], best[3])


Walk = tuple[list[int], float, float]
"""Lanes, distance along the last one, length driven: both in [m]."""


def _walk(roads: RoadMap, lane: int, s: float, wanted: float, rng: np.random.Generator) -> Walk:
    """Follow random successors for ``wanted`` metres, or as far as there are lanes not yet driven."""
    lanes, driven = [lane], 0.0
    while True:
        left = roads.lanes[lane].length - s
        if driven + left >= wanted:
            return lanes, s + wanted - driven, wanted
        driven += left
        choices = [after for after in roads.lanes[lane].successors if after not in lanes]
        if not choices:
            return lanes, roads.lanes[lane].length, driven
        lane, s = choices[int(rng.integers(len(choices)))], 0.0
        lanes.append(lane)


def _sample(roads: RoadMap, lanes: list[int], start_s: float, goal_s: float) -> NDArray[np.float64]:
    """The lanes as one polyline (N, 5), resampled to about 1 m."""
    parts = []
    for position, index in enumerate(lanes):
        low = start_s if position == 0 else 0.0
        high = goal_s if position == len(lanes) - 1 else roads.lanes[index].length
        parts.append(_piece(roads.lanes[index], low, high))
    line = np.concatenate(parts)
    steps = np.hypot(*np.diff(line[:, :2], axis=0).T)
    line = line[np.concatenate(([True], steps > 0.01))]
    line[:, 2] = np.unwrap(line[:, 2])
    s = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))))
    if s[-1] < 1.0:
        raise RouteError(f"the route is {s[-1]:.2f} m long, 1 m is the least")
    wanted = np.linspace(0.0, s[-1], max(2, round(s[-1]) + 1))
    return np.stack([np.interp(wanted, s, line[:, column]) for column in range(5)], axis=1)


def _piece(lane: Lane, low: float, high: float) -> NDArray[np.float64]:
    """(n, 5) of one lane between two distances [m] along it."""
    inside = lane.s[(lane.s > low + 0.01) & (lane.s < high - 0.01)]
    s = np.concatenate(([low], inside, [high]))
    columns = (lane.points[:, 0], lane.points[:, 1], lane.heading, lane.width, lane.z)
    return np.stack([np.interp(s, lane.s, column) for column in columns], axis=1)
