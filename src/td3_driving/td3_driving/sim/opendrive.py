# SPDX-License-Identifier: Apache-2.0
"""Checks an OpenDRIVE file before ``carla.Map`` reads it, and lists its lanes.

libcarla answers broken input with an exception, an empty topology or the end of the process, depending on where the
input is broken. So the text is read here first with the standard library, against ASAM OpenDRIVE 1.4 to 1.8.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass

from td3_driving.sim.lane_links import LaneKey, forward, lane_pairs, without_direct_junctions
from td3_driving.sim.map_text import MapError, decoded, parsed, plain, read
from td3_driving.sim.map_words import spell
from td3_driving.sim.mending import ROUNDING, Note, mend, repeated

__all__ = ["CheckedMap", "LaneSpan", "MapError", "Note", "document", "read"]

MAX_ROAD = 1e5
"""Longest road that is sampled [m]."""
FARTHEST = 1e9
"""Greatest coordinate [m]."""
WIDEST = 1e6
"""Greatest extent along an axis [m]: 32-bit floats come in steps of 3 cm half as far from its middle."""
SHAPES = ("line", "arc", "spiral", "poly3", "paramPoly3")
"""Shapes of a reference line; another one ends the process of CARLA's parser."""
NUMBERS = ("s", "x", "y", "hdg", "length", "sOffset", *"abcd", *(f"{power}{axis}" for power in "abcd" for axis in "UV"))
CURVATURES = ("curvature", "curvStart", "curvEnd")
SHARPEST_BEND = 1.0, math.pi / 2.0
"""No car follows more than this angle [rad] at more than this curvature [1/m]."""
PARTS = ("planView", "elevationProfile", "lateralProfile", "lanes")
"""Parts of a road whose numbers shape it."""


@dataclass(frozen=True, slots=True)
class LaneSpan:
    """One lane of one lane section.

    Attributes:
        road, section, lane: OpenDRIVE ids; ``section`` counts from 0 within its road.
        kind: lane type, for example ``driving`` or ``sidewalk``.
        start, end: range on the road's reference line [m].
        junction: id of the junction this road belongs to, -1 for none.
        forward: whether it is driven in the direction of the reference line.
    """

    road: int
    section: int
    lane: int
    kind: str
    start: float
    end: float
    junction: int
    forward: bool

    @property
    def key(self) -> LaneKey:
        """Road, section and lane."""
        return self.road, self.section, self.lane


@dataclass(frozen=True, slots=True)
class CheckedMap:
    """An OpenDRIVE document that ``carla.Map`` can read.

    Attributes:
        text: the document; that of the file where nothing had to be changed.
        spans: all its lanes.
        pairs: lanes and those that follow them, by its links.
        notes: on what was changed or left out.
        offset: what was subtracted from the x and y of the file [m].
    """

    text: str
    spans: list[LaneSpan]
    pairs: set[tuple[LaneKey, LaneKey]]
    notes: list[Note]
    offset: tuple[float, float]


def document(data: bytes | str, name: str, move: bool = True) -> CheckedMap:
    """The OpenDRIVE document ``data``, checked and mended.

    Args:
        name: tells which map in messages.
        move: whether far coordinates are moved near the origin.

    Raises:
        MapError: it is no OpenDRIVE document, has no driving lane, or a road is broken.
    """
    text, notes, foreign = (data, [], False) if isinstance(data, str) else decoded(data, name)
    root, renamed = parsed(text, name)
    respelt = spell(root)
    roads = root.findall("road")
    if not roads:
        raise MapError(f"map {name!r} has no road")
    for road in roads:
        road.attrib.setdefault("id", "")
    _check_unique([road.get("id", "") for road in roads], name)
    _check_links(root, roads, name)
    for road in roads:
        _check_road(road, name)
    _check_places(root, roads, name)
    made = mend(root, move)
    spans = [span for road in root.findall("road") for span in _spans_of(road, name)]
    if not any(span.kind == "driving" for span in spans):
        kinds = ", ".join(sorted({span.kind for span in spans})) or "none at all"
        raise MapError(
            f"map {name!r} has no driving lane; lanes of its roads, of {roads[0].get('id')} for one: {kinds}"
        )
    pairs = lane_pairs(root, {span.key: span.forward for span in spans})
    if without_direct_junctions(root) or made.changed or renamed or respelt or foreign:
        text = ElementTree.tostring(root, encoding="unicode")
    return CheckedMap(text, spans, pairs, [*map(Note, notes), *made.notes], made.offset)


