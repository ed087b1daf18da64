# SPDX-License-Identifier: Apache-2.0
"""Samples the lanes of an OpenDRIVE document through ``carla.Map``.

CARLA's axes (x forward, y right, left-handed, degrees) become ROS axes (x, -y, counter-clockwise, radians) here and
nowhere else in the simulator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.lane_links import LaneKey
from td3_driving.sim.opendrive import CheckedMap, LaneSpan, MapError, Note
from td3_driving.sim.road_map import Lane, RoadMap, Strip

SPACING = 1.0
"""Greatest distance between two samples of a lane, measured on the reference line of its road [m]."""
EDGE = 1e-3
"""How far inside its range a lane is sampled, so that rounding cannot select the neighbouring section [m]."""
ROUNDING = 2.0**-23
"""Share of a distance along a road by which CARLA's parser rounds it; beyond 8 km that is more than :data:`EDGE`."""
TOUCH = 0.5
"""Greatest distance between the end of a lane and the start of the next [m]."""
SHARPEST = math.radians(60.0)
"""Greatest turn between the end of a lane and the start of the next [rad]."""
JUMP = 4.0
"""Greatest distance between two samples of a lane beyond what its spacing and its turn explain [m]: a lane's width."""
WIDEST_TURN = 50.0
"""How far from its road's reference line a lane may lie: so much longer is its way in a bend [m]."""
LEAST_WIDTH = 2.0
"""Nobody drives where a lane is narrower [m]."""
BROADEST = 1000.0
"""Widest lane, a parking ground or a racing track [m]."""
HIGHEST = 1e5
"""Greatest height of a lane above or below 0 [m]."""
HILL = 0.5
"""Differences of height up to this are not worth a word [m]."""
NO_MARK = (10, 0)
"""Type and colour of no marking, as ``carla.LaneMarkingType`` and ``carla.LaneMarkingColor`` count."""


def build(document: CheckedMap, name: str, file: str = "") -> RoadMap:
    """Sample all lanes of a document that is known to be readable.

    Raises:
        MapError: CARLA's parser refuses it, a lane has no finite shape, or none is wide enough to drive on.
    """
    import carla

    file = file or f"{name}.xodr"
    try:
        network = carla.Map(name, document.text)
    except (RuntimeError, IndexError) as error:
        raise MapError(f"map {file!r} cannot be read by CARLA's OpenDRIVE parser: {error}") from error
    samples = [_Samples(network, span) for span in document.spans if span.end - span.start > 4.0 * _edge(span)]
    driving = [each for each in samples if each.span.kind == "driving" and each.row]
    for each in driving:
        if problem := each.problem():
            raise MapError(f"map {file!r}: {each} {problem}")
    if not driving:
        known = " and ".join(sorted({str(span.road) for span in document.spans if span.kind == "driving"})[:3])
        raise MapError(f"map {file!r} has no lane that CARLA's OpenDRIVE parser accepts, on road {known} for one")
    pieces = [piece for each in driving for piece in each.pieces()]
    if not pieces:
        raise MapError(f"map {file!r} has no lane that is {LEAST_WIDTH:g} m wide{_widest(driving)}")
    following, gaps = _successors(pieces, _topology(network), document.pairs)
    lanes = tuple(piece.lane(after) for piece, after in zip(pieces, following))
    strips = tuple(
        each.strip() for each in samples if each.span.kind in ("sidewalk", "shoulder") and each.row and each.finite
    )
    broken = (*_unknown(samples), *_narrow(driving), *_torn(driving))
    notes = (*document.notes, *broken, *gaps, *_hills(lanes))
    return RoadMap(name, document.text, lanes, strips, document.offset, notes)


def _edge(span: LaneSpan) -> float:
    return max(EDGE, span.end * ROUNDING)


