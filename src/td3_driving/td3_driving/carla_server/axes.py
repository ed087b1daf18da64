# SPDX-License-Identifier: Apache-2.0
"""CARLA's axes (x forward, y right, degrees) and the map frame of the embedded world (y left, radians)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from td3_driving.carla_server.records import Location, PoseRecord, Rotation, Vector3D


def forward(rotation: Rotation) -> Vector3D:
    """Unit vector along the x axis of something that is turned so, as ``carla.Transform.get_forward_vector``."""
    pitch, yaw = math.radians(rotation.pitch), math.radians(rotation.yaw)
    return Vector3D(math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch))


def matrix(rotation: Rotation) -> tuple[Vector3D, Vector3D, Vector3D]:
    """The axes forward, right and up of something that is turned so, as rows in the world's axes.

    Unreal's convention, as in ``carla.Transform.get_matrix``: yaw about z, then pitch (up positive), then roll.
    """
    pitch, yaw, roll = (math.radians(angle) for angle in rotation)
    cp, sp, cy, sy, cr, sr = (f(a) for a in (pitch, yaw, roll) for f in (math.cos, math.sin))
    return (
        Vector3D(cp * cy, cp * sy, sp),
        Vector3D(cy * sp * sr - sy * cr, sy * sp * sr + cy * cr, -cp * sr),
        Vector3D(-(cy * sp * cr + sy * sr), -(sy * sp * cr) + cy * sr, cp * cr),
    )


def place(transform: PoseRecord, point: Sequence[float]) -> Location:
    """Convert a point in the axes of ``transform`` to the world."""
    f, r, u = matrix(transform.rotation)
    x, y, z = point
    at = transform.location
    return Location(
        at.x + x * f.x + y * r.x + z * u.x, at.y + x * f.y + y * r.y + z * u.y, at.z + x * f.z + y * r.z + z * u.z
    )


def compose(parent: PoseRecord, child: PoseRecord) -> PoseRecord:
    """The world transform of something that sits at ``child`` in the axes of ``parent``."""
    turn = parent.rotation
    if turn.pitch == 0.0 and turn.roll == 0.0:
        rotation = Rotation(child.rotation.pitch, wrap(turn.yaw + child.rotation.yaw), child.rotation.roll)
    else:
        rotation = _euler(_product(matrix(child.rotation), matrix(turn)))
    return PoseRecord(place(parent, child.location), rotation)


def relative(parent: PoseRecord, world: PoseRecord) -> PoseRecord:
    """The inverse: where something in the world sits in the axes of ``parent``."""
    axes = matrix(parent.rotation)
    offset = [a - b for a, b in zip(world.location, parent.location)]
    location = Location(*(sum(a * b for a, b in zip(axis, offset)) for axis in axes))
    mine = matrix(world.rotation)
    rows = tuple(Vector3D(*(sum(a * b for a, b in zip(row, axis)) for axis in axes)) for row in mine)
    return PoseRecord(location, _euler(rows))


def _product(child: Sequence[Vector3D], parent: Sequence[Vector3D]) -> tuple[Vector3D, ...]:
    """Axes of the child, given in those of the parent, in the world's."""
    columns = list(zip(*parent))
    return tuple(Vector3D(*(sum(a * b for a, b in zip(row, column)) for column in columns)) for row in child)


def _euler(axes: Sequence[Vector3D]) -> Rotation:
    front, right, up = axes
    pitch = math.degrees(math.asin(min(max(front.z, -1.0), 1.0)))
    return Rotation(pitch, math.degrees(math.atan2(front.y, front.x)), math.degrees(math.atan2(-right.z, up.z)))


def wrap(degrees: float) -> float:
    """An angle in [-180, 180]."""
    return math.remainder(degrees, 360.0)


def to_map(transform: PoseRecord) -> tuple[float, float, float]:
    """x, y [m] and heading [rad] in the map frame."""
    return transform.location.x, -transform.location.y, -math.radians(transform.rotation.yaw)


def from_map(x: float, y: float, yaw: float, z: float = 0.0) -> PoseRecord:
    """CARLA's transform of a pose x, y [m], heading [rad] in the map frame, ``z`` [m] above the ground."""
    return PoseRecord(Location(x, -y, z), Rotation(0.0, wrap(-math.degrees(yaw)), 0.0))
