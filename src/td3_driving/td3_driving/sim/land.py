# SPDX-License-Identifier: Apache-2.0
"""A road network with its surroundings as a part of Panda3D's scene."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import numpy as np

from td3_driving.sim import buildings, scenery
from td3_driving.sim.mesh import CHUNK, Mesh, Quads
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.shapes import Facade, Shape
from td3_driving.sim.surfaces import Look

RANGES = {"verge": 80.0, "asphalt": 200.0, "paint": 90.0, "walls": 220.0, "solids": 110.0}
"""How near a chunk of static geometry must come to be drawn [m]; at these distances it is one or two pixels high, or
differs little from what is behind it."""
BINS = {"backdrop": 0, "verge": 1, "asphalt": 2, "paint": 3, "shadow": 4}


def surroundings(roads: RoadMap) -> tuple[scenery.GroundCover, buildings.Skyline, np.random.Generator]:
    """Return ground and objects beside the roads, drawn from the network's name, and the random generator."""
    ground, skyline, rng = _surroundings(roads)
    return ground, skyline, copy.deepcopy(rng)


@lru_cache(maxsize=2)
def _surroundings(roads: RoadMap) -> tuple[scenery.GroundCover, buildings.Skyline, np.random.Generator]:
    """The same; several cameras of one network share them."""
    rng = np.random.default_rng([ord(letter) for letter in roads.name])
    return scenery.ground(roads, rng), buildings.skyline(roads, rng), rng


def laid_flat(node: Any, layer: str) -> Any:
    """The node path ``node``, painted in the order of the layers without a depth test."""
    node.setBin("background", BINS[layer])
    node.setDepthTest(False)
    node.setDepthWrite(False)
    return node


class Land:
    """The static scenery of a road network; drawn from its name, so a map always looks the same.

    Attributes:
        node: its node path. backdrop: that of sky and plain, which go with the camera.
    """

    def __init__(self, panda: Any, roads: RoadMap, look: Look) -> None:
        self._panda = panda
        self._look = look
        self._shapes: list[Shape] = []
        self._facade = Facade(panda, look)
        self.node = panda.NodePath("land")
        flat, upright, rng = surroundings(roads)
        backdrop = self._shape(scenery.backdrop(rng).mesh(), "backdrop")
        self.backdrop = laid_flat(self.node.attachNewNode(backdrop.node), "backdrop")
        for layer, quads in (("verge", flat.verge), ("asphalt", flat.asphalt), ("paint", flat.paint)):
            for node in self._chunks(quads, layer):
                laid_flat(node, layer)
        for node in self._chunks(upright.walls, "walls"):
            node.setTexture(self._facade.texture)
        self._chunks(upright.solids, "solids")

    def _chunks(self, quads: Quads, layer: str) -> list[Any]:
        """One node per chunk, drawn while the camera is within the range of its layer."""
        nodes = []
        for chunk in quads.mesh().chunks():
            shape = self._shape(chunk, layer)
            middle = shape.node.getBounds().getApproxCenter()
            switch = self._panda.LODNode(layer)
            switch.addSwitch(RANGES[layer] + 0.71 * CHUNK, 0.0)
            switch.setCenter(middle)
            switch.addChild(shape.node)
            nodes.append(self.node.attachNewNode(switch))
        return nodes

    def _shape(self, mesh: Mesh, name: str) -> Shape:
        self._shapes.append(Shape(self._panda, mesh, name, self._look))
        return self._shapes[-1]

    def paint(self, look: Look) -> None:
        """Recolour everything for another look."""
        if look == self._look:
            return
        for shape in self._shapes:
            shape.paint(look)
        self._facade.paint(look)
        self._look = look
