# SPDX-License-Identifier: Apache-2.0
"""Links of lanes to lanes that are not there, as excerpts of maps have them: libcarla ends the process on them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from td3_driving.sim.map_text import plain

if TYPE_CHECKING:
    from td3_driving.sim.mending import Mended

SIDES = ("predecessor", "successor")


def drop_dangling(root: Element, made: Mended) -> None:
    """Drop links of lanes to lanes that the next lane section does not have, in the same road or the linked one.

    Args:
        root: a checked document whose roads have numbers.
    """
    sections = {road.get("id", ""): road.findall("lanes/laneSection") for road in root.findall("road")}
    for road in root.findall("road"):
        own = sections[road.get("id", "")]
        for index, section in enumerate(own):
            for side, step in zip(SIDES, (-1, 1)):
                if 0 <= index + step < len(own):
                    _check(road, section, side, own[index + step], str(road.get("id")), made)
                else:
                    _check(road, section, side, *_beyond(road, side, sections), made)


def _beyond(road: Element, side: str, sections: dict[str, list[Element]]) -> tuple[Element | None, str]:
    """The lane section of another road that a road leads to, and the name of that road."""
    link = road.find(f"link/{side}")
    name = "" if link is None else link.get("elementId", "")
    if link is None or link.get("elementType") != "road" or not sections.get(name):
        return None, ""
    at_start = link.get("contactPoint", "start" if side == "successor" else "end") == "start"
    return sections[name][0 if at_start else -1], name


def _check(road: Element, section: Element, side: str, target: Element | None, name: str, made: Mended) -> None:
    if target is None:
        return
    there = {_number(lane) for lane in target.findall("*/lane")} - {None}
    for lane in (*section.findall("left/lane"), *section.findall("right/lane")):
        for links in lane.findall("link"):
            for link in links.findall(side):
                if _number(link) in there:
                    continue
                links.remove(link)
                missing = f"lane {link.get('id')}" if link.get("id") else "a lane without an id"
                own = f"lane {lane.get('id')} of road {road.get('id')}"
                made.say(f"{own} is linked to {missing} of road {name}, which is missing; left out", road.get("id"))


def _number(element: Element) -> int | None:
    """The lane id of a lane or a link, which may be written ``+1`` or ``01``; ``None`` for what is no number of XML."""
    try:
        return int(plain(element.get("id", "")))
    except ValueError:
        return None
