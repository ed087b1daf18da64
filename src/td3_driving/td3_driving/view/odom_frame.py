# SPDX-License-Identifier: Apache-2.0
"""The frames of REP 105 from a pose in the map: map -> odom takes the jumps, odom -> base_link moves without any."""

from __future__ import annotations

import math
from dataclasses import dataclass

SLACK = 1.0
"""Distance beyond the driven one that still counts as driving [m]."""
SLACK_FACTOR = 2.0
"""The same as a factor of the greater of the two speeds."""


@dataclass(frozen=True, slots=True)
class Transform:
    """A rigid motion: translation [m] and unit quaternion."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    qx: float = 0.0
    qy: float = 0.0
    qz: float = 0.0
    qw: float = 1.0

    @property
    def yaw(self) -> float:
        """Heading [rad], counter-clockwise."""
        return math.atan2(
            2.0 * (self.qw * self.qz + self.qx * self.qy), 1.0 - 2.0 * (self.qy * self.qy + self.qz * self.qz)
        )


class OdomFrame:
    """Splits poses of the vehicle in the map into the two transforms of REP 105.

    The simulator knows the pose in the map without drift, so ``odom`` lies on ``map`` until the vehicle is put
    somewhere else: a reset. From then on ``map -> odom`` carries the jump, and ``odom -> base_link`` goes on where it
    was, with the heading it had. ``map -> odom`` turns about the vertical alone: both frames keep their z axis upright.
    """

    def __init__(self) -> None:
        self._offset = (0.0, 0.0, 0.0, 0.0)  # x, y, z [m] and yaw [rad] of odom in the map.
        self._last: tuple[int, Transform, float] | None = None
        self._smooth = Transform()
        self.jumps = 0

    def split(self, stamp_ns: int, pose: Transform, speed: float) -> tuple[Transform, Transform]:
        """``map -> odom`` and ``odom -> base_link`` for the pose of ``base_link`` in the map.

        Args:
            stamp_ns: time of the pose [ns].
            speed: along the vehicle's x axis [m/s].
        """
        if self._last is not None and self._jumped(stamp_ns, pose, speed):
            self._offset = _bringing(self._smooth, pose)
            self.jumps += 1
        self._last = stamp_ns, pose, speed
        self._smooth = _seen_from(self._offset, pose)
        x, y, z, yaw = self._offset
        return Transform(x, y, z, qz=math.sin(yaw / 2.0), qw=math.cos(yaw / 2.0)), self._smooth

    def _jumped(self, stamp_ns: int, pose: Transform, speed: float) -> bool:
        assert self._last is not None
        before_ns, before, before_speed = self._last
        seconds = (stamp_ns - before_ns) * 1e-9
        driven = math.dist((pose.x, pose.y, pose.z), (before.x, before.y, before.z))
        return seconds < 0.0 or driven > SLACK + SLACK_FACTOR * max(abs(speed), abs(before_speed)) * seconds


def _bringing(smooth: Transform, pose: Transform) -> tuple[float, float, float, float]:
    """The place of odom in the map that puts ``smooth``, seen from odom, onto ``pose``, seen from the map."""
    yaw = pose.yaw - smooth.yaw
    cosine, sine = math.cos(yaw), math.sin(yaw)
    x = pose.x - (cosine * smooth.x - sine * smooth.y)
    y = pose.y - (sine * smooth.x + cosine * smooth.y)
    return x, y, pose.z - smooth.z, math.remainder(yaw, 2.0 * math.pi)


def _seen_from(offset: tuple[float, float, float, float], pose: Transform) -> Transform:
    """``pose``, given in the map, as seen from odom."""
    x, y, z, yaw = offset
    dx, dy = pose.x - x, pose.y - y
    cosine, sine = math.cos(yaw), math.sin(yaw)
    c, s = math.cos(yaw / 2.0), math.sin(yaw / 2.0)
    return Transform(
        x=cosine * dx + sine * dy,
        y=cosine * dy - sine * dx,
        z=pose.z - z,
        qx=c * pose.qx + s * pose.qy,
        qy=c * pose.qy - s * pose.qx,
        qz=c * pose.qz - s * pose.qw,
        qw=c * pose.qw + s * pose.qz,
    )
