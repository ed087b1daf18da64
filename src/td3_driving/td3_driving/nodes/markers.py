"""The scene of ``/td3/markers``: route, lane error, predicted path, action bars, Q and reward."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import Point
from nav_msgs.msg import Odometry, Path
from std_msgs.msg import ColorRGBA
from td3_driving_msgs.msg import RewardComponents
from visualization_msgs.msg import Marker, MarkerArray

from td3_driving.driving.prediction import predicted_path
from td3_driving.nodes.conversions import MAP_FRAME, vehicle_state

WHITE = (1.0, 1.0, 1.0)
GREEN = (0.2, 0.8, 0.3)
RED = (0.9, 0.2, 0.2)
BLUE = (0.3, 0.5, 1.0)
YELLOW = (1.0, 0.8, 0.1)
LIFT = 0.3
"""Height of lines above the road [m]."""
BAR_LENGTH = 2.0
"""Length of an action bar at full deflection [m]."""


@dataclass
class Scene:
    """The newest of everything that is drawn; what never came is left out."""

    route: Path | None = None
    odometry: Odometry | None = None
    reward: RewardComponents | None = None
    q_value: float = math.nan

    def markers(self) -> MarkerArray:
        """All markers, in the map frame."""
        shown: list[Marker] = []
        if self.route is not None and self.route.poses:
            points = [(p.pose.position.x, p.pose.position.y) for p in self.route.poses]
            shown.append(_line(0, "route", np.array(points), GREEN, 0.25))
        if self.odometry is not None and self.reward is not None:
            shown += self._vehicle_markers(self.odometry, self.reward)
        return MarkerArray(markers=shown)

    def _vehicle_markers(self, odometry: Odometry, reward: RewardComponents) -> list[Marker]:
        vehicle = vehicle_state(odometry)
        steer, drive = (float(value) for value in reward.action)
        left = np.array((-math.sin(vehicle.yaw), math.cos(vehicle.yaw)))
        forward = np.array((math.cos(vehicle.yaw), math.sin(vehicle.yaw)))
        here = np.array((vehicle.x, vehicle.y))
        side = here + 3.0 * left
        text = f"r {reward.total:+.2f}   Q {self.q_value:.1f}   {vehicle.speed * 3.6:.0f} km/h"
        return [
            _line(1, "lane error", np.array((here, here - reward.lateral_error * left)), RED, 0.15),
            _line(2, "predicted path", predicted_path(vehicle, steer, drive), BLUE, 0.15),
            _line(3, "steer", np.array((side, side - BAR_LENGTH * steer * left)), YELLOW, 0.3),
            _line(4, "drive", np.array((side, side + BAR_LENGTH * drive * forward)), GREEN if drive > 0 else RED, 0.3),
            _text(5, "value", here, text),
        ]


def _marker(number: int, name: str, kind: int, color: tuple[float, float, float], width: float) -> Marker:
    marker = Marker(id=number, ns=name, type=kind, action=Marker.ADD)
    marker.header.frame_id = MAP_FRAME
    marker.scale.x = width
    marker.pose.orientation.w = 1.0
    marker.color = ColorRGBA(r=color[0], g=color[1], b=color[2], a=1.0)
    return marker


def _line(number: int, name: str, points: np.ndarray, color: tuple[float, float, float], width: float) -> Marker:
    marker = _marker(number, name, Marker.LINE_STRIP, color, width)
    marker.points = [Point(x=float(x), y=float(y), z=LIFT) for x, y in points]
    return marker


def _text(number: int, name: str, at: np.ndarray, text: str) -> Marker:
    marker = _marker(number, name, Marker.TEXT_VIEW_FACING, WHITE, 0.0)
    marker.pose.position = Point(x=float(at[0]), y=float(at[1]), z=3.0)
    marker.scale.z = 0.8
    marker.text = text
    return marker