class _Samples:
    """CARLA's waypoints along a lane, in driving direction; ``row`` is empty when CARLA does not know the lane.

    Attributes:
        turned: whether CARLA drives the lane in the other direction than the document says.
    """

    def __init__(self, network: Any, span: LaneSpan) -> None:
        count = max(2, math.ceil((span.end - span.start) / SPACING) + 1)
        edge = _edge(span)
        positions = np.linspace(span.start + edge, span.end - edge, count)
        row = [network.get_waypoint_xodr(span.road, span.lane, float(s)) for s in positions]
        self.span, self.row, self.turned = span, [] if any(waypoint is None for waypoint in row) else row, False
        if not self.row:
            return
        first, second = row[0].transform, row[1].transform
        forward = first.get_forward_vector()
        step = second.location - first.location
        self.turned = (forward.x * step.x + forward.y * step.y > 0.0) != span.forward
        self.row = row if span.forward else row[::-1]
        transforms = [waypoint.transform for waypoint in self.row]
        self.points = np.array([(place.location.x, -place.location.y) for place in transforms])
        self.z = np.array([place.location.z for place in transforms])
        heading = np.unwrap([-math.radians(place.rotation.yaw) for place in transforms])
        self.heading = np.asarray(heading + math.pi if self.turned else heading)
        self.width = np.array([waypoint.lane_width for waypoint in self.row])

    def __str__(self) -> str:
        return f"lane {self.span.lane} of road {self.span.road}"

    @property
    def finite(self) -> bool:
        """Whether it is known and has a shape."""
        return not self.row or all(np.isfinite(part).all() for part in self._columns())

    def problem(self) -> str:
        """What is wrong with its shape; empty where one can drive on it."""
        if not self.finite:
            return "has no finite shape in CARLA's OpenDRIVE parser"
        high, wide = float(np.abs(self.z).max()), float(self.width.max())
        if high > HIGHEST:
            return f"lies at a height of {high:g} m, up to {HIGHEST:g} m are possible"
        return f"is {wide:g} m wide, up to {BROADEST:g} m are possible" if wide > BROADEST else ""

    def _columns(self) -> tuple[NDArray[np.float64], ...]:
        return self.points, self.z, self.heading, self.width

    def pieces(self) -> list[_Piece]:
        """The stretches that are wide enough to drive on and hang together."""
        wide = np.concatenate(([False], self.width >= LEAST_WIDTH, [False]))
        edges = np.flatnonzero(wide[1:] != wide[:-1])
        jumps = self.jumps()
        ranges = []
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
            cuts = [first, *(jump for jump in jumps if first < jump < end), end]
            ranges += list(zip(cuts, cuts[1:]))
        return [_Piece(self, first, end) for first, end in ranges if self._length(first, end) > 0.0]

    def jumps(self) -> list[int]:
        """Samples that do not follow the one before them: the pieces of the road's reference line lie apart."""
        steps, turns = np.hypot(*np.diff(self.points, axis=0).T), np.abs(np.diff(self.heading))
        explained = SPACING + np.minimum(turns, math.pi / 2.0) * WIDEST_TURN
        return list(map(int, np.flatnonzero(steps > explained + JUMP) + 1))

    def _length(self, first: int, end: int) -> float:
        return float(np.hypot(*np.diff(self.points[first:end], axis=0).T).sum())

    def strip(self) -> Strip:
        """Its borders."""
        half = self.width[:, None] / 2.0
        left = np.stack((-np.sin(self.heading), np.cos(self.heading)), axis=1)
        return Strip(self.span.kind, self.points + left * half, self.points - left * half)


@dataclass(frozen=True)
class _Piece:
    """The samples ``first`` to ``end`` (excluded) of a lane."""

    samples: _Samples
    first: int
    end: int

    @property
    def key(self) -> LaneKey:
        """Road, section, lane."""
        return self.samples.span.key

    @property
    def from_start(self) -> bool:
        """Whether it begins where the lane does."""
        return self.first == 0

    @property
    def to_end(self) -> bool:
        """Whether it ends where the lane does."""
        return self.end == len(self.samples.row)

    def place(self, index: int) -> tuple[NDArray[np.float64], float]:
        """Position (3,) [m] and heading [rad] of its sample ``index``, 0 or -1."""
        sample = self.first if index == 0 else self.end - 1
        whole = self.samples
        return np.array([*whole.points[sample], whole.z[sample]]), float(whole.heading[sample])

    def lane(self, following: set[int]) -> Lane:
        """The lane sampled anew at equal distances: in bends CARLA's waypoints are not equally far apart."""
        whole, part = self.samples, slice(self.first, self.end)
        points = whole.points[part]
        uneven = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
        s = np.linspace(0.0, uneven[-1], len(points))
        columns = (*points.T, whole.heading[part], whole.width[part], whole.z[part])
        x, y, heading, width, z = (np.interp(s, uneven, column) for column in columns)
        marks = [_marks(waypoint, whole.turned) for waypoint in whole.row[part]]
        return Lane(
            key=self.key,
            junction=whole.span.junction,
            points=np.stack((x, y), axis=1),
            heading=heading,
            width=width,
            s=s,
            marking=np.array([[kind for kind, _ in pair] for pair in marks], dtype=np.int8),
            colour=np.array([[colour for _, colour in pair] for pair in marks], dtype=np.int8),
            successors=tuple(sorted(following)),
            z=z,
        )


