# SPDX-License-Identifier: Apache-2.0
"""Makes what OpenDRIVE allows into what ``carla.Map`` reads without losing anything or ending the process.

libcarla keeps roads and junctions in one table and positions as 32-bit floats, and knows neither borders of lanes nor
ramps (LibCarla/source/carla/opendrive and road, 0.9.16). Each step changes the elements in place and says in a sentence
what it changed. A document that needs nothing stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from td3_driving.sim.cubics import ZERO, Cubics, combined
from td3_driving.sim.lane_references import drop_dangling
from td3_driving.sim.map_place import call_back, come_near, set_origin
from td3_driving.sim.map_text import one_line

LEAST_TURN = 1e-7
"""A spiral whose curvature changes its heading by less is an arc [rad]: libcarla divides by the change."""
LEAST_CURVATURE = 1e-6
"""An arc of less is a parabola [1/m]: libcarla adds its radius to 32-bit floats."""
RAMPS = ("entry", "exit", "onRamp", "offRamp", "connectingRamp", "slipLane", "mwyEntry", "mwyExit")
"""Lane types of OpenDRIVE 1.4 to 1.8 that are driven on as ``driving`` is."""
CUBICS = (
    ("elevationProfile/elevation", "s"),
    ("lateralProfile/superelevation", "s"),
    ("lanes/laneOffset", "s"),
    ("lanes/laneSection/*/lane/width", "sOffset"),
    ("lanes/laneSection/*/lane/border", "sOffset"),
)
"""Elements with the coefficients of a cubic, and the name of its start."""
WHOLE = 4
"""The first of them hold along the whole road or lane section."""
ROUNDING = 1e-3
"""What starts no farther behind the beginning starts there [m]: programs write 2e-16."""
SHARED = "bidirectional"


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the user, and the roads that it is about, by their numbers in the mended document."""

    text: str
    roads: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.text


@dataclass
class Mended:
    """What was changed.

    Attributes:
        notes: for the user.
        offset: what was subtracted from x and y of the file [m].
        changed: whether the elements differ from the file's.
    """

    notes: list[Note] = field(default_factory=list)
    offset: tuple[float, float] = (0.0, 0.0)
    changed: bool = False

    def say(self, text: str, *roads: str | None) -> None:
        """Note a change, and the roads that it is about."""
        self.changed = True
        note = Note(one_line(text), tuple(int(road) for road in roads if road and _whole(road)))
        if note not in self.notes:
            self.notes.append(note)


def mend(root: Element, move: bool = True) -> Mended:
    """Change the checked elements ``root`` in place.

    Args:
        move: whether far coordinates are moved near the origin.
    """
    made = Mended()
    _number(root, made)
    set_origin(root, made)
    call_back(root, made)
    drop_dangling(root, made)
    if move:
        come_near(root, made)
    for road in root.findall("road"):
        _rule(road, made)
        _complete(road, made)
        _plan(road, made)
        for section in road.findall("lanes/laneSection"):
            _borders(section, made, road)
            _types(section, made, road)
    _signals(root, made)
    return made


def _number(root: Element, made: Mended) -> None:
    """Roads and junctions get whole numbers, each its own."""
    roads, junctions = root.findall("road"), root.findall("junction")
    names = {"road": [road.get("id", "") for road in roads], "junction": [each.get("id", "") for each in junctions]}
    taken = {int(name) for kind in names.values() for name in kind if _whole(name)}
    fresh = (number for number in range(max(taken, default=0) + 1, 2**31) if number not in taken)
    road_ids = _numbers(names["road"], set(), fresh, made, "road")
    junction_ids = _numbers(names["junction"], set(road_ids.values()), fresh, made, "junction")
    if made.changed:
        _renumber(root, road_ids, junction_ids)


