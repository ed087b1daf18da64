# SPDX-License-Identifier: Apache-2.0
"""Writes a GIF of an episode: the camera image beside the scene from above."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from td3_driving.sim.world import WorldFrame

PERIOD = 0.2
"""Simulated time between two pictures, and how long each is shown [s]."""
REACH = 40.0
"""Half the width of the view from above [m]."""
COLOURS = 96
TRAIL, EGO, OTHER = (190, 190, 190), (0, 114, 178), (213, 94, 0)
"""Red, green, blue."""


class Film:
    """Collects pictures; a ``watch`` of :func:`td3_driving.evaluation.drive.evaluate`.

    Args:
        frame_time: simulated time between two frames [s].
    """

    def __init__(self, frame_time: float) -> None:
        self._stride = max(1, round(PERIOD / frame_time))
        self._frames = 0
        self._path: list[tuple[float, float]] = []
        self._pictures: list[Image.Image] = []

    def __call__(self, frame: WorldFrame, image: NDArray[np.uint8] | None, action: NDArray[np.float32]) -> None:
        """Take a picture when one is due."""
        if self._frames % self._stride == 0 and image is not None:
            self._path.append((frame.ego.x, frame.ego.y))
            camera = cv2.cvtColor(image, cv2.COLOR_BGRA2RGB)
            both = np.hstack((camera, self._from_above(frame, len(camera), action)))
            self._pictures.append(Image.fromarray(both).quantize(COLOURS))
        self._frames += 1

    def save(self, path: Path) -> None:
        """Write the GIF.

        Raises:
            ValueError: there is no picture.
            OSError: the file cannot be written.
        """
        if not self._pictures:
            raise ValueError("a film needs at least one picture")
        first, *rest = self._pictures
        # Pillow knows the format from the ending, which the user chooses freely.
        first.save(path, format="GIF", save_all=True, append_images=rest, duration=round(1000 * PERIOD), loop=0)

    def _from_above(self, frame: WorldFrame, size: int, action: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(size, size, 3): the ego in the middle, heading up."""
        picture = np.full((size, size, 3), 255, dtype=np.uint8)
        scale, ego, cars = size / (2.0 * REACH), frame.ego, frame.vehicles
        trail = [_pixel(x - ego.x, y - ego.y, ego.yaw, scale, size) for x, y in self._path]
        cv2.polylines(picture, [np.array(trail, dtype=np.int32)], False, TRAIL, 2)
        for x, y, yaw, length, width in zip(cars.x, cars.y, cars.yaw, cars.length, cars.width):
            if math.hypot(x - ego.x, y - ego.y) < 1.5 * REACH:
                _draw(picture, (x - ego.x, y - ego.y, yaw, length, width), ego.yaw, scale, OTHER)
        _draw(picture, (0.0, 0.0, ego.yaw, 4.8, 2.2), ego.yaw, scale, EGO)
        text = f"{3.6 * ego.speed:.0f} km/h  steer {action[0]:+.2f}  drive {action[1]:+.2f}"
        cv2.putText(picture, text, (3, size - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.27, (60, 60, 60), 1, cv2.LINE_AA)
        return picture


def _pixel(x: float, y: float, yaw: float, scale: float, size: int) -> tuple[int, int]:
    """Column and row of an offset in the map frame [m] in a picture whose upward direction is ``yaw``."""
    forward = x * math.cos(yaw) + y * math.sin(yaw)
    left = y * math.cos(yaw) - x * math.sin(yaw)
    return round(size / 2.0 - left * scale), round(size / 2.0 - forward * scale)


def _draw(
    picture: NDArray[np.uint8],
    box: tuple[float, float, float, float, float],
    up: float,
    scale: float,
    colour: tuple[int, ...],
) -> None:
    x, y, yaw, length, width = box
    corners = []
    for ahead, side in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        along, across = 0.5 * ahead * length, 0.5 * side * width
        corner_x = x + along * math.cos(yaw) - across * math.sin(yaw)
        corner_y = y + along * math.sin(yaw) + across * math.cos(yaw)
        corners.append(_pixel(corner_x, corner_y, up, scale, len(picture)))
    cv2.fillPoly(picture, [np.array(corners, dtype=np.int32)], colour)
