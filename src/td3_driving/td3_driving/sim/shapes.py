# SPDX-License-Identifier: Apache-2.0
"""Meshes as nodes of Panda3D's scene, whose colours can be changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.mesh import Mesh
from td3_driving.sim.surfaces import Look

VERTEX = np.dtype([("v", "<f4", 3), ("c", "u1", 4), ("t", "<f4", 2)])
"""One vertex as Panda3D keeps it: position, colour, texture coordinates."""


class Shape:
    """A mesh as a node of triangles.

    Attributes:
        node: the ``GeomNode``.
    """

    def __init__(self, panda: Any, mesh: Mesh, name: str, look: Look) -> None:
        self._mesh = mesh
        self._normals = mesh.normals()
        self._vertices = np.zeros(mesh.corners.shape[0] * 4, dtype=VERTEX)
        self._vertices["v"] = mesh.corners.reshape(-1, 3)
        self._vertices["t"] = mesh.texture.reshape(-1, 2)
        self._vertices["c"][:, 3] = 255
        self._colour(look)
        self.node = _node(panda, self._vertices, name)

    def paint(self, look: Look) -> None:
        """Recolour the mesh for another look."""
        self._colour(look)
        array = self.node.modifyGeom(0).modifyVertexData().modifyArray(0)
        array.modifyHandle().copyDataFrom(self._vertices.tobytes())

    def _colour(self, look: Look) -> None:
        colours = look.of(self._mesh.surface, self._mesh.tone, self._normals)
        self._vertices["c"][:, :3] = np.round(colours.reshape(-1, 3) * 255.0)


def _node(panda: Any, vertices: NDArray[Any], name: str) -> Any:
    count = len(vertices)
    data = panda.GeomVertexData(name, panda.GeomVertexFormat.getV3c4t2(), panda.Geom.UHStatic)
    data.uncleanSetNumRows(count)
    data.modifyArray(0).modifyHandle().copyDataFrom(vertices.tobytes())
    triangles = panda.GeomTriangles(panda.Geom.UHStatic)
    triangles.setIndexType(panda.Geom.NTUint32)
    index = (np.arange(0, count, 4)[:, None] + np.array([0, 1, 2, 0, 2, 3])).astype(np.uint32)
    triangles.modifyVertices().uncleanSetNumRows(index.size)
    triangles.modifyVertices().modifyHandle().copyDataFrom(index.tobytes())
    geometry = panda.Geom(data)
    geometry.addPrimitive(triangles)
    node = panda.GeomNode(name)
    node.addGeom(geometry)
    return node


class Facade:
    """One window in a wall, repeated over the facades; the wall is white, so that the vertex colour shows.

    Attributes:
        texture: Panda3D's.
    """

    SIZE = 32

    def __init__(self, panda: Any, look: Look) -> None:
        self.texture = panda.Texture("facade")
        self.texture.setup2dTexture(self.SIZE, self.SIZE, panda.Texture.TUnsignedByte, panda.Texture.FRgb)
        self.texture.setWrapU(panda.SamplerState.WMRepeat)
        self.texture.setWrapV(panda.SamplerState.WMRepeat)
        self.texture.setMinfilter(panda.SamplerState.FTNearestMipmapNearest)
        self.texture.setMagfilter(panda.SamplerState.FTNearest)
        self.paint(look)

    def paint(self, look: Look) -> None:
        """Recolour the windows for another look."""
        pane = np.array(look.window[::-1]) * 255.0
        cell = np.full((self.SIZE, self.SIZE, 3), 255, dtype=np.uint8)
        cell[:2] = 225
        cell[8:26, 8:24] = np.round(pane)
        cell[9:17, 9:23] = np.round(np.clip(pane * UPPER_PANE, 0.0, 255.0))
        cell[8:26, 15:17] = 205
        cell[6:8, 6:26] = 235
        self.texture.setRamImage(cell.tobytes())


UPPER_PANE = np.array([120.0 / 92.0, 108.0 / 82.0, 92.0 / 70.0])
"""How much brighter the upper half of a window is, which mirrors the sky (blue, green, red)."""
