# SPDX-License-Identifier: Apache-2.0
"""Draws a scene on the map, from above: the vehicle in the lower half of the picture, its heading up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.view import shapes
from td3_driving.view.scene import VEHICLE, Scene
from td3_driving.view.shapes import Box, bgr

REACH = 70.0
"""Height and width of what is shown [m]."""
AHEAD = 0.68
"""Share of the height that lies ahead of the vehicle."""
REFERENCE = 432
"""Size at which letters and lines have their nominal size [px]."""
GROUND, BORDER, INK = (240, 240, 240), (140, 140, 140), (60, 60, 60)
ROUTE, DRIVEN, PATH = bgr(shapes.ROUTE), (110, 110, 110), bgr(shapes.PATH)
EGO, OTHER = bgr(shapes.DARK), bgr(shapes.OTHER)
"""Blue, green, red."""
LEGEND = (("route", ROUTE), ("driven", DRIVEN), ("predicted path", PATH), ("car", EGO), ("others", OTHER))
SCALE = 20.0
"""Length of the scale bar [m]."""
Place = Callable[[NDArray[np.float64]], NDArray[np.int32]]
"""From (N, 2 or more) points in the map frame [m] to (N, 2) columns and rows [px]."""


def draw_from_above(
    scene: Scene, driven: NDArray[np.float64], borders: Sequence[NDArray[np.float64]], size: int
) -> NDArray[np.uint8]:
    """A BGR picture (size, size, 3).

    Args:
        driven: (N, 3) where the vehicle came along [m].
        borders: of lanes, each (N, 2 or more) [m].
    """
    picture = np.full((size, size, 3), GROUND, dtype=np.uint8)
    vehicle, unit = scene.vehicle, size / REFERENCE
    if vehicle is None:
        return picture
    place = _placing(vehicle, size)
    for border in borders:
        near = np.abs(border[:, :2] - (vehicle.x, vehicle.y)).max(axis=1) < 1.5 * REACH
        if near.any():
            _line(picture, place(border[_with_neighbours(near)]), BORDER, 1.0 * unit)
    _line(picture, place(scene.route), ROUTE, 4.0 * unit)
    _line(picture, place(driven), DRIVEN, 2.0 * unit)
    _line(picture, place(scene.path(vehicle)), PATH, 3.0 * unit)
    here = Box("vehicle", 0, vehicle.x, vehicle.y, 0.0, vehicle.yaw, *VEHICLE, (0.0, 0.0, 0.0))
    for box, colour in (*((box, OTHER) for box in scene.traffic), (here, EGO)):
        cv2.fillPoly(picture, [place(box.corners()[:4])], colour, cv2.LINE_AA)
    _legend(picture, unit)
    return picture


def _placing(vehicle: VehicleState, size: int) -> Place:
    scale, (sine, cosine) = size / REACH, (math.sin(vehicle.yaw), math.cos(vehicle.yaw))

    def place(points: NDArray[np.float64]) -> NDArray[np.int32]:
        x, y = points[:, 0] - vehicle.x, points[:, 1] - vehicle.y
        forward, left = x * cosine + y * sine, y * cosine - x * sine
        pixels = np.column_stack((0.5 * size - left * scale, AHEAD * size - forward * scale))
        # OpenCV counts in 16 bits where it draws smooth lines.
        return np.rint(np.clip(pixels, -8.0 * size, 8.0 * size)).astype(np.int32)

    return place


def _with_neighbours(near: NDArray[np.bool_]) -> slice:
    """The part of a border from the point before the first near one to the point behind the last."""
    found = np.flatnonzero(near)
    return slice(max(int(found[0]) - 1, 0), int(found[-1]) + 2)


def _line(picture: NDArray[np.uint8], pixels: NDArray[np.int32], colour: Sequence[int], width: float) -> None:
    cv2.polylines(picture, [pixels], False, colour, max(1, round(width)), cv2.LINE_AA)


def _legend(picture: NDArray[np.uint8], unit: float) -> None:
    """What the colours mean, and how long 20 m are."""
    size = len(picture)
    for number, (word, colour) in enumerate(LEGEND):
        row = round((18.0 + 20.0 * number) * unit)
        cv2.line(picture, (round(10 * unit), row), (round(34 * unit), row), colour, max(2, round(5 * unit)))
        _text(picture, word, (round(42 * unit), row + round(5 * unit)), unit)
    bar, bottom = round(SCALE * size / REACH), size - round(14 * unit)
    cv2.line(picture, (round(10 * unit), bottom), (round(10 * unit) + bar, bottom), INK, max(1, round(2 * unit)))
    _text(picture, f"{SCALE:.0f} m", (round(10 * unit), bottom - round(7 * unit)), unit)


def _text(picture: NDArray[np.uint8], text: str, at: tuple[int, int], unit: float) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit, INK, max(1, round(unit)), cv2.LINE_AA)
