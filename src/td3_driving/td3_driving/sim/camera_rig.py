# SPDX-License-Identifier: Apache-2.0
"""All cameras of the ego, each with a renderer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.cameras import cameras
from td3_driving.driving.observation import camera_frame, one_frame
from td3_driving.settings import ObservationSettings, SimulatorSettings
from td3_driving.sim.appearance import Appearance
from td3_driving.sim.camera import ENCODING, Camera
from td3_driving.sim.roads import RoadMap

if TYPE_CHECKING:
    from td3_driving.driving.vehicle_state import VehicleState
    from td3_driving.sim.world import Vehicles


class CameraRig:
    """The cameras that an observation asks for.

    Args:
        roads: the road network to begin with.
        simulator: size and field of view of the images.
        observation: the cameras, and how a frame is made of their images.

    Raises:
        CameraError: the renderer is unknown or does not start.
    """

    def __init__(self, roads: RoadMap, simulator: SimulatorSettings, observation: ObservationSettings) -> None:
        size = simulator.camera_width, simulator.camera_height
        mounted = cameras(observation)
        self.cameras = [Camera(roads, *size, simulator.camera_fov, place=place) for place in mounted]
        self._observation = observation

    def enter(self, roads: RoadMap) -> None:
        """See :meth:`Camera.enter`."""
        for camera in self.cameras:
            camera.enter(roads)

    def dress(self, appearance: Appearance, first_ns: int = 0) -> None:
        """See :meth:`Camera.dress`."""
        for camera in self.cameras:
            camera.dress(appearance, first_ns)

    def render(self, ego: VehicleState, vehicles: Vehicles) -> NDArray[np.uint8]:
        """The image of the front camera; see :meth:`Camera.render`."""
        return self.cameras[0].render(ego, vehicles)

    def images(self, ego: VehicleState, vehicles: Vehicles) -> list[NDArray[np.uint8]]:
        """The image of every camera, the front one first; see :meth:`Camera.render`."""
        return [camera.render(ego, vehicles) for camera in self.cameras]

    def frame(self, ego: VehicleState, vehicles: Vehicles) -> NDArray[np.uint8]:
        """Return the policy's frame; see :func:`td3_driving.driving.observation.frame_shape`."""
        for camera in self.cameras:
            camera.expose(ego, vehicles)
        return self.exposed_frame()

    def exposed_frame(self) -> NDArray[np.uint8]:
        """The same, of the pictures that the cameras took last."""
        return one_frame([camera.frame(self._observation) for camera in self.cameras])

    def close(self) -> None:
        """Close the renderers' buffers."""
        for camera in self.cameras:
            camera.close()


def frame_of(images: list[NDArray[np.uint8]], observation: ObservationSettings) -> NDArray[np.uint8]:
    """The frame of the images that a rig rendered."""
    return one_frame([camera_frame(image, ENCODING, observation) for image in images])