def _whole(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < 2**31


def _numbers(names: list[str], used: set[str], fresh: Iterator[int], made: Mended, kind: str) -> dict[str, str]:
    """The number for each name; a name that is a free number already stands for itself."""
    numbers = {}
    for name in names:
        numbers[name] = name if _whole(name) and name not in used else str(next(fresh))
        if numbers[name] != name:
            why = f"road {name} has this id too" if name in used else "its id is no whole number"
            made.say(
                f"{kind} {name!r} is numbered {numbers[name]}, for {why}", numbers[name] if kind == "road" else name
            )
    return numbers


def _renumber(root: Element, roads: dict[str, str], junctions: dict[str, str]) -> None:
    def put(element: Element, key: str, numbers: dict[str, str]) -> None:
        if key in element.attrib:
            element.set(key, numbers.get(element.attrib[key], element.attrib[key]))

    for road in root.findall("road"):
        put(road, "id", roads)
        put(road, "junction", junctions)
        for link in road.findall("link/*"):
            put(link, "elementId", junctions if link.get("elementType") == "junction" else roads)
    for junction in root.findall("junction"):
        put(junction, "id", junctions)
        put(junction, "mainRoad", roads)
        for part in junction.iter():
            for key in ("incomingRoad", "connectingRoad", "linkedRoad", "outgoingRoad", "high", "low", "crossingRoad"):
                put(part, key, roads)
    for reference in root.findall("junctionGroup/junctionReference"):
        put(reference, "junction", junctions)


def _rule(road: Element, made: Mended) -> None:
    """Traffic keeps to the right where the file says nothing that the standard knows."""
    given = road.get("rule", "RHT")
    if given not in ("RHT", "LHT"):
        road.set("rule", "RHT")
        made.say(
            f"rule {given!r} of road {road.get('id')} is neither RHT nor LHT; it is driven on the right", road.get("id")
        )


def _complete(road: Element, made: Mended) -> None:
    """A coefficient that is left out is 0, and so is a cubic before its first record; libcarla takes what it finds in
    memory, or ends the process."""
    for place, start in CUBICS:
        for row in road.findall(place):
            for key in (start, *"abcd"):
                if key not in row.attrib:
                    row.set(key, "0")
                    made.changed = True
    for place, start in CUBICS[:WHOLE]:
        parent, _, tag = place.rpartition("/")
        for holder in road.findall(parent):
            _from_start(holder, holder.findall(tag), start, made)


def _from_start(holder: Element, rows: list[Element], start: str, made: Mended) -> None:
    """Lets the first of ``rows``, or a 0 before them, hold from the beginning on."""
    first = min(rows, key=lambda row: float(row.get(start, "0")), default=None)
    if first is None or float(first.get(start, "0")) <= 0.0:
        return
    if float(first.get(start, "0")) <= ROUNDING:
        first.set(start, "0")
    else:
        holder.insert(list(holder).index(rows[0]), Element(first.tag, dict.fromkeys((start, *"abcd"), "0")))
    made.changed = True


def _plan(road: Element, made: Mended) -> None:
    """Spirals and arcs that are as good as arcs and parabolas become these."""
    for index, geometry in enumerate(road.findall("planView/geometry")):
        if index == 0 and 0.0 < float(geometry.get("s", "0")) <= ROUNDING:
            geometry.set("s", "0")
            made.changed = True
        shape, length = geometry[0], float(geometry.get("length", "0"))
        if shape.tag == "spiral":
            first, last = (float(shape.get(key, "0")) for key in ("curvStart", "curvEnd"))
            if abs(last - first) * length >= LEAST_TURN:
                continue
            _replace(geometry, "arc", {"curvature": repr((first + last) / 2.0)})
            made.changed, shape = True, geometry[0]
        if shape.tag == "arc" and abs(curvature := float(shape.get("curvature", "0"))) < LEAST_CURVATURE:
            made.changed = True
            if abs(curvature) * length < LEAST_TURN:
                _replace(geometry, "line", {})
            else:
                powers = dict.fromkeys(("aU", "cU", "dU", "aV", "bV", "dV"), "0") | {"bU": "1"}
                _replace(geometry, "paramPoly3", {"pRange": "arcLength", "cV": repr(curvature / 2.0)} | powers)


def _replace(geometry: Element, shape: str, attributes: dict[str, str]) -> None:
    geometry.remove(geometry[0])
    geometry.insert(0, Element(shape, attributes))


def _borders(section: Element, made: Mended, road: Element) -> None:
    """Lanes given by borders get widths; borders are measured from the reference line, widths from the next lane."""
    for side in ("left", "right"):
        lanes = sorted(section.findall(f"{side}/lane"), key=lambda lane: abs(int(lane.get("id", "0"))))
        if not any(lane.find("width") is None and lane.find("border") is not None for lane in lanes):
            continue
        inner, sign = ZERO, 1.0 if side == "left" else -1.0
        for lane in lanes:
            widths = _rows(lane, "width")
            if not widths:
                widths = combined([(s, *(sign * v for v in row)) for s, *row in _rows(lane, "border")], inner, -1.0)  # type: ignore[misc]
                for border in lane.findall("border"):
                    lane.remove(border)
                for row in widths:
                    SubElement(lane, "width", {key: repr(v) for key, v in zip(("sOffset", *"abcd"), row)})
            inner = combined(inner, widths, 1.0)
        made.changed = True


def _rows(lane: Element, tag: str) -> Cubics:
    rows = [tuple(float(row.get(key, "0")) for key in ("sOffset", *"abcd")) for row in lane.findall(tag)]
    return sorted(rows)  # type: ignore[arg-type]


def _types(section: Element, made: Mended, road: Element) -> None:
    for lane in (*section.findall("left/lane"), *section.findall("right/lane")):
        kind = lane.get("type")
        if kind in RAMPS or kind == SHARED:
            lane.set("type", "driving")
            made.changed = True
            if kind == SHARED:
                name = road.get("id")
                made.say(f"lane {lane.get('id')} of road {name} is driven in one direction, that of its side", name)


def _signals(root: Element, made: Mended) -> None:
    """Drop what refers to signals and controllers that the file does not hold: libcarla ends the process on it."""
    signals = {signal.get("id") for signal in root.iter("signal")}
    for road in root.findall("road"):
        for parent in road.findall("signals"):
            for reference in parent.findall("signalReference"):
                if reference.get("id") not in signals:
                    parent.remove(reference)
                    named = reference.get("id")
                    what = (
                        f"signal {named}, which is missing; left out" if named else "a signal without an id; left out"
                    )
                    made.say(f"road {road.get('id')} refers to {what}", road.get("id"))
    for controller in root.findall("controller"):
        for control in controller.findall("control"):
            if control.get("signalId") not in signals:
                controller.remove(control)
                why = f"signal {control.get('signalId')}, which is missing; left out"
                made.say(f"controller {controller.get('id')} refers to {why}")


def repeated(names: list[str]) -> list[str]:
    """Names that occur more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
