# SPDX-License-Identifier: Apache-2.0
"""An OpenDRIVE document under construction, with streets and junctions as its parts. Needs ``scenariogeneration``.

All coordinates are OpenDRIVE's (x east, y north, counter-clockwise heading) in metres and radians.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

from scenariogeneration import xodr

LANE_WIDTH = 3.5
SIDEWALK_WIDTH = 2.5
MARK_WIDTH = 0.15
GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"

Pose = tuple[float, float, float]
"""x [m], y [m], heading [rad]"""


@dataclass
class StreetBuilder:
    """A road under construction: its number, ends and lanes."""

    number: int
    road: xodr.Road
    start: Pose
    end: Pose
    right: xodr.Lane
    left: xodr.Lane | None


@dataclass(frozen=True)
class ArmBuilder:
    """One end of a street."""

    street: StreetBuilder
    at_end: bool

    def outwards(self) -> Pose:
        """Pose on the reference line, heading out of the street."""
        if self.at_end:
            return self.street.end
        x, y, heading = self.street.start
        return x, y, heading + math.pi

    def exit_lane(self) -> int | None:
        """Id of the lane that leads out of the street here."""
        if self.at_end:
            return -1
        return 1 if self.street.left else None

    def entry_lane(self) -> int | None:
        """Id of the lane that leads into the street here."""
        if not self.at_end:
            return -1
        return 1 if self.street.left else None


@dataclass
class NetworkBuilder:
    """An OpenDRIVE document under construction."""

    name: str
    streets: list[StreetBuilder] = field(default_factory=list)
    junctions: list[xodr.Junction] = field(default_factory=list)

    def road(self, start: Pose, shapes: list[object], lanes: int = 2, junction: int = -1) -> tuple[StreetBuilder, Pose]:
        """Add a road from ``start`` along ``shapes``; its far end is returned, too."""
        plan = xodr.PlanView(*start)
        for shape in shapes:
            plan.add_geometry(shape)
        plan.adjust_geometries()
        return self._finish(plan, start, plan.get_end_point(), lanes, junction)

    def _finish(
        self, plan: xodr.PlanView, start: Pose, end: Pose, lanes: int, junction: int
    ) -> tuple[StreetBuilder, Pose]:
        number = len(self.streets) + 1
        in_junction = junction >= 0
        centre = xodr.Lane(a=0)
        centre.add_roadmark(_centre_mark(lanes, in_junction))
        section = xodr.LaneSection(0, centre)
        right = _driving_lane(in_junction)
        section.add_right_lane(right)
        left = _driving_lane(in_junction) if lanes == 2 else None
        if left:
            section.add_left_lane(left)
            section.add_left_lane(_sidewalk())
        if not in_junction:
            section.add_right_lane(_sidewalk())
        road = xodr.Road(number, plan, xodr.Lanes().add_lanesection(section), road_type=junction)
        street = StreetBuilder(number, road, start, end, right, left)
        self.streets.append(street)
        return street, end

    def join(self, before: StreetBuilder, after: StreetBuilder) -> None:
        """The end of ``before`` is the start of ``after``, lane by lane."""
        self.connect(before, ArmBuilder(after, at_end=False), at_end=True)
        self.connect(after, ArmBuilder(before, at_end=True), at_end=False)

    def connect(self, street: StreetBuilder, arm: ArmBuilder, at_end: bool) -> None:
        """Link one end of ``street`` to ``arm`` and, when that is still open, ``arm`` to it."""
        self._link(street, at_end, arm)
        self._link(arm.street, arm.at_end, ArmBuilder(street, at_end))

    def _link(self, street: StreetBuilder, at_end: bool, arm: ArmBuilder) -> None:
        if (street.road.successor if at_end else street.road.predecessor) is not None:
            return
        contact = xodr.ContactPoint.end if arm.at_end else xodr.ContactPoint.start
        add = street.road.add_successor if at_end else street.road.add_predecessor
        add(xodr.ElementType.road, arm.street.number, contact)
        same_way = at_end != arm.at_end
        kind = "successor" if at_end else "predecessor"
        street.right.add_link(kind, "-1" if same_way else "1")
        if street.left:
            street.left.add_link(kind, "1" if same_way else "-1")

    def junction(self, arms: list[ArmBuilder], u_turn: bool = False) -> None:
        """Join ``arms`` by every movement from one to another, or back into the same one when ``u_turn`` is set."""
        number = 100 + len(self.junctions)
        junction = xodr.Junction(f"junction {number}", number)
        for arm in arms:
            add = arm.street.road.add_successor if arm.at_end else arm.street.road.add_predecessor
            add(xodr.ElementType.junction, number)
        for source in arms:
            for target in arms:
                lanes = source.exit_lane(), target.entry_lane()
                if (source is target) == u_turn and None not in lanes:
                    self._movement(junction, number, source, target)
        self.junctions.append(junction)

    def _movement(self, junction: xodr.Junction, number: int, source: ArmBuilder, target: ArmBuilder) -> None:
        """A one-lane road whose reference line is the left edge of the lane, from ``source`` to ``target``."""
        start = source.outwards()
        back = target.outwards()
        end = back[0], back[1], back[2] + math.pi
        plan = xodr.PlanView()
        if source is target:
            _loop_plan(plan, start)
        else:
            plan.add_fixed_geometry(_hermite(start, end), *start)
        street, _ = self._finish(plan, start, end, 1, number)
        lane_in, lane_out = source.exit_lane(), target.entry_lane()
        for add, kind, arm, lane in (
            (street.road.add_predecessor, "predecessor", source, lane_in),
            (street.road.add_successor, "successor", target, lane_out),
        ):
            contact = xodr.ContactPoint.end if arm.at_end else xodr.ContactPoint.start
            add(xodr.ElementType.road, arm.street.number, contact)
            street.right.add_link(kind, str(lane))
        connection = xodr.Connection(source.street.number, street.number, xodr.ContactPoint.start)
        connection.add_lanelink(lane_in, -1)
        junction.add_connection(connection)

    def text(self) -> str:
        """The document, without the time of writing."""
        document = xodr.OpenDrive(self.name, geo_reference=GEO_REFERENCE)
        for street in self.streets:
            document.add_road(street.road)
        for junction in self.junctions:
            document.add_junction(junction)
        element = document.get_element()
        return _render(element)


def _loop_plan(plan: xodr.PlanView, start: Pose) -> None:
    """A drop-shaped way back onto the same line: 60 degrees to the right, 300 to the left, 60 to the right."""
    angle, radius = math.pi / 3.0, 9.0
    plan.set_start_point(*start)
    plan.add_geometry(xodr.Arc(-1.0 / radius, length=angle * radius))
    plan.add_geometry(xodr.Arc(1.0 / radius, length=(math.pi + 2.0 * angle) * radius))
    plan.add_geometry(xodr.Arc(-1.0 / radius, length=angle * radius))
    plan.adjust_geometries()


def _hermite(start: Pose, end: Pose) -> xodr.ParamPoly3:
    """The cubic from one pose to another, in the axes of ``start``, over p in [0, 1]."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    cosine, sine = math.cos(start[2]), math.sin(start[2])
    u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
    turn = math.remainder(end[2] - start[2], 2.0 * math.pi)
    chord = math.hypot(u, v)
    # Handles of this length make the cubic follow a circle where start and end lie on one (Bezier arc approximation).
    handle = chord * 4.0 / 3.0 * math.tan(abs(turn) / 4.0) / (2.0 * math.sin(abs(turn) / 2.0)) if turn else chord / 3.0
    handle = 3.0 * max(handle, chord / 3.0)
    tangent = handle * math.cos(turn), handle * math.sin(turn)
    return xodr.ParamPoly3(
        0.0, handle, 3.0 * u - 2.0 * handle - tangent[0], -2.0 * u + handle + tangent[0],
        0.0, 0.0, 3.0 * v - tangent[1], -2.0 * v + tangent[1],
    )  # fmt: skip


