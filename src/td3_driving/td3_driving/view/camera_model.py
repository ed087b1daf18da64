# SPDX-License-Identifier: Apache-2.0
"""Projects points in front of the vehicle into the camera image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.vehicle_state import VehicleState

NEAR = 0.5
"""Nearest depth that is drawn [m]."""


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera that is fixed to the vehicle.

    Attributes:
        fx, fy, cx, cy: focal lengths and centre [px].
        rotation: (3, 3), from the camera's optical axes (x right, y down, z forward) to the vehicle's (x forward,
            y left, z up).
        position: (3,) of the camera in the vehicle's axes [m].
    """

    fx: float
    fy: float
    cx: float
    cy: float
    rotation: NDArray[np.float64]
    position: NDArray[np.float64]

    def scaled(self, factor: float) -> CameraModel:
        """The same camera with ``factor`` times the pixels along each side."""
        size = self.fx * factor, self.fy * factor, self.cx * factor, self.cy * factor
        return CameraModel(*size, self.rotation, self.position)

    def from_map(self, points: NDArray[np.float64], vehicle: VehicleState) -> NDArray[np.float64]:
        """(N, 3) points in the map frame [m] -> optical axes [m].

        The vehicle counts as standing level: its roll and pitch are those of the road that it looks along.
        """
        cosine, sine = np.cos(vehicle.yaw), np.sin(vehicle.yaw)
        turn = np.array(((cosine, -sine, 0.0), (sine, cosine, 0.0), (0.0, 0.0, 1.0)))
        in_vehicle = (points - (vehicle.x, vehicle.y, vehicle.z)) @ turn
        return np.asarray((in_vehicle - self.position) @ self.rotation)

    def pixels(self, optical: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) points in optical axes, all with z >= NEAR -> (N, 2) columns and rows [px], unbounded."""
        depth = optical[:, 2]
        columns = self.fx * optical[:, 0] / depth + self.cx
        rows = self.fy * optical[:, 1] / depth + self.cy
        return np.column_stack((columns, rows))


def rotation_matrix(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """(3, 3) rotation of a quaternion, which need not have length 1.

    Raises:
        ValueError: the quaternion is zero or not finite.
    """
    length = x * x + y * y + z * z + w * w
    if not 1e-12 < length < np.inf:
        raise ValueError(f"quaternion ({x}, {y}, {z}, {w}) is no rotation")
    s = 2.0 / length
    return np.array(
        (
            (1.0 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
            (s * (x * y + z * w), 1.0 - s * (x * x + z * z), s * (y * z - x * w)),
            (s * (x * z - y * w), s * (y * z + x * w), 1.0 - s * (x * x + y * y)),
        )
    )


def clipped(segment: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The part of a segment (2, 3) in optical axes that lies at z >= NEAR; None when nothing of it does."""
    start, end = segment
    if max(start[2], end[2]) < NEAR:
        return None
    if min(start[2], end[2]) >= NEAR:
        return segment
    cut = start + (end - start) * ((NEAR - start[2]) / (end[2] - start[2]))
    # The division may end a hair before the plane.
    cut[2] = NEAR
    return np.array((cut, end) if start[2] < NEAR else (start, cut))
