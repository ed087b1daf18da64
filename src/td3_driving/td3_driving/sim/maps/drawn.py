# SPDX-License-Identifier: Apache-2.0
"""Road networks drawn from a seed: crossings, T-junctions and bends on a crooked grid, joined by winding streets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from td3_driving.sim.maps.curve import Cubic, Pose, cubic
from td3_driving.sim.maps.document import Arm, Document, Style

COLUMNS, ROWS, LEAST_NODES = (2, 5), (2, 5), 8
"""Nodes of the grid each way, the upper bounds excluded, and at least this many in all."""
BLOCK = (90.0, 170.0)
"""Distance between two columns or rows [m]."""
JITTER = 12.0
"""How far a node may lie from its place on the most crooked grid, each way [m]."""
TURN = 0.2
"""How far the arms of a node may be turned against that grid [rad]."""
GAPS = ((6.5, 10.0), (6.5, 19.0))
"""Distance between a node and the ends of its streets [m], in narrow and in wide networks; the turns of a junction have
about this radius. The turns of towns are narrow (CARLA's Town01 and Town02: left 12 to 14 m, right 8 to 10 m), and who
has seen wide ones for the most part begins them too early, too late or not at all there."""
LATE = (1.0, 1.6)
"""How late and how tight the turns of the junctions are (:func:`td3_driving.sim.maps.curve.cubic`): from circles
to turns that begin some 4 m behind the stop line and have half that radius, as those of CARLA's towns."""
REMOVED = 0.45
"""Greatest share of the grid's streets that is left out."""
LANE, LANE_CHANGE, LANE_BOUNDS = (3.0, 4.0), 0.2, (2.9, 4.2)
"""Lane width of the network, how far a street's may be from it, and the bounds of that [m]."""
BULGE, SKEW = 0.13, 0.35
"""How far a street's middle lies beside the line between its ends, as a share of it, and how far it is turned [rad], on
the most crooked grid."""
LEAST_RADIUS = 25.0
"""Least radius of the bends of a street [m]."""
BARE = ("none", "standard")
STYLES = (
    Style(),
    Style(middle=("solid", "yellow")),
    Style(middle=("broken", "white")),
    Style(middle=("broken", "white"), beside="shoulder", beside_width=1.2),
    Style(edge=BARE),
    Style(edge=BARE, beside_width=1.8),
    Style(edge=BARE, middle=("solid", "yellow")),
    Style(edge=BARE, middle=("broken", "white"), beside_width=3.0),
)
"""Half of them have no line at the edge, as the streets of CARLA's Town01 and Town02: who has always seen that line
takes the kerb for it and drives beside the middle of the lane."""

Node = tuple[int, int]
"""Column and row."""
Edge = tuple[Node, Node]
"""Two neighbours, the one with the smaller column or row first."""


def drawn_network(seed: int) -> str:
    """The OpenDRIVE document of the network of ``seed``, a whole number from 0; equal seeds, equal text."""
    rng = np.random.default_rng([4, seed])
    crooked, gap = float(rng.uniform()), GAPS[int(rng.integers(len(GAPS)))]
    columns, rows = int(rng.integers(*COLUMNS)), int(rng.integers(*ROWS))
    rows = max(rows, -(-LEAST_NODES // columns))
    places = _places(columns, rows, crooked, rng)
    edges = _thinned(_grid(columns, rows), float(rng.uniform(0.0, REMOVED)), rng)
    document = Document(f"drawn_{seed}", STYLES[int(rng.integers(len(STYLES)))])
    lane = float(rng.uniform(*LANE))
    arms: dict[Node, list[Arm]] = {node: [] for node in places}
    gaps = {node: float(rng.uniform(*gap)) for node in places}
    for first, second in edges:
        ends = _out(places, gaps, first, second), _out(places, gaps, second, first)
        curves, end = _street(*ends, crooked, rng)
        width = float(np.clip(lane + rng.uniform(-LANE_CHANGE, LANE_CHANGE), *LANE_BOUNDS))
        street = document.street(curves, end, (width, width))
        arms[first].append(Arm(street, at_end=False))
        arms[second].append(Arm(street, at_end=True))
    style = document.style
    document.style = replace(style, corners=bool(rng.integers(2)), late=float(rng.uniform(*LATE)))
    for met in arms.values():
        document.bend(*met) if len(met) == 2 else document.junction(met)
    return document.text()


def _places(columns: int, rows: int, crooked: float, rng: np.random.Generator) -> dict[Node, Pose]:
    """Where the nodes are, and how they are turned against the grid: straight with 0, most crooked with 1."""
    x, y = (np.concatenate(([0.0], np.cumsum(rng.uniform(*BLOCK, count - 1)))) for count in (columns, rows))
    return {
        (column, row): (
            float(x[column] + crooked * rng.uniform(-JITTER, JITTER)),
            float(y[row] + crooked * rng.uniform(-JITTER, JITTER)),
            float(crooked * rng.uniform(-TURN, TURN)),
        )
        for column in range(columns)
        for row in range(rows)
    }


def _grid(columns: int, rows: int) -> list[Edge]:
    across = [((column, row), (column + 1, row)) for row in range(rows) for column in range(columns - 1)]
    upwards = [((column, row), (column, row + 1)) for column in range(columns) for row in range(rows - 1)]
    return [*across, *upwards]


def _thinned(edges: list[Edge], share: float, rng: np.random.Generator) -> list[Edge]:
    """Leave some edges out; every node keeps two, one at least keeps three, and all stay connected."""
    kept = list(edges)
    for index in rng.permutation(len(edges))[: int(share * len(edges))]:
        left = [edge for edge in kept if edge != edges[index]]
        degrees = _degrees(left)
        if min(degrees.get(node, 0) for node in edges[index]) >= 2 and max(degrees.values()) > 2 and _connected(left):
            kept = left
    return kept


def _degrees(edges: list[Edge]) -> dict[Node, int]:
    degrees: dict[Node, int] = {}
    for node in (node for edge in edges for node in edge):
        degrees[node] = degrees.get(node, 0) + 1
    return degrees


def _connected(edges: list[Edge]) -> bool:
    nodes = set(_degrees(edges))
    reached, frontier = {min(nodes)}, [min(nodes)]
    while frontier:
        here = frontier.pop()
        beside = {node for edge in edges if here in edge for node in edge} - reached
        reached |= beside
        frontier += sorted(beside)
    return reached == nodes


def _out(places: dict[Node, Pose], gaps: dict[Node, float], node: Node, towards: Node) -> Pose:
    """Where the street from ``node`` to its neighbour begins, heading away from the node."""
    x, y, turn = places[node]
    heading = turn + math.atan2(towards[1] - node[1], towards[0] - node[0])
    return x + gaps[node] * math.cos(heading), y + gaps[node] * math.sin(heading), heading


def _street(start: Pose, other: Pose, crooked: float, rng: np.random.Generator) -> tuple[list[Cubic], Pose]:
    """Two curves from ``start`` to ``other``, through a place beside the middle; and the pose at their end."""
    end = other[0], other[1], other[2] + math.pi
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    distance = math.dist(start[:2], end[:2])
    bulge, skew = (crooked * float(rng.uniform(-most, most)) for most in (BULGE, SKEW))
    bulge *= distance
    while True:
        middle = (
            (start[0] + end[0]) / 2.0 - bulge * math.sin(along),
            (start[1] + end[1]) / 2.0 + bulge * math.cos(along),
            along + skew,
        )
        curves = [cubic(start, middle), cubic(middle, end)]
        if min(curve.tightest() for curve in curves) >= LEAST_RADIUS or abs(bulge) + abs(skew) < 1e-2:
            return curves, end
        bulge, skew = 0.7 * bulge, 0.7 * skew
