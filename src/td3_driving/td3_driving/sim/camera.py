"""The ego's front camera: Panda3D off screen, by its software renderer or a GPU.

The pipe is chosen once per process by the environment variable ``TD3_DRIVING_RENDERER``: ``software`` (default) or
``gpu``. Everything flat is painted in order without a depth test; what stands up is tested against itself.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from td3_driving.sim import buildings, car_models, scenery
from td3_driving.sim.mesh import CHUNK, Quads
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.traffic import CLASSES

if TYPE_CHECKING:
    from td3_driving.driving.vehicle_state import VehicleState
    from td3_driving.sim.world import Vehicles

MOUNT_X, MOUNT_Z = 2.0, 2.0
"""Where the camera sits in the vehicle frame: ahead of and above the vehicle's origin [m]."""
NEAR, FAR = 0.4, 320.0
"""Clipping distances [m]."""
CAR_RANGE = 200.0
"""Vehicles farther away are not drawn [m]; they would be about one pixel high."""
RANGES = {"verge": 80.0, "asphalt": 200.0, "paint": 90.0, "walls": 220.0, "solids": 110.0}
"""How near a chunk of static geometry must come to be drawn [m]; at these distances it is one or two pixels high, or
differs little from what is behind it."""
RENDERERS = {"software": "p3tinydisplay", "gpu": "p3headlessgl"}
BINS = {"backdrop": 0, "verge": 1, "asphalt": 2, "paint": 3, "shadow": 4}


class CameraError(RuntimeError):
    """The renderer cannot be had."""


class Camera:
    """Renders what the ego sees.

    Args:
        roads: the road network; its scenery is drawn from its name, so a map always looks the same.
        width, height: of the image [px].
        fov: horizontal field of view [deg].

    Raises:
        CameraError: the renderer is unknown or does not start.
    """

    def __init__(self, roads: RoadMap, width: int, height: int, fov: float) -> None:
        import panda3d.core as panda

        self._panda = panda
        self.width, self.height = width, height
        self._engine, self._buffer, self._texture = _open_buffer(panda, width, height)
        self._root = panda.NodePath("world")
        # What stands up is drawn in the order of the scene. Panda's own order follows memory addresses, and where two
        # surfaces are equally far away the image would differ from run to run.
        self._root.setBin("unsorted", 0)
        self._eye = self._add_eye(fov)
        self._image = np.zeros((height, width, 4), dtype=np.uint8)
        self._add_scenery(roads)
        self._cars: list[Any] = []
        self._shown: list[bool] = []
        self._looks: list[int] = []

    def _add_eye(self, fov: float) -> Any:
        panda = self._panda
        lens = panda.PerspectiveLens()
        lens.setFilmSize(self.width, self.height)
        lens.setFov(fov)
        lens.setNearFar(NEAR, FAR)
        eye = self._root.attachNewNode(panda.Camera("eye", lens))
        region = self._buffer.makeDisplayRegion()
        region.setCamera(eye)
        region.setClearColorActive(False)
        region.setClearDepthActive(True)
        return eye

    def _add_scenery(self, roads: RoadMap) -> None:
        rng = np.random.default_rng([ord(letter) for letter in roads.name])
        flat = scenery.ground(roads, rng)
        upright = buildings.skyline(roads, rng)
        self._backdrop = self._paint(self._attach(scenery.backdrop(rng), "backdrop"), "backdrop")
        for layer, quads in (("verge", flat.verge), ("asphalt", flat.asphalt), ("paint", flat.paint)):
            for node in self._attach_chunks(quads, layer):
                self._paint(node, layer)
        facade = _facade(self._panda)
        for node in self._attach_chunks(upright.walls, "walls"):
            node.setTexture(facade)
        self._attach_chunks(upright.solids, "solids")

    def _attach_chunks(self, quads: Quads, layer: str) -> list[Any]:
        """One node per chunk, drawn while the camera is within the range of its layer."""
        nodes = []
        for chunk in quads.chunks():
            geometry = _geometry(self._panda, chunk, layer)
            middle = geometry.getBounds().getApproxCenter()
            switch = self._panda.LODNode(layer)
            switch.addSwitch(RANGES[layer] + 0.71 * CHUNK, 0.0)
            switch.setCenter(middle)
            switch.addChild(geometry)
            nodes.append(self._root.attachNewNode(switch))
        return nodes

    def _attach(self, quads: Quads, name: str) -> Any:
        return self._root.attachNewNode(_geometry(self._panda, quads, name))

    def _paint(self, node: Any, layer: str) -> Any:
        node.setBin("background", BINS[layer])
        node.setDepthTest(False)
        node.setDepthWrite(False)
        return node

    def render(self, ego: VehicleState, vehicles: Vehicles) -> np.ndarray:
        """The image (height, width, 4) uint8, blue-green-red-alpha, alpha 255; overwritten by the next call."""
        x, y = ego.x + MOUNT_X * math.cos(ego.yaw), ego.y + MOUNT_X * math.sin(ego.yaw)
        self._eye.setPosHpr(x, y, MOUNT_Z, math.degrees(ego.yaw) - 90.0, 0.0, 0.0)
        self._backdrop.setPos(x, y, MOUNT_Z)
        self._move_cars(vehicles, x, y)
        self._engine.renderFrame()
        rows = np.frombuffer(self._texture.getRamImage(), dtype=np.uint8).reshape(self.height, self.width, 4)
        self._image[:] = rows[::-1]
        self._image[..., 3] = 255
        return self._image

    def _move_cars(self, vehicles: Vehicles, x: float, y: float) -> None:
        if self._looks != (looks := vehicles.kind.tolist()):
            self._replace_cars(looks)
        visible = (vehicles.x - x) ** 2 + (vehicles.y - y) ** 2 < CAR_RANGE**2
        poses = np.stack((vehicles.x, vehicles.y, np.degrees(vehicles.yaw)), axis=1).tolist()
        for index, (node, shown) in enumerate(zip(self._cars, visible.tolist())):
            if shown:
                east, north, heading = poses[index]
                node.setPosHpr(east, north, 0.0, heading, 0.0, 0.0)
            if shown != self._shown[index]:
                self._shown[index] = shown
                (node.show if shown else node.hide)()

    def _replace_cars(self, looks: list[int]) -> None:
        for node in self._cars:
            node.removeNode()
        self._looks, self._cars, self._shown = looks, [], [True] * len(looks)
        for index, kind in enumerate(looks):
            _, length, width, height = CLASSES[kind]
            paint = car_models.PAINTS[index % len(car_models.PAINTS)]
            body = self._attach(car_models.car(length, width, height, paint), "car")
            self._paint(self._attach(car_models.shadow(length, width), "shadow"), "shadow").reparentTo(body)
            self._cars.append(body)

    def close(self) -> None:
        """Give the renderer's buffer back."""
        self._engine.removeWindow(self._buffer)


