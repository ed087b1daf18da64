# SPDX-License-Identifier: Apache-2.0
"""An evaluated drive as a scene that can be drawn."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.cameras import FRONT
from td3_driving.evaluation.drive import RouteStart
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.frame import Vehicles, WorldFrame
from td3_driving.view.camera_model import CameraModel, rotation_matrix
from td3_driving.view.driven_way import DrivenWay
from td3_driving.view.scene import Scene
from td3_driving.view.shapes import OTHER, Box

OPTICAL = (-0.5, 0.5, -0.5, 0.5)
"""Quaternion x, y, z, w from the axes of an image (x right, y down, z forward) to those of the vehicle."""


class DrivenScene:
    """Follows one drive.

    Attributes:
        scene: the newest values.
        way: where the vehicle came along.
        log: of the drive.
    """

    def __init__(self, start: RouteStart) -> None:
        self.scene, self.way, self.log = Scene(), DrivenWay(), start.log
        self.scene.take_route(start.points)

    def take(self, frame: WorldFrame, action: NDArray[np.float32]) -> None:
        """Take the next frame and the action (2,) that is taken in it."""
        self.way.add((frame.ego.x, frame.ego.y, frame.ego.z))
        self.scene.take_vehicle(frame.ego)
        self.scene.action = float(action[0]), float(action[1])
        self.scene.traffic = boxes(frame.vehicles)
        if self.log.terms is not None:
            self.scene.reward = self.log.terms.total


def front_camera(simulator: SimulatorSettings) -> CameraModel:
    """The front camera of the vehicle, in its nominal look."""
    focal = simulator.camera_width / (2.0 * math.tan(math.radians(simulator.camera_fov) / 2.0))
    middle = simulator.camera_width / 2.0, simulator.camera_height / 2.0
    return CameraModel(focal, focal, *middle, rotation_matrix(*OPTICAL), np.array((FRONT.x, FRONT.y, FRONT.z)))


def boxes(cars: Vehicles) -> list[Box]:
    """The traffic as boxes on the ground."""
    rows = zip(cars.ids.tolist(), cars.x, cars.y, cars.yaw, cars.length, cars.width, cars.height)
    return [Box("traffic", number, x, y, h / 2.0, yaw, length, w, h, OTHER) for number, x, y, yaw, length, w, h in rows]
