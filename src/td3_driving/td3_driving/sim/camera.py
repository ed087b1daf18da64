# SPDX-License-Identifier: Apache-2.0
"""The ego's cameras: Panda3D off screen, by its software renderer or a GPU.

The pipe is chosen once per process by the environment variable ``TD3_DRIVING_RENDERER``: ``software`` (default) or
``gpu``. Everything flat is painted in order without a depth test; what stands up is tested against itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.cameras import FRONT, MountedCamera
from td3_driving.driving.observation import camera_frame
from td3_driving.settings import ObservationSettings
from td3_driving.sim import car_models
from td3_driving.sim.appearance import NOMINAL, Appearance
from td3_driving.sim.land import Land, laid_flat
from td3_driving.sim.mesh import Quads
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.sensor import ImageSensor
from td3_driving.sim.shapes import Shape
from td3_driving.sim.traffic import CLASSES

if TYPE_CHECKING:
    from td3_driving.driving.vehicle_state import VehicleState
    from td3_driving.sim.world import Vehicles

NEAR, FAR = 0.4, 320.0
"""Clipping distances [m]."""
CAR_RANGE = 200.0
"""Vehicles farther away are not drawn [m]; they would be about one pixel high."""
ENCODING = "bgra8"
"""Encoding of the images."""
CarClass = tuple[str, float, float, float]
RENDERERS = {"software": "p3tinydisplay", "gpu": "p3headlessgl"}
CONFIGURATION = ("notify-level fatal", "textures-power-2 none", "garbage-collect-states 0")
"""Panda3D's own. Poses and looks that nobody uses are dropped at once: else they stay until its main loop, which is not
run here, collects them, and each frame of the traffic leaves some tens of kilobytes."""


class CameraError(RuntimeError):
    """The renderer is not available."""


class Camera:
    """Renders the image of one camera of the ego.

    Args:
        roads: the road network to begin with.
        width, height: of the image [px].
        fov: horizontal field of view [deg].
        classes: name, length, width and height [m] of the kinds of vehicles that are drawn.
        lands: road networks by their name that several cameras share, who then show them in the same look.
        place: where it sits and looks.

    Raises:
        CameraError: the renderer is unknown or does not start.
    """

    first_appearance = NOMINAL

    def __init__(
        self,
        roads: RoadMap,
        width: int,
        height: int,
        fov: float,
        classes: Sequence[CarClass] = CLASSES,
        lands: dict[str, Land] | None = None,
        place: MountedCamera = FRONT,
    ) -> None:
        import panda3d.core as panda

        self._panda = panda
        self.width, self.height, self._fov, self._classes = width, height, fov, classes
        self.place = place
        self.appearance = self.first_appearance
        self._sensor: ImageSensor | None = None
        self._engine, self._buffer, self._texture = _open_buffer(panda, width, height)
        self._root = panda.NodePath("world")
        # What stands up is drawn in the order of the scene. Panda's own order follows memory addresses, and where two
        # surfaces are equally far away the image would differ from run to run.
        self._root.setBin("unsorted", 0)
        self._lens = panda.PerspectiveLens()
        self._eye = self._add_eye()
        self._image = np.zeros((height, width, 4), dtype=np.uint8)
        self._stamp_ns, self._developed = 0, False
        self._cars: list[Any] = []
        self._shown: list[bool] = []
        self._looks: list[int] = []
        self._lands: dict[str, Land] = {} if lands is None else lands
        self._shown_land: Any = None
        self._land: Land | None = None
        self.enter(roads)

    def _add_eye(self) -> Any:
        self._lens.setFilmSize(self.width, self.height)
        self._lens.setFov(self._fov)
        self._lens.setNearFar(NEAR, FAR)
        eye = self._root.attachNewNode(self._panda.Camera("eye", self._lens))
        region = self._buffer.makeDisplayRegion()
        region.setCamera(eye)
        region.setClearColorActive(False)
        region.setClearDepthActive(True)
        return eye

    def enter(self, roads: RoadMap) -> None:
        """Show another road network from the next frame on; what was shown before is kept for the next time."""
        if roads.name not in self._lands:
            self._lands[roads.name] = Land(self._panda, roads, self.appearance.look)
        if self._land is self._lands[roads.name]:
            return
        if self._land is not None:
            self._shown_land.detachNode()
        # Cars come after the land in the order of the scene, whichever land it is.
        self._replace_cars([])
        self._land = self._lands[roads.name]
        self._land.paint(self.appearance.look)
        self._shown_land = self._land.node.instanceTo(self._root)

    def dress(self, appearance: Appearance, first_ns: int = 0) -> None:
        """Use ``appearance`` from the next frame on.

        Args:
            first_ns: stamp of the episode's first frame [ns]; the noise counts from there.
        """
        optics = appearance.optics
        self._sensor = None if optics.perfect else ImageSensor(optics, self.height, self.width, first_ns)
        if appearance == self.appearance:
            return
        assert self._land is not None
        self._land.paint(appearance.look)
        self._lens.setFov(appearance.mount.fov_of(self._fov))
        self.appearance = appearance
        self._replace_cars([])

    def render(self, ego: VehicleState, vehicles: Vehicles) -> NDArray[np.uint8]:
        """:meth:`expose`, then :meth:`image`."""
        self.expose(ego, vehicles)
        return self.image()

    def expose(self, ego: VehicleState, vehicles: Vehicles) -> None:
        """Take the picture that :meth:`image` and :meth:`frame` show until the next one."""
        mount, place = self.appearance.mount, self.place
        left = place.y + mount.lateral
        cosine, sine = math.cos(ego.yaw), math.sin(ego.yaw)
        x = ego.x + place.x * cosine - left * sine
        y = ego.y + place.x * sine + left * cosine
        heading = math.degrees(ego.yaw) + math.degrees(place.yaw)
        self._look((x, y, place.z + mount.height), (heading, -math.degrees(mount.pitch), 0.0), vehicles)
        self._stamp_ns, self._developed = ego.stamp_ns, False

    def image(self) -> NDArray[np.uint8]:
        """The picture (height, width, 4) uint8, blue-green-red-alpha, alpha 255; the next one overwrites it."""
        if not self._developed:
            self._image[:] = self._upside_down()[::-1]
            if self._sensor is None:
                self._image[..., 3] = 255
            else:
                self._sensor.expose(self._image, self._stamp_ns)
            self._developed = True
        return self._image

    def frame(self, observation: ObservationSettings) -> NDArray[np.uint8]:
        """What the policy's frame shows of the picture; see :func:`td3_driving.driving.observation.camera_frame`.

        Without blur and noise the frame is made of the renderer's own rows, so that no large image is copied for it.
        """
        if self._sensor is None:
            return camera_frame(self._upside_down(), ENCODING, observation, upside_down=True)
        return camera_frame(self.image(), ENCODING, observation)

    def view(
        self, at: tuple[float, float, float], turn: tuple[float, float, float], vehicles: Vehicles
    ) -> NDArray[np.uint8]:
        """Render from any pose, without sensor noise; else as :meth:`render`.

        Args:
            at: x, y, z in the map frame [m]; turn: heading (left positive), pitch (up), roll (to the right) [deg].
        """
        self._look(at, turn, vehicles)
        self._image[:] = self._upside_down()[::-1]
        self._image[..., 3] = 255
        return self._image

    def _look(self, at: tuple[float, float, float], turn: tuple[float, float, float], vehicles: Vehicles) -> None:
        heading, pitch, roll = turn
        self._eye.setPosHpr(*at, heading - 90.0, pitch, roll)
        assert self._land is not None
        self._land.backdrop.setPos(*at)
        self._move_cars(vehicles, at[0], at[1])
        self._engine.renderFrame()

    def _upside_down(self) -> NDArray[np.uint8]:
        """What was rendered last, (height, width, 4) uint8, the lowest row first, its fourth channel meaningless."""
        return np.frombuffer(self._texture.getRamImage(), dtype=np.uint8).reshape(self.height, self.width, 4)

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
            name, length, width, height = self._classes[kind]
            paint = f"paint_{index % car_models.PAINTS}"
            model = car_models.car if name.startswith("vehicle.") else car_models.post
            body = self._root.attachNewNode(self._car_part(model(length, width, height, paint), "car"))
            shadow = body.attachNewNode(self._car_part(car_models.shadow(length, width), "shadow"))
            laid_flat(shadow, "shadow")
            self._cars.append(body)

    def _car_part(self, quads: Quads, name: str) -> Any:
        return Shape(self._panda, quads.mesh(), name, self.appearance.look).node

    def close(self) -> None:
        """Close the renderer's buffer."""
        self._engine.removeWindow(self._buffer)


def _open_buffer(panda: Any, width: int, height: int) -> tuple[Any, Any, Any]:
    """Engine, off-screen buffer, and the texture in main memory that the buffer copies itself to."""
    wanted = os.environ.get("TD3_DRIVING_RENDERER", "software")
    if wanted not in RENDERERS:
        raise CameraError(f"TD3_DRIVING_RENDERER={wanted!r} is not one of {', '.join(RENDERERS)}")
    for line in (*CONFIGURATION, f"load-display {RENDERERS[wanted]}"):
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
