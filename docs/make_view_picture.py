# SPDX-License-Identifier: Apache-2.0
"""The picture of the view: markers as RViz shows them, beside the camera image with the scene in it.

Listens to a running graph with a visualizer, and draws the moments in which there is most to see:

ROS_DOMAIN_ID=10 python docs/make_view_picture.py docs/view.png --seconds 20
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray

from td3_driving.driving.decoding import vehicle_state
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes.ros import qos
from td3_driving.view.camera_model import CameraModel, clipped, rotation_matrix

EGO = "/carla/ego_vehicle"
WIDTH, HEIGHT = 640, 432
TOGETHER = 0.02
"""Wall time between an image and markers of the same frame [s]."""
SMOOTHING = 2
"""The picture of the markers is drawn so many times larger."""
GROUND = (58, 52, 48)
BEHIND, ABOVE, DOWN = 17.0, 9.0, math.radians(22.0)
"""Where the onlooker is, relative to the car [m], and how far it looks down [rad]."""
FACES = ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
CORNERS = np.array([(x, y, z) for z in (-0.5, 0.5) for x, y in ((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5))])


@dataclass(frozen=True)
class Moment:
    """Markers, and the image and the vehicle state that came last before them."""

    markers: list[Marker]
    image: np.ndarray
    vehicle: VehicleState

    @property
    def interest(self) -> float:
        """Much when the car turns while others are near."""
        near = [marker for marker in self.markers if marker.ns == "traffic" and self._ahead(marker)]
        drawn = {marker.ns for marker in self.markers} >= {"route", "predicted path"}
        return drawn * (abs(self.vehicle.yaw_rate) * self.vehicle.speed + 3.0 * min(len(near), 3))

    def _ahead(self, marker: Marker) -> bool:
        x, y = marker.pose.position.x - self.vehicle.x, marker.pose.position.y - self.vehicle.y
        along = x * math.cos(self.vehicle.yaw) + y * math.sin(self.vehicle.yaw)
        return 4.0 < along < 35.0 and math.hypot(x, y) < 40.0


class Recorder(Node):
    """Keeps what is shown, where markers and image came together: they are of the same frame."""

    def __init__(self) -> None:
        super().__init__("picture")
        self.moments: list[Moment] = []
        self.roads: list[Marker] = []
        self._newest: dict[str, Any] = {}
        for kind, topic, profile, take in (
            (MarkerArray, "/carla/markers/static", qos.BRIDGE_LATCHED_ONE, self._on_roads),
            (MarkerArray, "/td3/markers", qos.MARKERS, self._on_markers),
            (Image, "/td3/view/image", qos.BRIDGE, self._on_image),
            (Odometry, f"{EGO}/odometry", qos.onlooker(1), lambda sent: self._newest.update(odometry=sent)),
        ):
            self.create_subscription(kind, topic, take, profile)

    def _on_roads(self, sent: MarkerArray) -> None:
        self.roads = list(sent.markers)

    def _on_image(self, sent: Image) -> None:
        self._newest.update(image=sent, at=time.monotonic())

    def _on_markers(self, sent: MarkerArray) -> None:
        if {"image", "odometry"} <= set(self._newest) and time.monotonic() - self._newest["at"] < TOGETHER:
            image = self._newest["image"]
            pixels = np.frombuffer(image.data, dtype=np.uint8).reshape(image.height, image.width, 3)
            self.moments.append(Moment(list(sent.markers), pixels, vehicle_state(self._newest["odometry"])))


class Onlooker:
    """Draws markers as seen from behind the car."""

    def __init__(self, vehicle: VehicleState) -> None:
        down = rotation_matrix(0.0, math.sin(DOWN / 2.0), 0.0, math.cos(DOWN / 2.0))
        focal, size = 0.8 * WIDTH * SMOOTHING, (WIDTH * SMOOTHING, HEIGHT * SMOOTHING)
        place = np.array((-BEHIND, 0.0, ABOVE))
        looks = down @ rotation_matrix(-0.5, 0.5, -0.5, 0.5)
        self._camera = CameraModel(focal, focal, size[0] / 2.0, size[1] / 2.0, looks, place)
        self._vehicle = vehicle
        self._canvas = np.full((size[1], size[0], 3), GROUND, dtype=np.uint8)

    def draw(self, markers: list[Marker]) -> np.ndarray:
        """A BGR image (HEIGHT, WIDTH, 3)."""
        order = {Marker.LINE_LIST: 0, Marker.CUBE: 1, Marker.LINE_STRIP: 2, Marker.TEXT_VIEW_FACING: 3}
        shown = [marker for marker in markers if marker.action == Marker.ADD]
        for marker in sorted(shown, key=lambda each: (order[each.type], -self._depth(each))):
            self._marker(marker)
        return np.asarray(cv2.resize(self._canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))

    def _optical(self, points: np.ndarray) -> np.ndarray:
        return self._camera.from_map(points, self._vehicle)

    def _depth(self, marker: Marker) -> float:
        at = marker.pose.position
        return float(self._optical(np.array(((at.x, at.y, at.z),)))[0, 2])

    def _marker(self, marker: Marker) -> None:
        colour = tuple(round(255 * part) for part in (marker.color.b, marker.color.g, marker.color.r))
        points = np.array([(point.x, point.y, point.z) for point in marker.points]).reshape(-1, 3)
        if marker.type == Marker.LINE_STRIP:
            self._lines(points[:-1], points[1:], colour, marker.scale.x)
        elif marker.type == Marker.LINE_LIST:
            self._lines(points[::2], points[1::2], colour, marker.scale.x)
        elif marker.type == Marker.CUBE:
            self._cube(marker, colour)
        else:
            self._text(marker, colour)

    def _lines(self, starts: np.ndarray, ends: np.ndarray, colour: tuple[int, ...], width: float) -> None:
        near = np.hypot(starts[:, 0] - self._vehicle.x, starts[:, 1] - self._vehicle.y) < 90.0
        for segment in np.stack((self._optical(starts[near]), self._optical(ends[near])), axis=1):
            visible = clipped(segment)
            if visible is None:
                continue
            first, second = np.rint(self._camera.pixels(visible)).astype(int).tolist()
            thick = round(self._camera.fx * width / float(visible[:, 2].mean()))
            cv2.line(self._canvas, first, second, colour, min(max(thick, 1), 24), cv2.LINE_AA)

    def _cube(self, marker: Marker, colour: tuple[int, ...]) -> None:
        at, q, size = marker.pose.position, marker.pose.orientation, marker.scale
        turned = (CORNERS * (size.x, size.y, size.z)) @ rotation_matrix(q.x, q.y, q.z, q.w).T
        optical = self._optical(turned + np.array((at.x, at.y, at.z)))
        if optical[:, 2].min() < 1.0:
            return
        pixels = np.rint(self._camera.pixels(optical)).astype(np.int32)
        faces = sorted(FACES, key=lambda face: -float(optical[list(face), 2].mean()))
        veil = self._canvas.copy()
        for number, face in enumerate(faces):
            shade = 0.5 + 0.1 * number
            cv2.fillConvexPoly(veil, pixels[list(face)], [round(shade * part) for part in colour], cv2.LINE_AA)
        alpha = marker.color.a
        self._canvas[:] = cv2.addWeighted(veil, alpha, self._canvas, 1.0 - alpha, 0.0)

    def _text(self, marker: Marker, colour: tuple[int, ...]) -> None:
        at = marker.pose.position
        optical = self._optical(np.array(((at.x, at.y, at.z),)))
        scale = self._camera.fx * marker.scale.z / float(optical[0, 2]) / 24.0
        ((x, y),) = self._camera.pixels(optical).tolist()
        lines = marker.text.split("\n")
        for number, line in enumerate(lines):
            (width, height), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
            corner = round(x - width / 2), round(y + (number - len(lines) / 2 + 0.5) * 1.6 * height)
            cv2.putText(self._canvas, line, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 3, cv2.LINE_AA)


def record(seconds: float) -> Recorder:
    """Listen to the running graph for ``seconds`` of wall time."""
    rclpy.init()
    recorder = Recorder()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rclpy.spin_once(recorder, timeout_sec=0.1)
    return recorder


def best(moments: list[Moment], count: int) -> list[Moment]:
    """The most interesting moment of each of ``count`` equal parts of the record."""
    parts = np.array_split(np.arange(len(moments)), count)
    return [max((moments[index] for index in part), key=lambda moment: moment.interest) for part in parts if len(part)]


def main() -> None:
    """Record, choose, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to listen (%(default)s)")
    parser.add_argument("--moments", type=int, default=2, help="moments to draw (%(default)s)")
    options = parser.parse_args()
    recorder = record(options.seconds)
    if not recorder.moments:
        parser.error("nothing to be seen: is a visualizer running in this ROS domain?")
    rows = []
    for moment in best(recorder.moments, options.moments):
        scene = Onlooker(moment.vehicle).draw(recorder.roads + moment.markers)
        width = round(moment.image.shape[1] * HEIGHT / moment.image.shape[0])
        rows.append(np.hstack((scene, cv2.resize(moment.image, (width, HEIGHT)))))
    cv2.imwrite(str(options.picture), np.vstack(rows))


if __name__ == "__main__":
    main()
