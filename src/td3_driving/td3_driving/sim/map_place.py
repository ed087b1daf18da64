# SPDX-License-Identifier: Apache-2.0
"""Where a map lies: its place on the earth, and its coordinates near the origin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from td3_driving.sim.mending import Mended

FAR = 1e4
"""Coordinates beyond this are moved: 32-bit floats come in steps of 1 mm here, and of 0.5 m at 5,000 km [m]."""
OFFSET_STEP = 100.0
"""The offset is a multiple of this [m]."""
ASTRAY = 1000.0
"""A signal does not stand farther than this and the length of its road from that road [m]."""
ORIGIN = "+proj=tmerc +lat_0=42 +lon_0=2"
"""What libcarla takes for the place of a map that does not tell it in this form."""


def set_origin(root: Element, made: Mended) -> None:
    """The map says where it lies on the earth in the one form that libcarla reads; it warns of any other."""
    header = root.find("header")
    if header is None:
        header = Element("header")
        root.insert(0, header)
    place = header.find("geoReference")
    given = "" if place is None else " ".join((place.text or "").split())
    if _tells_place(given):
        return
    if place is None:
        place = SubElement(header, "geoReference")
    place.text = ORIGIN
    made.changed = True
    if given:
        made.say(f"its geoReference {given!r} does not tell lat_0 and lon_0; GNSS takes 42 and 2 degrees for them")


def _tells_place(given: str) -> bool:
    """Whether a geoReference holds latitude and longitude, in degrees, as libcarla reads them."""
    words = dict(word.split("=", 1) for word in given.split(" ") if "=" in word)
    try:
        latitude, longitude = float(words["+lat_0"]), float(words["+lon_0"])
    except (KeyError, ValueError):
        return False
    return abs(latitude) <= 90.0 and abs(longitude) <= 360.0


def come_near(root: Element, made: Mended) -> None:
    """Subtract a round offset from all positions where a road is far from the origin.

    The roads alone say where a map lies: other people's files have signals at 0, 0 or nowhere.
    """
    lines = root.findall("road/planView/geometry")
    columns = [[float(line.get(key, "0")) for line in lines] for key in ("x", "y")]
    if not lines or max(abs(value) for column in columns for value in column) <= FAR:
        return
    made.offset = tuple(_round_middle(column) for column in columns)  # type: ignore[assignment]
    if made.offset == (0.0, 0.0):
        return
    for place in (*lines, *root.iter("positionInertial")):
        for key, by in zip(("x", "y"), made.offset):
            place.set(key, repr(float(place.get(key, "0")) - by))
    x, y = made.offset
    made.say(f"its coordinates are large; ({x:.0f}, {y:.0f}) m is subtracted from all of them")


def call_back(root: Element, made: Mended) -> None:
    """Leave out the place on the map of each signal that would stand far from its road; its place along the road
    stays."""
    for road in root.findall("road"):
        lines = [_point(line) for line in road.findall("planView/geometry")]
        reach = float(road.get("length", "0")) + ASTRAY
        for signal in road.findall("signals/*"):
            for place in signal.findall("positionInertial"):
                away = min(math.dist(_point(place), line) for line in lines)
                if away <= reach:
                    continue
                signal.remove(place)
                made.say(
                    f"{signal.tag} {signal.get('id')} of road {road.get('id')} is said to stand {away / 1000.0:.6g} km"
                    " away; its place on the road is taken",
                    road.get("id"),
                )


def _point(element: Element) -> tuple[float, float]:
    return float(element.get("x", "0")), float(element.get("y", "0"))


def _round_middle(values: list[float]) -> float:
    return math.floor((min(values) + max(values)) / 2.0 / OFFSET_STEP) * OFFSET_STEP
