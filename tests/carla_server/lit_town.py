# SPDX-License-Identifier: Apache-2.0
"""The project's own town with traffic lights at its crossing; none of its own maps has any."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from td3_driving.sim.roads import map_path

CROSSING = "102"
"""The junction of four roads, whose connecting roads are grouped by the road that they come from."""


def lit_town(folder: Path) -> Path:
    """Write the map ``lit_town``: one light for each road that comes to the crossing; ids from 901."""
    tree = ElementTree.parse(map_path("town"))
    lights: dict[str, str] = {}
    for road in tree.getroot().findall("road"):
        if road.get("junction") == CROSSING:
            before = road.find("link/predecessor")
            assert before is not None
            sign = lights.setdefault(str(before.get("elementId")), str(901 + len(lights)))
            _hang(road, sign, first=all(signal.get("id") != sign for signal in tree.getroot().iter("signal")))
    path = folder / "lit_town.xodr"
    tree.write(path, encoding="utf-8", xml_declaration=True)
    return path


def _hang(road: ElementTree.Element, sign: str, first: bool) -> None:
    """Put a light beside the begin of a connecting road, or refer to the one that is there."""
    entry = ElementTree.SubElement(_signals(road), "signal" if first else "signalReference")
    entry.attrib |= {"id": sign, "s": "0.5", "t": "-4.0", "orientation": "+"}
    if first:
        entry.attrib |= {"name": f"light {sign}", "dynamic": "yes", "country": "OpenDRIVE", "type": "1000001"}
        entry.attrib |= {"subtype": "-1", "value": "-1", "zOffset": "0", "hOffset": "0", "height": "1", "width": "0.5"}
    ElementTree.SubElement(entry, "validity", {"fromLane": "-1", "toLane": "-1"})


def _signals(road: ElementTree.Element) -> ElementTree.Element:
    found = road.find("signals")
    return found if found is not None else ElementTree.SubElement(road, "signals")
