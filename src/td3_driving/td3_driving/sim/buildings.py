# SPDX-License-Identifier: Apache-2.0
"""Buildings and trees beside the roads, drawn from a seed. Plain arrays: nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.cells import Cells
from td3_driving.sim.collision import overlaps
from td3_driving.sim.mesh import Quads, block, place
from td3_driving.sim.roads import Lane, RoadMap
from td3_driving.sim.surfaces import family

WALLS, LEAVES = len(family("wall")), len(family("leaves"))
"""How many colours walls and leaves have."""
FLOOR_HEIGHT, BAY = 3.2, 3.0
"""Size of one window cell of the facade texture [m]."""
PITCH = 19.0
"""Distance between two plots along a road [m]."""
ROAD_CLEARANCE = 3.0
"""Least distance of a wall from the border of a lane or sidewalk [m]."""
TREE_CLEARANCE = 1.2


@dataclass(frozen=True, slots=True)
class Skyline:
    """Walls carry the facade texture, solids do not."""

    walls: Quads
    solids: Quads
    plots: NDArray[np.float64]
    """(n, 5) centre x, y [m], heading [rad], length, width [m] of the buildings."""


def skyline(roads: RoadMap, rng: np.random.Generator) -> Skyline:
    """Buildings along both sides of every road, trees between road and buildings and in the gaps."""
    paved = _paved(roads)
    made = Skyline(Quads(), Quads(), _plots(roads, paved, rng))
    for plot in made.plots:
        _building(made, plot, rng)
    for x, y in _tree_places(roads, paved, made.plots, rng):
        _tree(made.solids, x, y, rng)
    return made


def _free(paved: Cells, plot: NDArray[np.float64], clearance: float) -> bool:
    """Whether nothing paved (x, y, half width) comes closer than ``clearance`` [m] to a plot (5,)."""
    x, y, heading, length, width = plot
    near = paved.around(x, y)
    dx, dy = near[:, 0] - x, near[:, 1] - y
    close = np.abs(dx) + np.abs(dy) < length + width + 3.0 * clearance + 12.0
    dx, dy, reach = dx[close], dy[close], near[close, 2] + clearance
    cosine, sine = np.cos(heading), np.sin(heading)
    along, across = np.abs(dx * cosine + dy * sine), np.abs(dy * cosine - dx * sine)
    return not ((along < length / 2.0 + reach) & (across < width / 2.0 + reach)).any()


def _paved(roads: RoadMap) -> Cells:
    """Centres and half widths of everything paved [m]."""
    lanes = [np.column_stack((lane.points, lane.width / 2.0)) for lane in roads.lanes]
    strips = [
        np.column_stack(((strip.left + strip.right) / 2.0, np.hypot(*(strip.left - strip.right).T) / 2.0))
        for strip in roads.strips
    ]
    paved = Cells(columns=3)
    paved.add(np.concatenate([*lanes, *strips]))
    return paved


def _plots(roads: RoadMap, paved: Cells, rng: np.random.Generator) -> NDArray[np.float64]:
    chosen, cells = [], Cells(columns=5)
    for lane in roads.lanes:
        if lane.junction >= 0:
            continue
        for s in np.arange(PITCH / 2.0, lane.length, PITCH):
            plot = _plot_beside(lane, float(s), rng)
            if rng.random() < 0.85 and _free(paved, plot, ROAD_CLEARANCE):
                x, y, heading, length, width = plot
                if not overlaps((x, y, heading, length + 1.0, width + 1.0), cells.around(x, y)).any():
                    cells.add(plot[None])
                    chosen.append(plot)
    return np.array(chosen).reshape(-1, 5)


def _plot_beside(lane: Lane, s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A plot on the right of a lane, its front along the road."""
    x, y, heading = lane.pose(s)
    length, width = rng.uniform(9.0, 17.0), rng.uniform(8.0, 13.0)
    setback = lane.width[0] / 2.0 + rng.uniform(7.5, 13.0) + width / 2.0
    return np.array([x + setback * np.sin(heading), y - setback * np.cos(heading), heading, length, width])


def _building(made: Skyline, plot: NDArray[np.float64], rng: np.random.Generator) -> None:
    x, y, heading, length, width = plot
    floors = int(rng.integers(2, 7))
    height = floors * FLOOR_HEIGHT
    wall, tone = int(rng.integers(WALLS)), rng.uniform(0.92, 1.05)
    faces = place(block((-length / 2, length / 2), (-width / 2, width / 2), (0.0, height)), x, y, heading)
    columns = np.round(np.array([width, width, length, length]) / BAY)
    texture = np.zeros((4, 4, 2))
    texture[:, 1:3, 0] = columns[:, None]
    texture[:, 2:, 1] = floors
    # Walls are darker near the ground.
    tones = np.broadcast_to(tone * np.array([0.82, 0.82, 1.0, 1.0])[:, None], (4, 4, 1))
    made.walls.add(faces[:4], f"wall_{wall}", tones, texture)
    made.solids.add(faces[4:], "roof")


def _tree_places(
    roads: RoadMap, paved: Cells, plots: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(n, 2) places [m] clear of roads and buildings."""
    samples = rng.integers(len(roads.sample_x), size=len(roads.sample_x) // 11)
    side = rng.choice([-1.0, 1.0], size=len(samples)) * rng.uniform(4.0, 22.0, size=len(samples))
    heading = roads.sample_heading[samples]
    x, y = roads.sample_x[samples] + side * np.sin(heading), roads.sample_y[samples] - side * np.cos(heading)
    chosen, built = [], Cells(columns=5)
    built.add(plots)
    for point in np.column_stack((x, y)):
        plot = np.array([*point, 0.0, 1.0, 1.0])
        if _free(paved, plot, TREE_CLEARANCE) and not overlaps((*point, 0.0, 4.0, 4.0), built.around(*point)).any():
            chosen.append(point)
    return np.array(chosen).reshape(-1, 2)


def _tree(solids: Quads, x: float, y: float, rng: np.random.Generator) -> None:
    """A trunk and a crown of three blunt cones with five sides."""
    size, turn = rng.uniform(0.8, 1.35), rng.uniform(0.0, np.pi)
    trunk = block((-0.15, 0.15), (-0.15, 0.15), (0.0, 2.2 * size))[:4]
    solids.add(place(trunk, x, y, turn), "trunk")
    leaves = f"leaves_{int(rng.integers(LEAVES))}"
    rings = ((1.2, 1.6), (2.0, 2.9), (4.2, 2.3), (6.2, 0.25))
    for (low, wide), (high, narrow) in zip(rings, rings[1:]):
        crown = place(_cone(wide * size * 0.8, narrow * size * 0.8, low * size + 0.6, high * size + 0.6), x, y, turn)
        solids.add(crown, leaves)


def _cone(wide: float, narrow: float, low: float, high: float, sides: int = 5) -> NDArray[np.float64]:
    angle = np.linspace(0.0, 2.0 * np.pi, sides + 1)
    around = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    quads = np.zeros((sides, 4, 3))
    quads[:, 0, :2], quads[:, 1, :2] = wide * around[:-1], wide * around[1:]
    quads[:, 2, :2], quads[:, 3, :2] = narrow * around[1:], narrow * around[:-1]
    quads[:, :2, 2], quads[:, 2:, 2] = low, high
    return quads
