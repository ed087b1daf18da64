# SPDX-License-Identifier: Apache-2.0
"""The road network as arrays in the ROS map frame, read once from OpenDRIVE through ``carla.Map``.

CARLA's axes (x forward, y right, left-handed, degrees) become ROS axes (x, -y, counter-clockwise, radians) here and
nowhere else in the simulator. Networks are treated as flat: every lane lies at z = 0.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.maps.drawn import drawn_network
from td3_driving.sim.opendrive import LaneSpan, MapError, lane_spans, read

__all__ = ["Lane", "MapError", "RoadMap", "Strip", "load_map", "map_path"]

OWN_MAPS = ("straight", "curves", "town", "roundabout")
MOST_NETWORKS = 100
"""Drawn networks that one setting may name; each takes some megabytes when it was driven on."""
SPACING = 1.0
"""Greatest distance between two samples of a lane, measured on the reference line of its road [m]."""
EDGE = 1e-3
"""How far inside its range a lane is sampled, so that rounding cannot select the neighbouring section [m]."""
TOUCH = 0.5
"""Greatest distance between the end of a lane and the start of the next [m]."""
TRIAL_TIMEOUT = 60.0
"""Wall time for a foreign map to load in a process of its own [s]; CARLA's largest town needs about 5."""


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

    @property
    def length(self) -> float:
        """Length of the lane centre [m]."""
        return float(self.s[-1])

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Left and right border, (n, 2) each [m]."""
        half = self.width[:, None] / 2.0
        left = np.stack((-np.sin(self.heading), np.cos(self.heading)), axis=1)
        return self.points + left * half, self.points - left * half

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
    """

    name: str
    opendrive: str
    lanes: tuple[Lane, ...]
    strips: tuple[Strip, ...]

    def __post_init__(self) -> None:
        set_once = object.__setattr__
        set_once(self, "sample_x", np.concatenate([lane.points[:, 0] for lane in self.lanes]))
        set_once(self, "sample_y", np.concatenate([lane.points[:, 1] for lane in self.lanes]))
        set_once(self, "sample_s", np.concatenate([lane.s for lane in self.lanes]))
        set_once(self, "sample_heading", np.concatenate([lane.heading for lane in self.lanes]))
        set_once(self, "sample_lane", np.repeat(np.arange(len(self.lanes)), [len(lane.s) for lane in self.lanes]))

    sample_x: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_y: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_s: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_heading: NDArray[np.float64] = None  # type: ignore[assignment]
    sample_lane: NDArray[np.int64] = None  # type: ignore[assignment]

    def near(self, x: float, y: float, radius: float) -> list[tuple[int, float, float]]:
        """Lanes with a sample within ``radius`` [m] of a point: lane index, distance along it and left of it [m].

        Ordered by distance from the lane; one entry per lane.
        """
        squared = (self.sample_x - x) ** 2 + (self.sample_y - y) ** 2
        hits = np.flatnonzero(squared < radius * radius)
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


def drawn_seeds(name: str) -> range | None:
    """The seeds that ``drawn``, ``drawn:SEED`` or ``drawn:FIRST-LAST`` names; ``None`` where it is another map.

    Raises:
        MapError: it begins like these but names no seeds.
    """
    word, colon, seeds = name.partition(":")
    if word != "drawn":
        return None
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", seeds if colon else "0")
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
    if not 0 <= last - first < MOST_NETWORKS:
        wanted = f"drawn:SEED or drawn:FIRST-LAST, of up to {MOST_NETWORKS} networks"
        raise MapError(f"map {name!r} is not of the form {wanted}")
    return range(first, last + 1)


def map_names(name: str) -> list[str]:
    """The maps that the setting ``simulator.map`` stands for: one, or each of the drawn ones.

    Raises:
        MapError: see :func:`drawn_seeds`.
    """
    seeds = drawn_seeds(name)
    return [name] if seeds is None else [f"drawn:{seed}" for seed in seeds]


def map_path(name_or_path: str) -> Path:
    """The file of one of our own maps, or the path itself."""
    if name_or_path in OWN_MAPS:
        return Path(__file__).parent / "maps" / f"{name_or_path}.xodr"
    return Path(name_or_path).expanduser()


def load_map(name_or_path: str) -> RoadMap:
    """Load ``straight``, ``curves``, ``town``, ``roundabout``, ``drawn:SEED``, or any OpenDRIVE file by its path.

    Raises:
        MapError: the file is missing, broken, or has no lane to drive on.
    """
    seeds = drawn_seeds(name_or_path)
    if seeds is not None:
        drawn = Path(f"drawn_{seeds[0]}.xodr")
        text = drawn_network(seeds[0])
        return _build(text, lane_spans(text, drawn.name), drawn)
    path = map_path(name_or_path)
    text = read(path)
    spans = lane_spans(text, path.name)
    if name_or_path not in OWN_MAPS:
        _try_in_another_process(text, path.name)
    return _build(text, spans, path)


