# SPDX-License-Identifier: Apache-2.0
"""OpenDRIVE 1.5 text of streets with one lane each way and of the junctions between them, by the standard library.

All coordinates are OpenDRIVE's (x east, y north, counter-clockwise heading) in metres and radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from td3_driving.sim.maps.curve import Cubic, Pose, cubic, movement, turn_between

GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
DATE = "2025-01-01T00:00:00"
MARK_WIDTH = 0.15
FIRST_JUNCTION = 1000


@dataclass(frozen=True)
class Style:
    """The common style of a network's streets: middle line, edges, and the strips beside them.

    Attributes:
        corners: the strips lead round the corners of the junctions.
        late: of the turns of the junctions, as in :func:`td3_driving.sim.maps.curve.cubic`.
    """

    middle: tuple[str, str] = ("broken", "yellow")
    edge: tuple[str, str] = ("solid", "white")
    beside: str = "sidewalk"
    beside_width: float = 2.5
    corners: bool = False
    late: float = 1.0


@dataclass
class Street:
    """A road.

    Attributes:
        width: of each lane at the start and at the end [m].
        junction: that it crosses, or -1; such a road has one lane, on the right of its reference line.
        outermost: it crosses a junction along its border.
        links: element type, id and contact point of what lies before it and after it.
        lane_links: ids of the lanes before and after, by the lane's own id.
    """

    number: int
    curves: list[Cubic]
    start: Pose
    end: Pose
    width: tuple[float, float]
    junction: int = -1
    outermost: bool = False
    links: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    lane_links: dict[int, dict[str, int]] = field(default_factory=dict)

    @property
    def length(self) -> float:
        """Length of the reference line [m]."""
        return sum(curve.length for curve in self.curves)


@dataclass(frozen=True)
class Arm:
    """One end of a street."""

    street: Street
    at_end: bool

    @property
    def outwards(self) -> Pose:
        """Pose on the reference line, heading out of the street."""
        x, y, heading = self.street.end if self.at_end else self.street.start
        return x, y, heading + (0.0 if self.at_end else math.pi)

    @property
    def inwards(self) -> Pose:
        """The same, heading into the street."""
        x, y, heading = self.outwards
        return x, y, heading + math.pi

    @property
    def lane_out(self) -> int:
        """Id of the lane that leads out of the street here; the other one leads in."""
        return -1 if self.at_end else 1

    @property
    def width(self) -> float:
        """Width of a lane at this end [m]."""
        return self.street.width[int(self.at_end)]

    @property
    def contact(self) -> str:
        """OpenDRIVE's word for this end."""
        return "end" if self.at_end else "start"

    @property
    def side(self) -> str:
        """What lies beyond this end, seen from the street."""
        return "successor" if self.at_end else "predecessor"


@dataclass
class Document:
    """An OpenDRIVE document under construction."""

    name: str
    style: Style
    streets: list[Street] = field(default_factory=list)
    junctions: list[list[tuple[Arm, Street]]] = field(default_factory=list)

    def street(self, curves: list[Cubic], end: Pose, width: tuple[float, float], junction: int = -1) -> Street:
        """Add a road along ``curves`` that ends at ``end``; ``width`` is that of a lane at both ends [m]."""
        self.streets.append(Street(len(self.streets) + 1, curves, curves[0].start, end, width, junction))
        return self.streets[-1]

    def bend(self, first: Arm, second: Arm) -> None:
        """A street that joins the ends of two others."""
        end = second.inwards
        street = self.street([cubic(first.outwards, end)], end, (first.width, second.width))
        for own, other in ((Arm(street, False), first), (Arm(street, True), second)):
            for one, another in ((own, other), (other, own)):
                one.street.links[one.side] = "road", another.street.number, another.contact
                for lane, beyond in ((one.lane_out, -another.lane_out), (-one.lane_out, another.lane_out)):
                    one.street.lane_links.setdefault(lane, {})[one.side] = beyond

    def junction(self, arms: list[Arm]) -> None:
        """Join ``arms`` by every movement from one to another."""
        number = FIRST_JUNCTION + len(self.junctions)
        for arm in arms:
            arm.street.links[arm.side] = "junction", number, ""
        ways = [(source, target) for source in arms for target in arms if source is not target]
        self.junctions.append([(source, self._movement(number, source, target)) for source, target in ways])
        for arm in arms:
            ahead = [street for source, street in self.junctions[-1] if source is arm]
            min(ahead, key=lambda street: turn_between(street.start, street.end)).outermost = True

    def _movement(self, number: int, source: Arm, target: Arm) -> Street:
        """A road whose reference line is the left edge of its lane."""
        end = target.inwards
        curve = movement(source.outwards, end, max(source.width, target.width), self.style.late)
        street = self.street([curve], end, (source.width, target.width), number)
        street.links["predecessor"] = "road", source.street.number, source.contact
        street.links["successor"] = "road", target.street.number, target.contact
        street.lane_links[-1] = {"predecessor": source.lane_out, "successor": -target.lane_out}
        return street

    def text(self) -> str:
        """The document."""
        root = Element("OpenDRIVE")
        zero = dict.fromkeys(("north", "south", "east", "west"), "0")
        about = {"name": self.name, "revMajor": "1", "revMinor": "5", "date": DATE}
        header = SubElement(root, "header", about | zero)
        SubElement(header, "geoReference").text = GEO_REFERENCE
        for street in self.streets:
            _write_street(root, street, self.style)
        for index, movements in enumerate(self.junctions):
            _write_junction(root, FIRST_JUNCTION + index, movements)
        ElementTree.indent(root, " ")
        return ElementTree.tostring(root, encoding="unicode") + "\n"


