# SPDX-License-Identifier: Apache-2.0
"""Rays against boxes and the ground: for lidars, radars, depth, and questions of a client. In the map frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from td3_driving.carla_server.actors import Solid, Thing
from td3_driving.carla_server.axes import to_map
from td3_driving.carla_server.blueprints import LABELS
from td3_driving.carla_server.episode import Episode
from td3_driving.carla_server.eyes import SURFACE_LABELS
from td3_driving.carla_server.records import Label, LabelledPoint, Location, Vector3D
from td3_driving.carla_server.town import Town
from td3_driving.sim.land import surroundings
from td3_driving.sim.surfaces import INDEX

GROUND = -1
"""Place of the ground among the things that a ray hits."""
NOTHING = -2
CELL = 0.25
"""Edge of a cell of the map of labels [m]."""
MOST_CELLS = 2**24
CROWN = 0.85
"""Half width of the box of a crown over its greatest radius."""


class Boxes(NamedTuple):
    """Boxes (n, 8): x, y, z of the middle, heading [rad], half length, width, height [m]; and reach [m] in the plane.

    Attributes:
        labels: (n,) semantic labels. ids: (n,) actors, 0 for things of the map.
    """

    rows: np.ndarray
    labels: np.ndarray
    ids: np.ndarray


class Hits(NamedTuple):
    """Hits of rays, (n,) each: distance [m], infinite for nothing; label; actor, 0 for none."""

    distance: np.ndarray
    label: np.ndarray
    actor: np.ndarray


class Rays:
    """Casts rays through an episode; reads the static objects once per map."""

    def __init__(self) -> None:
        self._standing: dict[str, Boxes] = {}
        self._floors: dict[str, Floor] = {}

    def cast(
        self, episode: Episode, at: Location, along: np.ndarray, reach: float, sensor: Thing | None = None
    ) -> Hits:
        """Rays from one place.

        Args:
            at: in CARLA's axes. along: (n, 3) unit vectors in the map frame. reach: longest distance [m].
            sensor: what it hangs on is not hit.
        """
        start = np.array([at.x, -at.y, at.z])
        boxes = self.boxes(episode, start, reach, sensor)
        distance, index = through(start, along, boxes.rows, reach)
        label, actor = np.zeros(len(along), np.uint8), np.zeros(len(along), np.int64)
        on_box = index >= 0
        label[on_box], actor[on_box] = boxes.labels[index[on_box]], boxes.ids[index[on_box]]
        ground = index == GROUND
        if ground.any():
            where = start + along[ground] * distance[ground, None]
            label[ground] = self._floor(episode.town).labels(where[:, 0], where[:, 1])
        return Hits(distance, label, actor)

    def through(self, episode: Episode, start: Vector3D, along: Vector3D, reach: float) -> list[LabelledPoint]:
        """Every box that one ray enters and the ground, nearest first, in CARLA's axes."""
        vector = np.array([along.x, -along.y, along.z])
        norm = float(np.linalg.norm(vector))
        if norm == 0.0 or reach <= 0.0:
            return []
        reach = min(reach, 2000.0)
        origin = np.array([start.x, -start.y, start.z])
        boxes = self.boxes(episode, origin, reach, None)
        found = []
        for row, label in zip(boxes.rows, boxes.labels.tolist()):
            distance, index = through(origin, vector[None] / norm, row[None], reach)
            if index[0] >= 0:
                found.append((float(distance[0]), int(label)))
        distance, index = through(origin, vector[None] / norm, np.zeros((0, 8)), reach)
        if index[0] == GROUND:
            where = origin + vector / norm * distance[0]
            found.append((float(distance[0]), int(self._floor(episode.town).labels(where[:1], where[1:2])[0])))
        points = [(origin + vector / norm * length, label) for length, label in sorted(found)]
        return [LabelledPoint(Location(float(p[0]), -float(p[1]), float(p[2])), label) for p, label in points]

    def boxes(self, episode: Episode, at: np.ndarray, reach: float, sensor: Thing | None) -> Boxes:
        """Boxes within reach, but for what a sensor hangs on."""
        still = self._of(episode.town)
        gap = np.hypot(still.rows[:, 0] - at[0], still.rows[:, 1] - at[1]) - still.rows[:, 7]
        near = gap < reach
        moving = [solid for solid in episode.solids if sensor is None or solid is not sensor.parent]
        rows = np.array([_row(solid) for solid in moving]).reshape(-1, 8)
        labels = np.array([LABELS.get(solid.body.kind, Label.DYNAMIC) for solid in moving], dtype=np.uint8)
        ids = np.array([solid.id for solid in moving], dtype=np.int64)
        close = np.hypot(rows[:, 0] - at[0], rows[:, 1] - at[1]) - rows[:, 7] < reach
        return Boxes(
            np.concatenate((still.rows[near], rows[close])),
            np.concatenate((still.labels[near], labels[close])),
            np.concatenate((still.ids[near], ids[close])),
        )

    def _of(self, town: Town) -> Boxes:
        if town.name not in self._standing:
            self._standing[town.name] = _standing(town)
        return self._standing[town.name]

    def _floor(self, town: Town) -> Floor:
        if town.name not in self._floors:
            self._floors[town.name] = Floor(town)
        return self._floors[town.name]

    def prepare(self, town: Town) -> None:
        """Look up what stands on a map, and paint its floor."""
        self._of(town)
        self._floor(town)

    def forget(self) -> None:
        """The map may be another one under the same name."""
        self._standing.clear()
        self._floors.clear()


