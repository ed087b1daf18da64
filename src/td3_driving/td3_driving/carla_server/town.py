# SPDX-License-Identifier: Apache-2.0
"""A road network as a CARLA map: name, spawn points, houses and trees, traffic lights."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from td3_driving.carla_server.axes import from_map
from td3_driving.carla_server.records import GeoLocation, PoseRecord
from td3_driving.sim.buildings import FLOOR_HEIGHT, Skyline
from td3_driving.sim.land import surroundings
from td3_driving.sim.roads import OWN_MAPS, RoadMap, drawn_seeds, load_foreign, load_map, only_map, require_map

FOLDER = "Carla/Maps"
GENERATED = "OpenDriveMap"
"""Name of the map that a client sends as a document."""
SPAWN_EVERY, SPAWN_FROM = 17.0, 8.0
"""Distance of spawn points along a lane, and from its ends [m]; Town01 and Town02 get about as many as on CARLA."""
SPAWN_HEIGHT = 0.3
"""Height of a spawn point above the road [m]; vehicles fall onto it, as on CARLA."""
SIGNAL = "1000001"
"""Type of a traffic light in OpenDRIVE."""
STOP_LENGTH = 10.0
"""Length of the box before a junction in which a vehicle obeys a light [m]."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A traffic light of the map.

    Attributes:
        sign: id in the document. transform: of its pole. junction: whose group it is in.
        stops: boxes on the lanes before it, in the map frame: x, y [m], heading [rad], length, width [m].
    """

    sign: str
    transform: PoseRecord
    junction: int
    stops: tuple[tuple[float, float, float, float, float], ...]


class Town:
    """One map.

    Args:
        name: last part of the name that clients see.
        roads: the network.
    """

    def __init__(self, name: str, roads: RoadMap) -> None:
        import carla

        self.short, self.name, self.roads = name, f"{FOLDER}/{name}", roads
        self._network: Any = carla.Map(name, roads.opendrive)
        self._api: Any = carla

    @cached_property
    def spawn_points(self) -> list[PoseRecord]:
        """Spawn points on every lane outside junctions."""
        points = []
        for lane in self.roads.lanes:
            if lane.junction < 0:
                for s in np.arange(SPAWN_FROM, lane.length - SPAWN_FROM, SPAWN_EVERY):
                    points.append(from_map(*lane.pose(float(s)), SPAWN_HEIGHT))
        return points or [from_map(*self.roads.lanes[0].pose(0.0), SPAWN_HEIGHT)]

    def made(self) -> Town:
        """The same, with everything that takes long to make."""
        _ = self.houses, self.signals, self.spawn_points
        return self

    def geolocation(self, x: float, y: float, z: float) -> GeoLocation:
        """Position on the globe of a place in CARLA's axes, by the projection of the client library."""
        left, down = self.roads.offset
        found = self._network.transform_to_geolocation(self._api.Location(x + left, y - down, z))
        return GeoLocation(found.latitude, found.longitude, found.altitude)

    @cached_property
    def skyline(self) -> Skyline:
        """Houses and trees."""
        return surroundings(self.roads)[1]

    @cached_property
    def houses(self) -> np.ndarray:
        """(n, 6) centre x, y [m], heading [rad], length, width, height [m] in the map frame."""
        plots = self.skyline.plots
        walls = np.concatenate(self.skyline.walls.corners)
        heights = walls[..., 2].max(axis=1).reshape(-1, 4).max(axis=1) if len(walls) else np.zeros(0)
        return np.column_stack((plots, np.maximum(heights, FLOOR_HEIGHT))) if len(plots) else np.zeros((0, 6))

    @cached_property
    def signals(self) -> list[Signal]:
        """Traffic lights with the lanes that they are for; a light that is for none is left out."""
        lanes = _lanes_of_signals(self.roads)
        found: list[Signal] = []
        for mark in self._network.get_all_landmarks_of_type(SIGNAL):
            if mark.id in lanes and all(mark.id != signal.sign for signal in found):
                junction, stops = lanes[mark.id]
                at, turn = mark.transform.location, mark.transform.rotation
                pose = from_map(at.x, -at.y, -math.radians(turn.yaw), at.z)
                found.append(Signal(mark.id, pose, junction, stops))
        return found