def _marks(waypoint: Any, turned: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """Type and colour of the left and right marking; a lane whose file states none has none."""
    pair = (waypoint.left_lane_marking, waypoint.right_lane_marking)
    left, right = (NO_MARK if mark is None else (int(mark.type), int(mark.color)) for mark in pair)
    return (right, left) if turned else (left, right)


def _topology(network: Any) -> set[tuple[LaneKey, LaneKey]]:
    """CARLA's pairs of consecutive lanes."""
    ends = [[(end.road_id, end.section_id, end.lane_id) for end in pair] for pair in network.get_topology()]
    return {(before, after) for before, after in ends}


def _successors(
    pieces: list[_Piece], topology: set[tuple[LaneKey, LaneKey]], stated: set[tuple[LaneKey, LaneKey]]
) -> tuple[list[set[int]], list[Note]]:
    """Which lanes follow each lane, and notes on links that lead nowhere.

    CARLA also pairs lanes of road 0 or without a link with lanes elsewhere, so only lanes that touch are taken.
    """
    last = {piece.key: index for index, piece in enumerate(pieces) if piece.to_end}
    first = {piece.key: index for index, piece in enumerate(pieces) if piece.from_start}
    following: list[set[int]] = [set() for _ in pieces]
    gaps = []
    for pair in topology | stated:
        before, after = last.get(pair[0]), first.get(pair[1])
        if before is None or after is None:
            continue
        (end, heading), (start, beyond) = pieces[before].place(-1), pieces[after].place(0)
        apart = math.dist(end, start)
        turn = abs(math.remainder(beyond - heading, 2.0 * math.pi))
        if apart < TOUCH and (turn < SHARPEST or (pair in topology and pair in stated)):
            following[before].add(after)
        elif pair in stated:
            (road, _, lane), (other_road, _, other_lane) = pair
            gaps.append(
                Note(
                    f"lane {lane} of road {road} and lane {other_lane} of road {other_road}, which follows, lie"
                    f" {apart:.2f} m and {math.degrees(turn):.0f} degrees apart; nobody drives from one to the other",
                    (road, other_road),
                )
            )
    return following, sorted(gaps, key=str)


def _unknown(samples: list[_Samples]) -> list[Note]:
    lost = [each for each in samples if each.span.kind == "driving" and not each.row]
    return [Note(f"CARLA's OpenDRIVE parser knows no {each}; nobody drives there", (each.span.road,)) for each in lost]


def _hills(lanes: Sequence[Lane]) -> list[Note]:
    """Say that the world is flat where its roads are not."""
    heights = [float(edge) for lane in lanes for edge in (lane.z.min(), lane.z.max())]
    rise = max(heights) - min(heights)
    if rise <= HILL:
        return []
    return [Note(f"its roads lie up to {rise:.1f} m above each other; the world is drawn and driven flat")]


def _widest(driving: list[_Samples]) -> str:
    """Words that name the widest lane of a map on which nobody can drive."""
    widest = max(driving, key=lambda each: float(each.width.max()))
    width = float(widest.width.max())
    return f": {widest} has {width:.2f} m" if width < LEAST_WIDTH else f" and longer than a point, as {widest} is"


def _narrow(driving: list[_Samples]) -> list[Note]:
    return [
        Note(
            f"{each} is down to {each.width.min():.2f} m wide; nobody drives where it has less than {LEAST_WIDTH:g} m",
            (each.span.road,),
        )
        for each in driving
        if each.width.min() < LEAST_WIDTH
    ]


def _torn(driving: list[_Samples]) -> list[Note]:
    """Say where the reference line of a road jumps."""
    return [
        Note(
            f"{each} has a gap of {math.dist(*each.points[at - 1 : at + 1]):.1f} m; nobody drives across",
            (each.span.road,),
        )
        for each in driving
        for at in each.jumps()
    ]