def _try_in_another_process(text: str, name: str) -> None:
    """Load a foreign map in another process first: libcarla can end the process on documents that look right."""
    program = "import carla, sys; m = carla.Map('trial', sys.stdin.read()); m.get_topology(); m.generate_waypoints(5.0)"
    command = [sys.executable, "-c", program]
    try:
        trial = subprocess.run(command, input=text, text=True, capture_output=True, timeout=TRIAL_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise MapError(f"map {name!r} did not load within {TRIAL_TIMEOUT:.0f} s") from error
    if trial.returncode != 0:
        last = (trial.stderr.strip().splitlines() or [f"exit status {trial.returncode}"])[-1]
        raise MapError(f"map {name!r} cannot be read by CARLA's OpenDRIVE parser: {last}")


def _build(text: str, spans: list[LaneSpan], path: Path) -> RoadMap:
    import carla

    try:
        network = carla.Map(path.stem, text)
    except RuntimeError as error:
        raise MapError(f"map {path.name!r} cannot be read by CARLA's OpenDRIVE parser: {error}") from error
    rows = {span: _waypoints(network, span) for span in spans if span.end - span.start > 4.0 * EDGE}
    driving = {span: row for span, row in rows.items() if span.kind == "driving" and row}
    if not driving:
        raise MapError(f"map {path.name!r} has no lane that CARLA's OpenDRIVE parser accepts")
    index = {(span.road, span.section, span.lane): position for position, span in enumerate(driving)}
    following = _successors(network, index, list(driving.values()))
    lanes = tuple(_lane(span, row, after) for (span, row), after in zip(driving.items(), following))
    strips = tuple(_strip(span, row) for span, row in rows.items() if span.kind in ("sidewalk", "shoulder") and row)
    return RoadMap(path.stem, text, lanes, strips)


def _waypoints(network: Any, span: LaneSpan) -> list[Any]:
    """CARLA's waypoints along a lane, in driving direction; empty when CARLA does not know the lane."""
    count = max(2, math.ceil((span.end - span.start) / SPACING) + 1)
    positions = np.linspace(span.start + EDGE, span.end - EDGE, count)
    row = [network.get_waypoint_xodr(span.road, span.lane, float(s)) for s in positions]
    if any(waypoint is None for waypoint in row):
        return []
    first, second = row[0].transform, row[1].transform
    forward = first.get_forward_vector()
    step = second.location - first.location
    return row if forward.x * step.x + forward.y * step.y > 0.0 else row[::-1]


def _successors(network: Any, index: dict[tuple[int, int, int], int], rows: list[list[Any]]) -> list[set[int]]:
    """Which lanes follow each lane; CARLA's topology pairs the starts of consecutive lanes.

    CARLA also pairs lanes of road 0 or without a link with lanes elsewhere, so only lanes that touch are taken.
    """
    following: list[set[int]] = [set() for _ in rows]
    for pair in network.get_topology():
        before, after = (index.get((end.road_id, end.section_id, end.lane_id)) for end in pair)
        if before is None or after is None:
            continue
        if rows[before][-1].transform.location.distance(rows[after][0].transform.location) < TOUCH:
            following[before].add(after)
    return following


def _points(row: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 2) [m] and unwrapped headings (n,) [rad] in the ROS map frame."""
    transforms = [waypoint.transform for waypoint in row]
    points = np.array([(transform.location.x, -transform.location.y) for transform in transforms])
    heading = np.unwrap([-math.radians(transform.rotation.yaw) for transform in transforms])
    return points, np.asarray(heading)


def _lane(span: LaneSpan, row: list[Any], following: set[int]) -> Lane:
    """The lane sampled anew at equal distances: in bends CARLA's waypoints are not equally far apart."""
    points, heading = _points(row)
    marks = [(waypoint.left_lane_marking, waypoint.right_lane_marking) for waypoint in row]
    uneven = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    s = np.linspace(0.0, uneven[-1], len(row))
    width = np.array([waypoint.lane_width for waypoint in row])
    x, y, heading, width = (np.interp(s, uneven, column) for column in (*points.T, heading, width))
    return Lane(
        key=(span.road, span.section, span.lane),
        junction=span.junction,
        points=np.stack((x, y), axis=1),
        heading=heading,
        width=width,
        s=s,
        marking=np.array([[int(mark.type) for mark in pair] for pair in marks], dtype=np.int8),
        colour=np.array([[int(mark.color) for mark in pair] for pair in marks], dtype=np.int8),
        successors=tuple(sorted(following)),
    )


def _strip(span: LaneSpan, row: list[Any]) -> Strip:
    points, heading = _points(row)
    half = np.array([waypoint.lane_width for waypoint in row])[:, None] / 2.0
    left = np.stack((-np.sin(heading), np.cos(heading)), axis=1)
    return Strip(span.kind, points + left * half, points - left * half)
