# SPDX-License-Identifier: Apache-2.0
"""Tries a document in CARLA's parser in another process: libcarla can end the process on documents that look right.

Where it does, the signals and objects of the roads are left out if that helps, and otherwise the road on which it ends
is found by trying parts of the document.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from xml.etree.ElementTree import Element

from td3_driving.sim.opendrive import CheckedMap, MapError, Note

TRIAL_TIMEOUT = 60.0
"""Wall time for a foreign map to load in a process of its own [s]; CARLA's largest town needs about 5."""
MOST_TRIALS = 24
"""Parts of a document that are tried to find the road."""
PROGRAM = "import carla, sys; m = carla.Map('trial', sys.stdin.read()); m.get_topology(); m.generate_waypoints(5.0)"


def readable(document: CheckedMap, name: str) -> CheckedMap:
    """``document``, without the signals and objects that end CARLA's parser.

    Raises:
        MapError: the parser ends in any case; the message tells how, and which road it is.
    """
    fault = _fault(document.text)
    if not fault:
        return document
    root = ElementTree.fromstring(document.text)
    bare = deepcopy(root)
    _strip(bare)
    text = ElementTree.tostring(bare, encoding="unicode")
    if _fault(text):
        where = _culprit(bare, _alone) or _culprit(bare, _with_links_of)
        raise MapError(f"map {name!r} cannot be read by CARLA's OpenDRIVE parser: {fault}{where}")
    where = _culprit(root, _with_signals_of)
    note = f"CARLA's OpenDRIVE parser cannot read its signals and objects ({fault}{where}); all are left out"
    return replace(document, text=text, notes=[*document.notes, Note(note)])


def _fault(text: str) -> str:
    """How the parser ends on a document; empty where it reads it."""
    command = [sys.executable, "-c", PROGRAM]
    try:
        trial = subprocess.run(command, input=text.encode(), capture_output=True, timeout=TRIAL_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"it takes more than {TRIAL_TIMEOUT:.0f} s"
    if trial.returncode < 0:
        return f"it dies by {signal.Signals(-trial.returncode).name}"
    if trial.returncode > 0:
        said = [line for line in trial.stderr.decode(errors="replace").splitlines() if not line.startswith("WARNING")]
        return (said or [f"exit status {trial.returncode}"])[-1].strip()
    return ""


def _strip(root: Element) -> None:
    """Take all signals, objects and controllers out."""
    for road in root.findall("road"):
        for kind in ("signals", "objects"):
            for part in road.findall(kind):
                road.remove(part)
    for controller in root.findall("controller"):
        root.remove(controller)
    for junction in root.findall("junction"):
        for controller in junction.findall("controller"):
            junction.remove(controller)


def _culprit(root: Element, part: Callable[[Element, list[str]], Element]) -> str:
    """Words that name the road on which the parser ends, by halving; empty where no single one does."""
    roads = [road.get("id", "") for road in root.findall("road")]
    for _ in range(MOST_TRIALS // 2):
        if len(roads) == 1:
            return f", on road {roads[0]}"
        middle = len(roads) // 2
        halves = [half for half in (roads[:middle], roads[middle:]) if _ends(part(root, half))]
        if not halves:
            return ""
        roads = halves[0]
    return ""


def _ends(root: Element) -> bool:
    return bool(_fault(ElementTree.tostring(root, encoding="unicode")))


def _alone(root: Element, roads: list[str]) -> Element:
    """The document with these roads alone, linked to nothing."""
    part = deepcopy(root)
    for element in list(part):
        if element.tag == "junction" or (element.tag == "road" and element.get("id") not in roads):
            part.remove(element)
    for road in part.findall("road"):
        road.set("junction", "-1")
        for link in road.findall("link"):
            link.clear()
    return part


def _with_links_of(root: Element, roads: list[str]) -> Element:
    """The document with the links of the lanes of these roads alone."""
    part = deepcopy(root)
    for road in part.findall("road"):
        if road.get("id") not in roads:
            for links in road.findall("lanes/laneSection/*/lane/link"):
                links.clear()
    return part


def _with_signals_of(root: Element, roads: list[str]) -> Element:
    """The document with the signals and objects of these roads alone."""
    part = deepcopy(root)
    for controller in [*part.findall("controller")]:
        part.remove(controller)
    for road in part.findall("road"):
        for kind in ("signals", "objects") if road.get("id") not in roads else ():
            for each in road.findall(kind):
                road.remove(each)
    return part