def _check_road(road: ElementTree.Element, name: str) -> None:
    road_id, length = road.get("id"), _finite(road, "length", name, road)
    if not 0.0 < length <= MAX_ROAD:
        raise MapError(f"map {name!r}: road {road_id} has length {length} m, up to {MAX_ROAD:g} m are possible")
    _check_plan(road, name)
    for part in PARTS:
        for element in road.iter(part):
            _check_numbers(element, road, name)
    sections = road.findall("lanes/laneSection")
    if not sections:
        raise MapError(f"map {name!r}: road {road_id} has no lane section")
    starts = [_finite(section, "s", name, road) for section in sections]
    if starts != sorted(starts) or not 0.0 <= starts[0] <= starts[-1] < length:
        raise MapError(f"map {name!r}: the lane sections of road {road_id} start at {starts} on a length of {length} m")
    for section in sections:
        _check_numbering(section, road_id, name)
        for lane in (*section.findall("left/lane"), *section.findall("right/lane")):
            _check_width(lane, road_id, name)


def _spans_of(road: ElementTree.Element, name: str) -> Iterator[LaneSpan]:
    road_id, length = _integer(road, "id", name), float(road.get("length", "0"))
    sections = road.findall("lanes/laneSection")
    starts = [float(section.get("s", "0")) for section in sections]
    junction = _integer(road, "junction", name) if road.get("junction") else -1
    for index, (section, start, end) in enumerate(zip(sections, starts, [*starts[1:], length])):
        for lane in (*section.findall("left/lane"), *section.findall("right/lane")):
            kind, number = lane.get("type", "none"), _integer(lane, "id", name)
            ahead = forward(lane, road.get("rule") == "LHT")
            yield LaneSpan(road_id, index, number, kind, start, end, junction, ahead)


def _check_plan(road: ElementTree.Element, name: str) -> None:
    geometries = road.findall("planView/geometry")
    if not geometries:
        raise MapError(f"map {name!r}: road {road.get('id')} has no geometry")
    first = min(_finite(geometry, "s", name, road) for geometry in geometries)
    if first > ROUNDING:
        raise MapError(f"map {name!r}: the geometry of road {road.get('id')} begins at {first:g} m, and not at 0")
    for geometry in geometries:
        for key in ("s", "x", "y", "hdg", "length"):
            _finite(geometry, key, name, road)
        if len(geometry) == 0:
            raise MapError(f"map {name!r}: road {road.get('id')} has a geometry without a shape")
        if geometry[0].tag not in SHAPES:
            raise MapError(
                f"map {name!r}: road {road.get('id')} has a geometry of the unknown shape <{geometry[0].tag}>"
            )
        for key in CURVATURES:
            if key in geometry[0].attrib:
                _finite(geometry[0], key, name, road)
        _check_bend(geometry, road, name)


def _check_bend(geometry: ElementTree.Element, road: ElementTree.Element, name: str) -> None:
    """A reference line does not curl up."""
    bends = [abs(float(geometry[0].attrib[key])) for key in CURVATURES if key in geometry[0].attrib]
    if not bends:
        return
    sharpest, angle = SHARPEST_BEND
    if max(bends) > sharpest and sum(bends) / len(bends) * float(geometry.get("length", "0")) > angle:
        raise MapError(
            f"map {name!r}: road {road.get('id')} has a bend of curvature {max(bends):g} 1/m, which no car follows;"
            f" up to {sharpest:g} 1/m are possible"
        )


