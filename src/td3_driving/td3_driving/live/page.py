# SPDX-License-Identifier: Apache-2.0
"""Puts what happens in a run or a drive on the live page, as entities of Rerun."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray

from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.live import entities
from td3_driving.view import shapes
from td3_driving.view.scene import VEHICLE, Scene
from td3_driving.view.shapes import Box

TIME, STEP = "time", "step"
"""Timelines: seconds since the page began, and environment steps."""
LEVELS = {"OK": "INFO", "WARN": "WARN", "ERROR": "ERROR", "STALE": "WARN"}
QUALITY = 80
"""Of the camera's JPEG images."""
EGO, OTHER, LANE = shapes.rgb(shapes.DARK), shapes.rgb(shapes.OTHER), (150, 150, 150)
ROUTE, DRIVEN, PATH = shapes.rgb(shapes.ROUTE), (110, 110, 110), shapes.rgb(shapes.PATH)
"""Red, green, blue."""
Segments = Sequence[NDArray[np.float64]]


class Sink(Protocol):
    """What the page needs of a ``rerun.RecordingStream``."""

    def log(self, entity_path: str, entity: object, *, static: bool = False) -> None:
        """Take the newest value of an entity."""

    def set_time(self, timeline: str, *, duration: float | None = None, sequence: int | None = None) -> None:
        """Set the moment of what is logged from here on."""


class Page:
    """Writes each kind of data to its entity of :data:`entities.ENTITIES`.

    Args:
        sink: where the entities go.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._curves: dict[str, tuple[str, ...]] = {}

    def at(self, seconds: float, step: int) -> None:
        """Set the moment of all that follows: seconds since the page began, environment steps so far."""
        self._sink.set_time(TIME, duration=seconds)
        self._sink.set_time(STEP, sequence=step)

    def picture(self, bgr: NDArray[np.uint8]) -> None:
        """Show an image (height, width, 3), blue first."""
        coded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
        self._sink.log(entities.CAMERA, rr.EncodedImage(contents=coded.tobytes(), media_type="image/jpeg"))

    def lanes(self, borders: Segments) -> None:
        """Show the borders of lanes, each (N, 2 or 3) in the map frame [m], for the whole time."""
        strips = rr.LineStrips3D([_three(border) for border in borders], colors=[LANE], radii=0.08)
        self._sink.log(entities.LANES, strips, static=True)

    def route(self, points: NDArray[np.float64]) -> None:
        """Show a route (N, 3) [m]; one without points takes the last one away."""
        self._line(entities.ROUTE, points, ROUTE, 0.2)

    def scene(self, scene: Scene, driven: NDArray[np.float64]) -> None:
        """Show the vehicle, what it did since the route began (N, 3) [m], where it goes, and the others."""
        vehicle = scene.vehicle
        if vehicle is None:
            return
        self._car(vehicle)
        self._line(entities.DRIVEN, driven, DRIVEN, 0.12)
        self._line(entities.PATH, scene.path(vehicle), PATH, 0.25)
        self._boxes(entities.TRAFFIC, scene.traffic)
        self.curves(entities.SPEED, ("speed [km/h]",), (3.6 * vehicle.speed,))
        if math.isfinite(scene.lateral_error):
            self.curves(entities.LANE_ERROR, ("lane error [m]",), (scene.lateral_error,))
        if scene.action is not None:
            self.curves(entities.ACTION, ("steer", "drive"), scene.action)

    def reward(self, names: Sequence[str], values: Sequence[float], total: float) -> None:
        """Add the reward of a step and its weighted terms."""
        self.curves(entities.REWARD_TOTAL, ("reward",), (total,))
        self.curves(entities.REWARD_TERMS, names, values)

    def curves(self, entity: str, names: Sequence[str], values: Sequence[float]) -> None:
        """Add a point to each curve of an entity; ``names`` are the curves, in the order of ``values``."""
        if self._curves.get(entity) != tuple(names):
            self._curves[entity] = tuple(names)
            shades = entities.colours(names, entities.FIRST_COLOUR.get(entity, 0))
            self._sink.log(entity, rr.SeriesLines(names=list(names), colors=shades, widths=[1.5]), static=True)
        self._sink.log(entity, rr.Scalars(list(values)))

    def say(self, level: str, text: str) -> None:
        """Add a line to the log; ``level`` is OK, WARN, ERROR or STALE."""
        self._sink.log(entities.ALARMS, rr.TextLog(text, level=LEVELS.get(level, "INFO")))

    def status(self, text: str) -> None:
        """Show how things stand, as Markdown."""
        self._sink.log(entities.STATUS, rr.TextDocument(text, media_type=rr.MediaType.MARKDOWN))

    def _car(self, vehicle: VehicleState) -> None:
        turn = rr.RotationAxisAngle(axis=(0.0, 0.0, 1.0), radians=vehicle.yaw)
        at = (vehicle.x, vehicle.y, vehicle.z)
        self._sink.log(entities.CAR, rr.Transform3D(translation=at, rotation=turn))
        centre = (0.0, 0.0, VEHICLE[2] / 2.0)
        solid = rr.components.FillMode.Solid
        self._sink.log(entities.BODY, rr.Boxes3D(centers=[centre], sizes=[VEHICLE], colors=[EGO], fill_mode=solid))

    def _line(self, entity: str, points: NDArray[np.float64], colour: tuple[int, int, int], radius: float) -> None:
        strips = [_three(points)] if len(points) > 1 else []
        self._sink.log(entity, rr.LineStrips3D(strips, colors=[colour] * len(strips), radii=[radius] * len(strips)))

    def _boxes(self, entity: str, boxes: Sequence[Box]) -> None:
        turns = [rr.RotationAxisAngle(axis=(0.0, 0.0, 1.0), radians=box.yaw) for box in boxes]
        shown = rr.Boxes3D(
            centers=[(box.x, box.y, box.z) for box in boxes],
            sizes=[(box.length, box.width, box.height) for box in boxes],
            rotation_axis_angles=turns,
            colors=[OTHER] * len(boxes),
            fill_mode=rr.components.FillMode.Solid,
        )
        self._sink.log(entity, shown)


def _three(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2 or 3) points as (N, 3)."""
    return points if points.shape[1] == 3 else np.column_stack((points, np.zeros(len(points))))
