# SPDX-License-Identifier: Apache-2.0
"""Which lane ends meet, by the links of an OpenDRIVE document, and which lane is driven on into which.

``carla.Map`` pairs lanes too, but knows no direct junctions (OpenDRIVE 1.7), loses links that only one side states, and
takes road 0 for no road.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

LaneKey = tuple[int, int, int]
"""OpenDRIVE road, lane section (from 0) and lane."""
End = tuple[LaneKey, bool]
"""A lane and whether it is its end, not its start, in the direction of the road's reference line."""


def forward(lane: Element, left_hand: bool) -> bool:
    """Whether a lane is driven in the direction of the reference line: right lanes are, left ones where one drives
    on the left, and ``direction="reversed"`` (OpenDRIVE 1.8) turns that round."""
    right = int(lane.get("id", "0")) < 0
    return right ^ left_hand ^ (lane.get("direction") == "reversed")


def lane_pairs(root: Element, directions: dict[LaneKey, bool]) -> set[tuple[LaneKey, LaneKey]]:
    """Lanes and those that follow them in driving direction.

    Args:
        root: a checked document whose roads and junctions have numbers.
        directions: whether each lane is driven in the direction of the reference line.
    """
    pairs = set()
    for (first, first_end), (second, second_end) in _Links(root).contacts():
        if first in directions and second in directions:
            leaves, enters = directions[first] == first_end, directions[second] != second_end
            if leaves and enters:
                pairs.add((first, second))
            elif not leaves and not enters:
                pairs.add((second, first))
    return pairs


def without_direct_junctions(root: Element) -> bool:
    """Take direct junctions out, and the links to them; whether there were any."""
    direct = {junction.get("id") for junction in root.findall("junction") if junction.get("type") == "direct"}
    for junction in [each for each in root.findall("junction") if each.get("id") in direct]:
        root.remove(junction)
    for parent in root.findall("road/link") if direct else ():
        for link in list(parent):
            if link.get("elementType") == "junction" and link.get("elementId") in direct:
                parent.remove(link)
    return bool(direct)


class _Links:
    def __init__(self, root: Element) -> None:
        self._root = root
        self._roads = {road.get("id", ""): road for road in root.findall("road")}
        self._last = {name: len(road.findall("lanes/laneSection")) - 1 for name, road in self._roads.items()}

    def contacts(self) -> Iterator[tuple[End, End]]:
        """Pairs of lane ends that meet."""
        for name, road in self._roads.items():
            for index, section in enumerate(road.findall("lanes/laneSection")):
                for lane in section.findall("*/lane"):
                    yield from self._of_lane(name, road, index, lane)
        for junction in self._root.findall("junction"):
            for connection in junction.findall("connection"):
                yield from self._of_connection(junction.get("id", ""), connection)

    def _of_lane(self, name: str, road: Element, index: int, lane: Element) -> Iterator[tuple[End, End]]:
        own = int(name), index, int(lane.get("id", "0"))
        for side in ("predecessor", "successor"):
            at_end = side == "successor"
            for link in lane.findall(f"link/{side}"):
                other = link.get("id", "")
                beyond = index + (1 if at_end else -1)
                if 0 <= beyond <= self._last[name]:
                    yield (own, at_end), ((int(name), beyond, _number(other)), not at_end)
                    continue
                for joint in road.findall(f"link/{side}"):
                    if joint.get("elementType", "road") == "road":
                        yield from self._at(own, at_end, joint.get("elementId", ""), joint.get("contactPoint"), other)

    def _at(self, own: LaneKey, at_end: bool, road: str, contact: str | None, lane: str) -> Iterator[tuple[End, End]]:
        """The end of a lane of another road, by the contact point."""
        if road in self._roads and contact in ("start", "end"):
            section = 0 if contact == "start" else self._last[road]
            yield (own, at_end), ((int(road), section, _number(lane)), contact == "end")

    def _of_connection(self, junction: str, connection: Element) -> Iterator[tuple[End, End]]:
        incoming, contact = connection.get("incomingRoad", ""), connection.get("contactPoint")
        beyond = connection.get("connectingRoad") or connection.get("linkedRoad") or ""
        if incoming not in self._roads:
            return
        for side in ("predecessor", "successor"):
            at_end = side == "successor"
            joints = self._roads[incoming].findall(f"link/{side}")
            if not any(
                joint.get("elementType") == "junction" and joint.get("elementId") == junction for joint in joints
            ):
                continue
            section = self._last[incoming] if at_end else 0
            for link in connection.findall("laneLink"):
                own = int(incoming), section, _number(link.get("from", ""))
                yield from self._at(own, at_end, beyond, contact, link.get("to", ""))


def _number(text: str) -> int:
    """A lane id; 0, which no lane to drive on has, for what is none."""
    try:
        return int(text)
    except ValueError:
        return 0