def _row(solid: Solid) -> tuple[float, ...]:
    x, y, yaw = to_map(solid.transform)
    body, z = solid.body, solid.transform.location.z + solid.box.location.z
    reach = float(np.hypot(body.length, body.width)) / 2.0
    return x, y, z, yaw, body.length / 2.0, body.width / 2.0, body.height / 2.0, reach


def _standing(town: Town) -> Boxes:
    """Houses, and trees as boxes: one for the trunk and three for the crown."""
    houses = town.houses
    half = houses[:, 3:6] / 2.0
    rows = np.column_stack((houses[:, :2], half[:, 2], houses[:, 2], half, np.hypot(half[:, 0], half[:, 1])))
    trees = [_tree(part) for part, kind in _parts(town) if kind.startswith(("trunk", "leaves"))]
    everything = np.concatenate((rows, np.array(trees).reshape(-1, 8)))
    labels = np.full(len(everything), Label.VEGETATION, dtype=np.uint8)
    labels[: len(rows)] = Label.BUILDINGS
    return Boxes(everything, labels, np.zeros(len(everything), dtype=np.int64))


def _parts(town: Town) -> list[tuple[np.ndarray, str]]:
    names = list(INDEX)
    solids = town.skyline.solids
    return [(part, names[surface[0, 0]]) for part, surface in zip(solids.corners, solids.surface) if len(part)]


def _tree(part: np.ndarray) -> tuple[float, ...]:
    low, high = part.reshape(-1, 3).min(axis=0), part.reshape(-1, 3).max(axis=0)
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    wide = float(max(half[0], half[1])) * CROWN
    return (*middle.tolist(), 0.0, wide, wide, float(half[2]), wide * 2.0**0.5)


Candidates = Callable[[np.ndarray], np.ndarray]
"""Gives the indices of those rays that a box can be hit by."""