def _centre_mark(lanes: int, in_junction: bool) -> xodr.RoadMark:
    if in_junction:
        return xodr.RoadMark(xodr.RoadMarkType.none)
    if lanes == 1:
        return xodr.RoadMark(xodr.RoadMarkType.solid, MARK_WIDTH, color=xodr.RoadMarkColor.white)
    return xodr.RoadMark(xodr.RoadMarkType.broken, MARK_WIDTH, color=xodr.RoadMarkColor.yellow)


def _driving_lane(in_junction: bool) -> xodr.Lane:
    lane = xodr.Lane(lane_type=xodr.LaneType.driving, a=LANE_WIDTH)
    if in_junction:
        lane.add_roadmark(xodr.RoadMark(xodr.RoadMarkType.none))
    else:
        lane.add_roadmark(xodr.RoadMark(xodr.RoadMarkType.solid, MARK_WIDTH, color=xodr.RoadMarkColor.white))
    return lane


def _sidewalk() -> xodr.Lane:
    lane = xodr.Lane(lane_type=xodr.LaneType.sidewalk, a=SIDEWALK_WIDTH)
    lane.add_roadmark(xodr.RoadMark(xodr.RoadMarkType.none))
    return lane


def _render(element: ElementTree.Element) -> str:
    ElementTree.indent(element, " ")
    text = ElementTree.tostring(element, encoding="unicode")
    text = re.sub(r' date="[^"]*"', ' date="2025-01-01T00:00:00"', text, count=1)
    # Twelve digits: platforms differ in the last bits of sine and cosine, the maps must not.
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda match: _twelve_digits(match.group()), text) + "\n"


def _twelve_digits(number: str) -> str:
    rounded = round(float(number), 12)
    return repr(rounded + 0.0)
