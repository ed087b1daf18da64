# SPDX-License-Identifier: Apache-2.0
"""Checks an OpenDRIVE file before ``carla.Map`` reads it, and lists its lanes.

libcarla answers broken input with an exception, an empty topology or the end of the process, depending on where the
input is broken. So the text is read here first with the standard library, against ASAM OpenDRIVE 1.4 to 1.7.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

MAX_BYTES = 64 * 2**20
"""Largest file read; CARLA's largest town has about 20 MB."""
MAX_ROAD = 1e5
"""Longest road that is sampled [m]."""


class MapError(ValueError):
    """A map is missing or cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class LaneSpan:
    """One lane of one lane section.

    Attributes:
        road, section, lane: OpenDRIVE ids; ``section`` counts from 0 within its road.
        kind: lane type, for example ``driving`` or ``sidewalk``.
        start, end: range on the road's reference line [m].
        junction: id of the junction this road belongs to, -1 for none.
    """

    road: int
    section: int
    lane: int
    kind: str
    start: float
    end: float
    junction: int


def read(path: Path) -> str:
    """The text of the OpenDRIVE file at ``path``.

    Raises:
        MapError: there is no such file, it is empty, too large, or not text.
    """
    if not path.is_file():
        raise MapError(f"map {str(path)!r} does not exist")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise MapError(f"map {str(path)!r} has {size} bytes, 1 to {MAX_BYTES} are possible")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise MapError(f"map {str(path)!r} is not UTF-8 text") from error


def lane_spans(text: str, name: str) -> list[LaneSpan]:
    """All lanes of the OpenDRIVE document ``text``, checked.

    Raises:
        MapError: the text is no OpenDRIVE document, has no driving lane, or a road is broken; ``name`` tells which map.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise MapError(f"map {name!r} is not well-formed XML: {error}") from error
    if root.tag != "OpenDRIVE":
        raise MapError(f"map {name!r} is no OpenDRIVE document: its root element is <{root.tag}>")
    roads = root.findall("road")
    if not roads:
        raise MapError(f"map {name!r} has no road")
    _check_unique([_integer(road, "id", name) for road in roads], name)
    _check_links(root, roads, name)
    spans = [span for road in roads for span in _spans_of(road, name)]
    if not any(span.kind == "driving" for span in spans):
        raise MapError(f"map {name!r} has no driving lane")
    return spans


def _spans_of(road: ElementTree.Element, name: str) -> Iterator[LaneSpan]:
    road_id, length = _integer(road, "id", name), _finite(road, "length", name)
    if not 0.0 < length <= MAX_ROAD:
        raise MapError(f"map {name!r}: road {road_id} has length {length} m, up to {MAX_ROAD:g} m are possible")
    _check_plan(road, name)
    sections = road.findall("lanes/laneSection")
    if not sections:
        raise MapError(f"map {name!r}: road {road_id} has no lane section")
    starts = [_finite(section, "s", name) for section in sections]
    if starts != sorted(starts) or not 0.0 <= starts[0] <= starts[-1] < length:
        raise MapError(f"map {name!r}: the lane sections of road {road_id} start at {starts} on a length of {length} m")
    junction = _integer(road, "junction", name) if "junction" in road.attrib else -1
    for index, (section, start, end) in enumerate(zip(sections, starts, [*starts[1:], length])):
        _check_numbering(section, road_id, name)
        for lane in (*section.findall("left/lane"), *section.findall("right/lane")):
            _check_width(lane, road_id, name)
            kind = lane.get("type", "none")
            yield LaneSpan(road_id, index, _integer(lane, "id", name), kind, start, end, junction)


def _check_plan(road: ElementTree.Element, name: str) -> None:
    geometries = road.findall("planView/geometry")
    if not geometries:
        raise MapError(f"map {name!r}: road {road.get('id')} has no geometry")
    for geometry in geometries:
        for key in ("s", "x", "y", "hdg", "length"):
            _finite(geometry, key, name)
        if len(geometry) == 0:
            raise MapError(f"map {name!r}: road {road.get('id')} has a geometry without a shape")
        for key in geometry[0].attrib:
            if key != "pRange":
                _finite(geometry[0], key, name)


def _check_numbering(section: ElementTree.Element, road_id: int, name: str) -> None:
    """Lanes count 1, 2 … to the left and -1, -2 … to the right of the one in the centre."""
    for side, sign in (("left", 1), ("right", -1)):
        ids = sorted((_integer(lane, "id", name) for lane in section.findall(f"{side}/lane")), key=abs)
        if ids != [sign * number for number in range(1, len(ids) + 1)]:
            raise MapError(f"map {name!r}: the {side} lanes of road {road_id} have the ids {ids}")
    if len(section.findall("center/lane")) != 1:
        raise MapError(f"map {name!r}: a lane section of road {road_id} has no centre lane")


def _check_width(lane: ElementTree.Element, road_id: int, name: str) -> None:
    widths = lane.findall("width")
    if not widths:
        raise MapError(f"map {name!r}: lane {lane.get('id')} of road {road_id} has no width")
    for width in widths:
        for key in ("sOffset", "a", "b", "c", "d"):
            _finite(width, key, name)


def _check_links(root: ElementTree.Element, roads: list[ElementTree.Element], name: str) -> None:
    road_ids = {road.get("id") for road in roads}
    known = {"road": road_ids, "junction": {junction.get("id") for junction in root.findall("junction")}}
    for road in roads:
        if road.get("junction", "-1") not in known["junction"] | {"-1"}:
            raise MapError(f"map {name!r}: junction {road.get('junction')} of road {road.get('id')} is missing")
        for link in (*road.findall("link/predecessor"), *road.findall("link/successor")):
            kind, target = link.get("elementType", ""), link.get("elementId")
            if target not in known.get(kind, set()):
                raise MapError(f"map {name!r}: road {road.get('id')} is linked to {kind} {target}, which is missing")
    for connection in root.findall("junction/connection"):
        for key in ("incomingRoad", "connectingRoad"):
            if connection.get(key) not in road_ids:
                raise MapError(f"map {name!r}: a junction names road {connection.get(key)}, which is missing")


def _check_unique(ids: list[int], name: str) -> None:
    repeated = sorted({road_id for road_id in ids if ids.count(road_id) > 1})
    if repeated:
        raise MapError(f"map {name!r} has several roads with id {repeated[0]}")


def _integer(element: ElementTree.Element, key: str, name: str) -> int:
    raw = element.get(key, "")
    try:
        value = int(raw)
    except ValueError as error:
        raise MapError(f"map {name!r}: <{element.tag} {key}={raw!r}> is no whole number") from error
    if abs(value) >= 2**31:
        raise MapError(f"map {name!r}: <{element.tag} {key}={raw!r}> is too large")
    return value


def _finite(element: ElementTree.Element, key: str, name: str) -> float:
    raw = element.get(key, "")
    try:
        value = float(raw)
    except ValueError as error:
        raise MapError(f"map {name!r}: <{element.tag} {key}={raw!r}> is no number") from error
    if not math.isfinite(value):
        raise MapError(f"map {name!r}: <{element.tag} {key}={raw!r}> is not finite")
    return value