def through(
    start: np.ndarray, along: np.ndarray, boxes: np.ndarray, reach: float, candidates: Candidates | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Where rays end: distance (n,) [m], infinite where nowhere, and the box (n,), or GROUND, or NOTHING.

    The slab method (Kay and Kajiya, Ray tracing complex scenes, 1986) in the axes of each box.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(along[:, 2] < 0.0, -start[2] / along[:, 2], np.inf)
    ground[(ground < 0.0) | (ground > reach)] = np.inf
    candidates = candidates or Fan(start, along).towards
    best, index = ground, np.where(np.isfinite(ground), GROUND, NOTHING)
    for number, box in enumerate(boxes):
        chosen = candidates(box)
        if len(chosen):
            entry = _entry(start, along[chosen], box)
            closer = entry < np.minimum(best[chosen], reach)
            best[chosen[closer]], index[chosen[closer]] = entry[closer], number
    return best, index


class Fan:
    """Rays from one place, by their direction in the plane."""

    def __init__(self, start: np.ndarray, along: np.ndarray) -> None:
        self._start = start
        azimuth = np.arctan2(along[:, 1], along[:, 0])
        self._order = np.argsort(azimuth)
        self._azimuth = azimuth[self._order]

    def towards(self, box: np.ndarray) -> np.ndarray:
        """Indices of the rays that pass the circle around a box (8,) in the plane."""
        dx, dy, reach = box[0] - self._start[0], box[1] - self._start[1], box[7]
        gap = math.hypot(dx, dy)
        if gap <= reach:
            return self._order
        middle, half = math.atan2(dy, dx), math.asin(reach / gap)
        # The circle is cut at the direction of -x.
        spans = [(middle - half + turn, middle + half + turn) for turn in (0.0, -2.0 * math.pi, 2.0 * math.pi)]
        bounds = np.searchsorted(self._azimuth, np.array(spans)).tolist()
        return np.concatenate([self._order[first:last] for first, last in bounds])


def _entry(start: np.ndarray, along: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Distance to where rays enter a box; infinite where they miss it or begin in it."""
    cosine, sine = np.cos(box[3]), np.sin(box[3])
    offset = start - box[:3]
    origin = np.array([offset[0] * cosine + offset[1] * sine, offset[1] * cosine - offset[0] * sine, offset[2]])
    turned = np.column_stack(
        (along[:, 0] * cosine + along[:, 1] * sine, along[:, 1] * cosine - along[:, 0] * sine, along[:, 2])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-box[4:7] - origin) / turned, (box[4:7] - origin) / turned
    near = np.nanmax(np.minimum(first, second), axis=1)
    far = np.nanmin(np.maximum(first, second), axis=1)
    return np.where((near <= far) & (near > 0.0), near, np.inf)


class Floor:
    """Which label the ground has where: a picture of the scenery from above."""

    def __init__(self, town: Town) -> None:
        ground = surroundings(town.roads)[0]
        x, y = town.roads.sample_x, town.roads.sample_y
        self._low = np.array([x.min() - 40.0, y.min() - 40.0])
        size = np.array([x.max() + 40.0, y.max() + 40.0]) - self._low
        self._cell = max(CELL, float(np.sqrt(size.prod() / MOST_CELLS)))
        columns, rows = (np.ceil(size / self._cell).astype(int) + 1).tolist()
        self._picture = np.full((rows, columns), Label.TERRAIN, dtype=np.uint8)
        for quads in (ground.verge, ground.asphalt, ground.paint):
            mesh = quads.mesh()
            corners = np.round(((mesh.corners[..., :2] - self._low) / self._cell - 0.5) * 16.0).astype(np.int32)
            for quad, label in zip(corners, SURFACE_LABELS[mesh.surface[:, 0]].tolist()):
                cv2.fillConvexPoly(self._picture, quad, label, cv2.LINE_8, 4)

    def labels(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(n,) at places [m] of the map frame; terrain beyond the map."""
        column = ((x - self._low[0]) / self._cell).astype(np.int64)
        row = ((y - self._low[1]) / self._cell).astype(np.int64)
        height, width = self._picture.shape
        known = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        found = np.full(len(x), Label.TERRAIN, dtype=np.uint8)
        found[known] = self._picture[row[known], column[known]]
        return found
