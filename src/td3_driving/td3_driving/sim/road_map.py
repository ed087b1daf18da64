# SPDX-License-Identifier: Apache-2.0
"""The road network as arrays in the ROS map frame: x, -y of CARLA's axes, counter-clockwise, metres and radians."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.mending import Note

LEVEL = 2.5
"""Lanes whose heights differ by more are on different levels: a car fits between them [m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One driving lane of one lane section, sampled in driving direction.

    Attributes:
        key: OpenDRIVE road, lane section and lane id.
        junction: id of the junction it crosses, -1 outside junctions.
        points: (n, 2) lane centre in the map frame [m].
        heading: (n,) driving direction [rad], unwrapped along the lane.
        width: (n,) lane width [m].
        s: (n,) distance from the start of the lane, in equal steps [m].
        marking: (n, 2) type of the left and right marking, numbered as ``carla.LaneMarkingType`` (10 = none).
        colour: (n, 2) their colours, numbered as ``carla.LaneMarkingColor``.
        successors: indices of the lanes that follow, in ``RoadMap.lanes``.
        z: (n,) height of its centre [m].
    """

    key: tuple[int, int, int]
    junction: int
    points: NDArray[np.float64]
    heading: NDArray[np.float64]
    width: NDArray[np.float64]
    s: NDArray[np.float64]
    marking: NDArray[np.int8]
    colour: NDArray[np.int8]
    successors: tuple[int, ...]
    z: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Length of the lane centre [m]."""
        return float(self.s[-1])

    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Left and right border, (n, 2) each [m]."""
        half = self.width[:, None] / 2.0
        left = np.stack((-np.sin(self.heading), np.cos(self.heading)), axis=1)
        return self.points + left * half, self.points - left * half

    def height(self, s: float) -> float:
        """z [m] at distance ``s`` [m]."""
        return float(np.interp(s, self.s, self.z))

    def pose(self, s: float) -> tuple[float, float, float]:
        """x [m], y [m] and heading [rad] at distance ``s`` [m]."""
        x, y = (float(np.interp(s, self.s, self.points[:, axis])) for axis in (0, 1))
        return x, y, float(np.interp(s, self.s, self.heading))


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A lane that is not driven on, for the scenery: its kind (``sidewalk`` …) and borders, (n, 2) each [m]."""

    kind: str
    left: NDArray[np.float64]
    right: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RoadMap:
    """A road network.

    Attributes:
        name: stem of the file it came from.
        opendrive: the document.
        lanes: all driving lanes.
        strips: sidewalks, shoulders and the like.
        offset: what was subtracted from the x and y of the file to get to the map frame [m].
        notes: on what was changed in the document or left out.
    """

    name: str
    opendrive: str
    lanes: tuple[Lane, ...]
    strips: tuple[Strip, ...]
    offset: tuple[float, float] = (0.0, 0.0)
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        set_once = object.__setattr__
        set_once(self, "sample_x", np.concatenate([lane.points[:, 0] for lane in self.lanes]))
        set_once(self, "sample_y", np.concatenate([lane.points[:, 1] for lane in self.lanes]))
        set_once(self, "sample_z", np.concatenate([lane.z for lane in self.lanes]))
        set_once(self, "levels", bool(np.ptp(self.sample_z) > LEVEL))
        set_once(self, "sample_s", np.concatenate([lane.s for lane in self.lanes]))
        set_once(self, "sample_heading", np.concatenate([lane.heading for lane in self.lanes]))
        set_once(self, "sample_lane", np.repeat(np.arange(len(self.lanes)), [len(lane.s) for lane in self.lanes]))

    sample_x: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_y: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_z: NDArray[np.float64] = None  # type: ignore[assignment]
    levels: bool = False
    sample_s: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_heading: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_lane: NDArray[np.int64] = None  # type: ignore[assignment]

    def near(self, x: float, y: float, radius: float, z: float | None = None) -> list[tuple[int, float, float]]:
        """Lanes with a sample within ``radius`` [m] of a point: lane index, distance along it and left of it [m].

        Ordered by distance from the lane; one entry per lane. With a height ``z`` [m], only lanes on its level.
        """
        squared = (self.sample_x - x) ** 2 + (self.sample_y - y) ** 2
        hits = np.flatnonzero(squared < radius * radius)
        if z is not None and self.levels:
            hits = hits[np.abs(self.sample_z[hits] - z) < LEVEL]
        closest: dict[int, tuple[float, int]] = {}
        for lane, gap, sample in zip(self.sample_lane[hits].tolist(), squared[hits].tolist(), hits.tolist()):
            if lane not in closest or gap < closest[lane][0]:
                closest[lane] = (gap, sample)
        found = [(lane, *self._project(sample, x, y)) for lane, (_, sample) in closest.items()]
        return sorted(found, key=lambda entry: abs(entry[2]))

    def _project(self, sample: int, x: float, y: float) -> tuple[float, float]:
        """Distance along the lane of ``sample`` and left of it [m], on the tangent at that sample."""
        heading = float(self.sample_heading[sample])
        dx, dy = x - float(self.sample_x[sample]), y - float(self.sample_y[sample])
        cosine, sine = math.cos(heading), math.sin(heading)
        along = float(self.sample_s[sample]) + dx * cosine + dy * sine
        length = self.lanes[self.sample_lane[sample]].length
        return min(max(along, 0.0), length), dy * cosine - dx * sine
