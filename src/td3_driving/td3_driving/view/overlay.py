# SPDX-License-Identifier: Apache-2.0
"""Draws the scene and the readings into an enlarged camera image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.view.camera_model import CameraModel, clipped
from td3_driving.view.scene import Scene, plain
from td3_driving.view.shapes import GREEN, GREY, PATH, RED, ROUTE, WHITE, YELLOW, Box, Colour, bgr

SIGHT = 60.0
"""How far ahead of the vehicle things are drawn [m]."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Pairs of corners of a box between which an edge runs."""
REFERENCE = 432
"""Image height at which letters and lines have their nominal size [px]."""


def draw(
    image: NDArray[np.uint8], scene: Scene, vehicle: VehicleState | None, camera: CameraModel | None, rows: int
) -> NDArray[np.uint8]:
    """A new BGR image of ``image`` (height, width, 3 or more; B, G, R first) with the scene drawn into it.

    Args:
        vehicle: where the vehicle was when the image was taken; None draws nothing that lies in the world.
        camera: of the original image; None likewise.
        rows: least height of the result [px]: the image is enlarged by a whole number.
    """
    factor = max(-(-rows // image.shape[0]), 1)
    plain = np.ascontiguousarray(image[:, :, :3])
    size = plain.shape[1] * factor, plain.shape[0] * factor
    canvas = np.asarray(cv2.resize(plain, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    if factor == 1:
        canvas = canvas.copy()
    if vehicle is not None and camera is not None:
        _World(canvas, camera.scaled(factor), vehicle).draw(scene)
    _readings(canvas, scene)
    return canvas


class _World:
    """Draws what lies in the world around the vehicle."""

    def __init__(self, canvas: NDArray[np.uint8], camera: CameraModel, vehicle: VehicleState) -> None:
        self._canvas, self._camera, self._vehicle = canvas, camera, vehicle
        self._scale = canvas.shape[0] / REFERENCE

    def draw(self, scene: Scene) -> None:
        self._line(scene.route, ROUTE, 3.0)
        for box in scene.traffic:
            if self._near(np.array(((box.x, box.y),))).all():
                self._box(box)
        self._line(scene.path(self._vehicle), PATH, 4.0)

    def _near(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) bool: which of (N, 2 or 3) points in the map frame are not farther away than SIGHT."""
        return np.asarray(np.hypot(points[:, 0] - self._vehicle.x, points[:, 1] - self._vehicle.y) < SIGHT)

    def _line(self, points: NDArray[np.float64], colour: Colour, width: float) -> None:
        near = self._near(points)
        optical = self._camera.from_map(points, self._vehicle)
        for start in np.flatnonzero(near[:-1] & near[1:]).tolist():
            self._segment(optical[start : start + 2], colour, width)

    def _box(self, box: Box) -> None:
        corners = self._camera.from_map(box.corners(), self._vehicle)
        for edge in EDGES:
            self._segment(corners[list(edge)], box.colour, 1.5)

    def _segment(self, optical: NDArray[np.float64], colour: Colour, width: float) -> None:
        visible = clipped(optical)
        if visible is None:
            return
        (x1, y1), (x2, y2) = np.rint(self._camera.pixels(visible)).astype(int).tolist()
        cv2.line(self._canvas, (x1, y1), (x2, y2), bgr(colour), _pixels(width, self._scale), cv2.LINE_AA)


def _readings(canvas: NDArray[np.uint8], scene: Scene) -> None:
    """Texts at the top, action bars at the bottom."""
    scale = canvas.shape[0] / REFERENCE
    lines = [(text, WHITE) for text in scene.readings()]
    if scene.gate is not None:
        lines.append((f"gate: {scene.gate.message}", scene.gate.colour))
    for number, (text, colour) in enumerate(lines):
        _text(canvas, text, (12.0, 28.0 + 26.0 * number), colour, scale)
    if scene.action is not None:
        _bars(canvas, *scene.action, scale)


def _bars(canvas: NDArray[np.uint8], steer: float, drive: float, scale: float) -> None:
    """The wheel as a bar to its side, the pedals as one above (throttle) or below (brake) its middle."""
    height, width = canvas.shape[:2]
    length, thick = 100.0 * scale, 12.0 * scale
    middle = np.array((width / 2.0, height - 30.0 * scale))
    _bar(canvas, middle, np.array((steer * length, 0.0)), np.array((length, 0.0)), thick, YELLOW)
    pedals = np.array((width - 40.0 * scale, height - 70.0 * scale))
    colour = GREEN if drive > 0.0 else RED
    _bar(canvas, pedals, np.array((0.0, -drive * 0.5 * length)), np.array((0.0, 0.5 * length)), thick, colour)


def _bar(
    canvas: NDArray[np.uint8],
    middle: NDArray[np.float64],
    reach: NDArray[np.float64],
    full: NDArray[np.float64],
    thick: float,
    colour: Colour,
) -> None:
    """A frame from ``-full`` to ``full`` around ``middle`` [px], filled from the middle as far as ``reach``."""
    side = np.where(full == 0.0, thick / 2.0, 0.0)
    _rectangle(canvas, middle - full - side, middle + full + side, GREY, 1)
    _rectangle(canvas, middle - side, middle + reach + side, colour, cv2.FILLED)
    _rectangle(canvas, middle - side - 1.0, middle + side + 1.0, WHITE, cv2.FILLED)


def _rectangle(
    canvas: NDArray[np.uint8], first: NDArray[np.float64], second: NDArray[np.float64], colour: Colour, thickness: int
) -> None:
    (x1, y1), (x2, y2) = np.rint((first, second)).astype(int).tolist()
    cv2.rectangle(canvas, (x1, y1), (x2, y2), bgr(colour), thickness, cv2.LINE_AA)


def _text(canvas: NDArray[np.uint8], text: str, at: tuple[float, float], colour: Colour, scale: float) -> None:
    """Letters with a dark edge, readable on any ground; ``at`` at the nominal height."""
    corner = round(at[0] * scale), round(at[1] * scale)
    for shade, width in (((0.0, 0.0, 0.0), 4.0), (colour, 1.5)):
        cv2.putText(canvas, plain(text), corner, FONT, 0.7 * scale, bgr(shade), _pixels(width, scale), cv2.LINE_AA)


def _pixels(width: float, scale: float) -> int:
    return max(round(width * scale), 1)