Stops = tuple[tuple[float, float, float, float, float], ...]


def _lanes_of_signals(roads: RoadMap) -> dict[str, tuple[int, Stops]]:
    """Junction and stop boxes for the id of every light."""
    root = ElementTree.fromstring(roads.opendrive)
    lights = {signal.get("id") for signal in root.iter("signal") if signal.get("type") == SIGNAL}
    named: dict[str, set[int]] = {}
    for road in root.findall("road"):
        for entry in [*road.findall("signals/signal"), *road.findall("signals/signalReference")]:
            if entry.get("id") in lights:
                named.setdefault(str(entry.get("id")), set()).update(_governed(roads, int(road.get("id", -1)), entry))
    return {sign: _stops(roads, lanes) for sign, lanes in named.items() if lanes}


def _governed(roads: RoadMap, road: int, entry: ElementTree.Element) -> set[int]:
    """Lanes of a road that an entry is valid for; the lane 0 stands for none."""
    spans = [(int(part.get("fromLane", 0)), int(part.get("toLane", 0))) for part in entry.findall("validity")]
    spans = [(min(span), max(span)) for span in spans if span != (0, 0)]
    return {
        index
        for index, lane in enumerate(roads.lanes)
        if lane.key[0] == road and any(low <= lane.key[2] <= high for low, high in spans)
    }


def _stops(roads: RoadMap, lanes: set[int]) -> tuple[int, Stops]:
    """A light over lanes in a junction stops those who come to it; one over other lanes at their end."""
    inside = {index for index in lanes if roads.lanes[index].junction >= 0}
    junction = roads.lanes[min(inside)].junction if inside else -1
    before = {i for i, lane in enumerate(roads.lanes) if lane.junction < 0 and inside.intersection(lane.successors)}
    return junction, tuple(_stop(roads, index) for index in sorted(before | (lanes - inside)))


def _stop(roads: RoadMap, index: int) -> tuple[float, float, float, float, float]:
    lane = roads.lanes[index]
    length = min(STOP_LENGTH, lane.length)
    return *lane.pose(lane.length - length / 2.0), length, float(lane.width[-1])


class Towns:
    """All maps that a client can load.

    Args:
        names: of own maps or paths of OpenDRIVE files; the first is shown at the start.

    Raises:
        MapError: a name stands for several maps, or for none.
    """

    def __init__(self, names: list[str]) -> None:
        named = [only_map(name) for name in names]
        # A map is read when somebody loads it. That a file is missing is said before anybody waits for it.
        for name in named:
            if drawn_seeds(name) is None:
                require_map(name)
        everything = list(dict.fromkeys([*named, *OWN_MAPS]))
        self._sources = {Path(name).stem.replace(":", "_"): name for name in everything}
        self._loaded: dict[str, Town] = {}

    @property
    def names(self) -> list[str]:
        """Names of the maps, as ``get_available_maps`` tells them."""
        return [f"/Game/{FOLDER}/{name}" for name in self._sources]

    def known(self, name: str) -> bool:
        """Whether there is such a map, by its short or full name."""
        return short(name) in self._sources or short(name) in self._loaded

    def load(self, name: str) -> Town:
        """The map of that name; it is kept.

        Raises:
            MapError: it cannot be used.
        """
        key = short(name)
        if key not in self._loaded:
            self._loaded[key] = Town(key, load_map(self._sources[key]))
        return self._loaded[key]

    def take(self, document: str) -> None:
        """Make a map of an OpenDRIVE document.

        Raises:
            MapError: it cannot be used; the map before stays.
        """
        self._loaded[GENERATED] = Town(GENERATED, load_foreign(document, f"{GENERATED}.xodr", GENERATED))


def short(name: str) -> str:
    """``Town01`` of ``/Game/Carla/Maps/Town01`` and of ``Town01.xodr``."""
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].removesuffix(".xodr").replace(":", "_")