def _open_buffer(panda: Any, width: int, height: int) -> tuple[Any, Any, Any]:
    """Engine, off-screen buffer, and the texture in main memory that the buffer copies itself to."""
    wanted = os.environ.get("TD3_DRIVING_RENDERER", "software")
    if wanted not in RENDERERS:
        raise CameraError(f"TD3_DRIVING_RENDERER={wanted!r} is not one of {', '.join(RENDERERS)}")
    for line in ("notify-level fatal", "textures-power-2 none", f"load-display {RENDERERS[wanted]}"):
        panda.loadPrcFileData("", line)
    pipe = panda.GraphicsPipeSelection.getGlobalPtr().makeModulePipe(RENDERERS[wanted])
    if pipe is None:
        raise CameraError(f"the {wanted} renderer does not start on this machine")
    engine = panda.GraphicsEngine(pipe)
    properties = panda.FrameBufferProperties()
    properties.setRgbaBits(8, 8, 8, 8)
    properties.setDepthBits(24)
    size = panda.WindowProperties.size(width, height)
    buffer = engine.makeOutput(pipe, "camera", 0, properties, size, panda.GraphicsPipe.BFRefuseWindow)
    if buffer is None:
        raise CameraError(f"the {wanted} renderer offers no off-screen buffer of {width} x {height}")
    texture = panda.Texture()
    buffer.addRenderTexture(texture, panda.GraphicsOutput.RTMCopyRam)
    return engine, buffer, texture


def _geometry(panda: Any, quads: Quads, name: str) -> Any:
    """A GeomNode of triangles with colours and texture coordinates."""
    corners, colours, texture = quads.arrays()
    count = len(corners) * 4
    data = panda.GeomVertexData(name, panda.GeomVertexFormat.getV3c4t2(), panda.Geom.UHStatic)
    data.uncleanSetNumRows(count)
    rows = np.zeros(count, dtype=[("v", "<f4", 3), ("c", "u1", 4), ("t", "<f4", 2)])
    rows["v"] = corners.reshape(-1, 3)
    rows["c"][:, :3] = np.round(np.clip(colours.reshape(-1, 3), 0.0, 1.0) * 255.0)
    rows["c"][:, 3] = 255
    rows["t"] = texture.reshape(-1, 2)
    data.modifyArray(0).modifyHandle().copyDataFrom(rows.tobytes())
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


def _facade(panda: Any) -> Any:
    """One window in a wall, repeated over the facades; the wall is white, so that the vertex colour shows."""
    size = 32
    cell = np.full((size, size, 3), 255, dtype=np.uint8)
    cell[:2] = 225
    cell[8:26, 8:24] = (92, 82, 70)
    cell[9:17, 9:23] = (120, 108, 92)
    cell[8:26, 15:17] = 205
    cell[6:8, 6:26] = 235
    texture = panda.Texture("facade")
    texture.setup2dTexture(size, size, panda.Texture.TUnsignedByte, panda.Texture.FRgb)
    texture.setRamImage(cell.tobytes())
    texture.setWrapU(panda.SamplerState.WMRepeat)
    texture.setWrapV(panda.SamplerState.WMRepeat)
    texture.setMinfilter(panda.SamplerState.FTNearestMipmapNearest)
    texture.setMagfilter(panda.SamplerState.FTNearest)
    return texture