def _check_places(root: ElementTree.Element, roads: list[ElementTree.Element], name: str) -> None:
    """No place is so far from the others that 32-bit floats cannot tell where a lane is."""
    # Those outside of all roads are moved with the others.
    for holder in (*roads, root):
        for place in holder.iter("positionInertial"):
            for key in ("x", "y", "z"):
                if key in place.attrib:
                    _finite(place, key, name, None if holder is root else holder)
    starts = [(geometry, road) for road in roads for geometry in road.findall("planView/geometry")]
    for key in ("x", "y"):
        values = [float(geometry.get(key, "0")) for geometry, _ in starts]
        for number in (values.index(min(values)), values.index(max(values))):
            if abs(values[number]) > FARTHEST:
                where = f"<geometry {key}={values[number]:g}> of road {starts[number][1].get('id')}"
                raise MapError(f"map {name!r}: {where} is beyond {FARTHEST:g} m")
        if max(values) - min(values) > WIDEST:
            ends = " and ".join(starts[values.index(edge)][1].get("id", "") for edge in (min(values), max(values)))
            apart, most = (max(values) - min(values)) / 1000.0, WIDEST / 1000.0
            raise MapError(f"map {name!r}: roads {ends} lie {apart:g} km apart, up to {most:g} km are possible")


def _check_numbers(part: ElementTree.Element, road: ElementTree.Element, name: str) -> None:
    """Everything that shapes a road is finite."""
    for element in part.iter():
        for key in NUMBERS:
            if key in element.attrib:
                _finite(element, key, name, road)


def _check_numbering(section: ElementTree.Element, road_id: str | None, name: str) -> None:
    """Lanes count 1, 2 … to the left and -1, -2 … to the right of the one in the centre."""
    for side, sign in (("left", 1), ("right", -1)):
        ids = sorted((_integer(lane, "id", name, road_id) for lane in section.findall(f"{side}/lane")), key=abs)
        if ids != [sign * number for number in range(1, len(ids) + 1)]:
            raise MapError(f"map {name!r}: the {side} lanes of road {road_id} have the ids {ids}")
    if len(section.findall("center/lane")) != 1:
        raise MapError(f"map {name!r}: a lane section of road {road_id} has no centre lane")


def _check_width(lane: ElementTree.Element, road_id: str | None, name: str) -> None:
    if lane.find("width") is None and lane.find("border") is None:
        raise MapError(f"map {name!r}: lane {lane.get('id')} of road {road_id} has no width")


def _check_links(root: ElementTree.Element, roads: list[ElementTree.Element], name: str) -> None:
    road_ids = {road.get("id") for road in roads}
    known = {"road": road_ids, "junction": {junction.get("id") for junction in root.findall("junction")}}
    for road in roads:
        if road.get("junction", "-1") not in known["junction"] | {"-1", ""}:
            raise MapError(f"map {name!r}: junction {road.get('junction')} of road {road.get('id')} is missing")
        for link in (*road.findall("link/predecessor"), *road.findall("link/successor")):
            kind, target = link.get("elementType", ""), link.get("elementId")
            if target not in known.get(kind, set()):
                what = f"{kind} {target}, which is missing" if target else f"a {kind or 'thing'} without an id"
                raise MapError(f"map {name!r}: road {road.get('id')} is linked to {what}")
    for junction in root.findall("junction"):
        for connection in junction.findall("connection"):
            beyond = "linkedRoad" if "linkedRoad" in connection.attrib else "connectingRoad"
            for key in ("incomingRoad", beyond):
                if connection.get(key) not in road_ids:
                    named = f"road {connection.get(key)}, which is missing" if connection.get(key) else f"no {key}"
                    raise MapError(f"map {name!r}: junction {junction.get('id')} names {named}")


def _check_unique(ids: list[str], name: str) -> None:
    again = repeated(ids)
    if again:
        raise MapError(f"map {name!r} has several roads with id {again[0]}")


def _integer(element: ElementTree.Element, key: str, name: str, road_id: str | None = None) -> int:
    raw = element.get(key, "")
    where = f"<{element.tag} {key}={raw!r}>" + (f" of road {road_id}" if road_id is not None else "")
    try:
        value = int(plain(raw))
    except ValueError as error:
        raise MapError(f"map {name!r}: {where} is no whole number") from error
    if abs(value) >= 2**31:
        raise MapError(f"map {name!r}: {where} is too large")
    return value


def _finite(element: ElementTree.Element, key: str, name: str, road: ElementTree.Element | None = None) -> float:
    raw = element.get(key, "")
    where = f"<{element.tag} {key}={raw!r}>" + (f" of road {road.get('id')}" if road is not None else "")
    try:
        value = float(plain(raw))
    except ValueError as error:
        raise MapError(f"map {name!r}: {where} is no number") from error
    if not math.isfinite(value):
        raise MapError(f"map {name!r}: {where} is not finite")
    return value
