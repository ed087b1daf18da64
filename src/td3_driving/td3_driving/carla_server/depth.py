# SPDX-License-Identifier: Apache-2.0
"""Depth cameras: distances along the optical axis, by rays against the boxes of houses, trees and vehicles."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from td3_driving.carla_server.actors import Thing
from td3_driving.carla_server.axes import matrix
from td3_driving.carla_server.episode import Episode
from td3_driving.carla_server.eyes import Lens
from td3_driving.carla_server.rays import Fan, Rays, through

REACH = 250.0
"""Things farther away are not seen [m]; the ground is."""
FARTHEST = 1000.0
"""Depth of what is farther away, and of the sky [m]: CARLA's scale ends there."""
STEPS = 2**24 - 1


@lru_cache(maxsize=8)
def _pixels(lens: Lens) -> np.ndarray:
    """(height, width, 3) vectors through the middles of the pixels: forward 1, right, up."""
    focal = lens.width / (2.0 * math.tan(math.radians(lens.fov) / 2.0))
    right = (np.arange(lens.width) + 0.5 - lens.width / 2.0) / focal
    down = (np.arange(lens.height) + 0.5 - lens.height / 2.0) / focal
    grid = np.ones((lens.height, lens.width, 3))
    grid[..., 1], grid[..., 2] = right, -down[:, None]
    return grid


def depth_image(rays: Rays, episode: Episode, lens: Lens, sensor: Thing) -> np.ndarray:
    """The image (height, width, 4) uint8 in CARLA's code: red is the lowest byte of 24, which stand for 1000 m."""
    metres = depth(rays, episode, lens, sensor)
    code = np.round(np.minimum(metres / FARTHEST, 1.0) * STEPS).astype(np.uint32)
    image = np.full((lens.height, lens.width, 4), 255, dtype=np.uint8)
    for place, shift in ((2, 0), (1, 8), (0, 16)):
        image[..., place] = code >> shift & 255
    return image


def depth(rays: Rays, episode: Episode, lens: Lens, sensor: Thing) -> np.ndarray:
    """(height, width) distance along the optical axis [m], infinite in the sky."""
    at = sensor.transform.location
    start = np.array([at.x, -at.y, at.z])
    axes = np.array(matrix(sensor.transform.rotation)) * (1.0, -1.0, 1.0)
    along = (_pixels(lens) @ axes).reshape(-1, 3)
    boxes = rays.boxes(episode, start, REACH, sensor).rows
    boxes = boxes[_in_view(lens, (boxes[:, :3] - start) @ axes.T, np.hypot(boxes[:, 7], boxes[:, 6]))]
    window = _Window(lens, start, axes, along)
    found, _ = through(start, along, boxes, math.inf, window.rays_to)
    return found.reshape(lens.height, lens.width)


def _in_view(lens: Lens, middle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Which spheres (n, 3) forward, right, up [m] are not outside of one side of the view."""
    wide = math.radians(lens.fov) / 2.0
    high = math.atan(math.tan(wide) * lens.height / lens.width)
    ahead, right, up = middle.T
    inside = ahead > -radius
    for side, angle in ((right, wide), (-right, wide), (up, high), (-up, high)):
        inside &= side * math.cos(angle) - ahead * math.sin(angle) < radius
    return np.asarray(inside)


class _Window:
    """Which pixels a box can be seen in."""

    def __init__(self, lens: Lens, start: np.ndarray, axes: np.ndarray, along: np.ndarray) -> None:
        self._lens, self._start, self._axes, self._along = lens, start, axes, along
        self._fan: Fan | None = None
        self._focal = lens.width / (2.0 * math.tan(math.radians(lens.fov) / 2.0))
        self._index = np.arange(lens.width * lens.height).reshape(lens.height, lens.width)
        self._corners = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=float)

    def rays_to(self, box: np.ndarray) -> np.ndarray:
        """Indices of the pixels in the rectangle around the corners of a box (8,)."""
        corners = self._corners * box[4:7]
        cosine, sine = np.cos(box[3]), np.sin(box[3])
        x = corners[:, 0] * cosine - corners[:, 1] * sine
        y = corners[:, 0] * sine + corners[:, 1] * cosine
        world = np.column_stack((x, y, corners[:, 2])) + box[:3] - self._start
        ahead, right, up = self._axes @ world.T
        if (ahead < 0.05).all():
            return np.zeros(0, dtype=np.int64)
        if (ahead < 0.05).any():
            self._fan = self._fan or Fan(self._start, self._along)
            return self._fan.towards(box)
        width, height = self._lens.width, self._lens.height
        u, v = width / 2.0 + self._focal * right / ahead, height / 2.0 - self._focal * up / ahead
        left, top = max(math.floor(u.min()), 0), max(math.floor(v.min()), 0)
        part = self._index[top : max(math.ceil(v.max()) + 1, 0), left : max(math.ceil(u.max()) + 1, 0)]
        return part.reshape(-1)