def _number(value: float) -> str:
    """Nine digits: platforms differ in the last bits of sine and cosine, the maps must not."""
    return repr(round(value, 9) + 0.0)


def _write_street(root: Element, street: Street, style: Style) -> None:
    attributes = {"id": str(street.number), "junction": str(street.junction), "length": _number(street.length)}
    road = SubElement(root, "road", {"rule": "RHT"} | attributes)
    link = SubElement(road, "link")
    for side in ("predecessor", "successor"):
        if side in street.links:
            kind, number, contact = street.links[side]
            end = {"contactPoint": contact} if contact else {}
            SubElement(link, side, {"elementType": kind, "elementId": str(number)} | end)
    plan, s = SubElement(road, "planView"), 0.0
    for curve in street.curves:
        x, y, heading = curve.start
        place = {"s": s, "x": x, "y": y, "hdg": heading, "length": curve.length}
        geometry = SubElement(plan, "geometry", {key: _number(value) for key, value in place.items()})
        powers = {
            f"{'abcd'[power]}{axis}": _number(getattr(curve, axis.lower())[power])
            for axis in "UV"
            for power in range(4)
        }
        SubElement(geometry, "paramPoly3", {"pRange": "normalized"} | powers)
        s += curve.length
    _write_lanes(road, street, style)


def _write_lanes(road: Element, street: Street, style: Style) -> None:
    crossing = street.junction >= 0
    nothing = ("none", "standard")
    section = SubElement(SubElement(road, "lanes"), "laneSection", s="0")
    beside = (style.beside_width, style.beside_width)
    if not crossing:
        left = SubElement(section, "left")
        _write_lane(left, 2, style.beside, nothing, beside, {})
        _write_lane(left, 1, "driving", style.edge, street.width, street.lane_links.get(1, {}), street.length)
    centre = SubElement(SubElement(section, "center"), "lane", id="0", type="none", level="false")
    _write_mark(centre, nothing if crossing else style.middle)
    right = SubElement(section, "right")
    edge = nothing if crossing else style.edge
    _write_lane(right, -1, "driving", edge, street.width, street.lane_links.get(-1, {}), street.length)
    if not crossing or (style.corners and street.outermost):
        _write_lane(right, -2, style.beside, nothing, beside, {})


def _write_lane(
    side: Element,
    number: int,
    kind: str,
    mark: tuple[str, str],
    width: tuple[float, float],
    links: dict[str, int],
    length: float = 1.0,
) -> None:
    """A lane whose width changes from one value to another as a cubic without kinks."""
    lane = SubElement(side, "lane", id=str(number), type=kind, level="false")
    link = SubElement(lane, "link")
    for where, beyond in links.items():
        SubElement(link, where, id=str(beyond))
    change = width[1] - width[0]
    powers = {"a": width[0], "b": 0.0, "c": 3.0 * change / length**2, "d": -2.0 * change / length**3}
    SubElement(lane, "width", {"sOffset": "0"} | {key: _number(value) for key, value in powers.items()})
    _write_mark(lane, mark)


def _write_mark(lane: Element, mark: tuple[str, str]) -> None:
    kind, colour = mark
    width = {} if kind == "none" else {"width": str(MARK_WIDTH)}
    SubElement(lane, "roadMark", {"sOffset": "0", "type": kind, "weight": "standard", "color": colour} | width)


def _write_junction(root: Element, number: int, movements: list[tuple[Arm, Street]]) -> None:
    junction = SubElement(root, "junction", name=f"junction {number}", id=str(number), type="default")
    for index, (source, street) in enumerate(movements):
        roads = {"incomingRoad": str(source.street.number), "connectingRoad": str(street.number)}
        connection = SubElement(junction, "connection", {"id": str(index), "contactPoint": "start"} | roads)
        SubElement(connection, "laneLink", {"from": str(source.lane_out), "to": "-1"})
