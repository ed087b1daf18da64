# SPDX-License-Identifier: Apache-2.0
"""The other vehicles out of the object lists of the CARLA bridge (``derived_object_msgs/ObjectArray``).

A list of 100 objects has two thousand nested messages; making them takes longer than several frames. The bridge fills
every object alike, so its serialised list (CDR: OMG DDS-XTypes 1.3, section 7.4) is a table of equal rows. It is read
and written as one. Lists of another form are read field by field, with the same result.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import OWN_LENGTH, Neighbours
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.vehicle_state import VehicleState

MAX_OBJECTS = 1000
"""Most objects of a list that is read."""
OWN_PLACE = 0.5
"""An object whose centre is nearer than this to that of the vehicle is the vehicle itself [m]."""
BOX = 1
"""``shape_msgs/SolidPrimitive.BOX``."""
CAR = 6
"""``derived_object_msgs/Object.CLASSIFICATION_CAR``."""
NUMBERS = 22
"""Numbers of one object, SI units in the map frame: position x y z, quaternion x y z w, velocity, angular velocity,
acceleration, angular acceleration, size x y z."""
X, Y, QX, QY, QZ, QW, VX, VY, YAW_RATE, AX, AY, LENGTH = 0, 1, 3, 4, 5, 6, 7, 8, 12, 13, 14, 19
"""Places of some of them."""

_HEAD = struct.Struct("<BB2xiII4sI")
"""Encoding, seconds, nanoseconds, length of the name of the frame, name, number of objects."""
_LITTLE_ENDIAN = 0, 1
_FRAME = b"map\0"
_ROW = 232
_STAMP, _NAME_LENGTH, _NAME, _ID, _CLASSIFIED = slice(0, 8), slice(8, 12), slice(12, 16), slice(16, 20), 21
_MOTION, _OUTLINE, _SHAPE, _SIZES, _SIZE = slice(28, 180), slice(180, 184), 184, slice(188, 192), slice(196, 220)
_BASE, _KIND, _CERTAINTY, _AGE = slice(220, 224), 224, 225, slice(228, 232)
_MOTION_BYTES = 152


def _row_of_a_car() -> NDArray[np.uint8]:
    row = np.zeros(_ROW, dtype=np.uint8)
    row[_NAME_LENGTH][0], row[_SIZES][0], row[_SHAPE] = len(_FRAME), 3, BOX
    row[_NAME] = np.frombuffer(_FRAME, dtype=np.uint8)
    row[_CLASSIFIED], row[_KIND], row[_CERTAINTY] = 1, CAR, 255
    return row


_CAR_ROW = _row_of_a_car()
_FORM = np.r_[_NAME_LENGTH, _OUTLINE, _SHAPE, _SIZES, _BASE]
"""Bytes that make a row as long as it is: a box without outline or base, and the length of the frame's name."""


def serialised(stamp_ns: int, ids: NDArray[Any], ages: NDArray[Any], numbers: NDArray[np.float64]) -> bytes:
    """A list of cars in the frame ``map``: ids (N,), ages (N,) and :data:`NUMBERS` (N, 22) float64."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    head = _HEAD.pack(*_LITTLE_ENDIAN, sec, nanosec, len(_FRAME), _FRAME, len(ids))
    rows = np.empty((len(ids), _ROW), dtype=np.uint8)
    rows[:] = _CAR_ROW
    rows[:, _STAMP] = np.frombuffer(head[4:12], dtype=np.uint8)
    rows[:, _ID], rows[:, _AGE] = _bytes(ids, "<u4"), _bytes(ages, "<u4")
    values = _bytes(numbers, "<f8")
    rows[:, _MOTION], rows[:, _SIZE] = values[:, :_MOTION_BYTES], values[:, _MOTION_BYTES:]
    return head + rows.tobytes()


def _bytes(values: NDArray[Any], kind: str) -> NDArray[np.uint8]:
    table = np.ascontiguousarray(values, dtype=kind).reshape(len(values), values.shape[1] if values.ndim > 1 else 1)
    return table.view(np.uint8)


def read_list(data: bytes) -> tuple[int, Neighbours] | None:
    """Stamp [ns] and objects of a serialised list; ``None`` if it has another form than the bridge gives it.

    Raises:
        ObservationError: as :func:`neighbours_of`.
    """
    if len(data) < _HEAD.size or (len(data) - _HEAD.size) % _ROW:
        return None
    big, little, sec, nanosec, name_length, _, count = _HEAD.unpack_from(data)
    rows = np.frombuffer(data, dtype=np.uint8, offset=_HEAD.size).reshape(-1, _ROW)
    if (big, little) != _LITTLE_ENDIAN or name_length != len(_FRAME) or count != len(rows):
        return None
    if not (rows[:, _FORM] == _CAR_ROW[_FORM]).all():
        return None
    numbers = np.concatenate((rows[:, _MOTION], rows[:, _SIZE]), axis=1).view("<f8")
    return sec * 1_000_000_000 + nanosec, from_numbers(numbers)


def neighbours_of(message: Any) -> Neighbours:
    """All objects of an ``ObjectArray``; the vehicle itself is among them where the list has it.

    Raises:
        ObservationError: more than :data:`MAX_OBJECTS`, or a number that is not finite.
    """
    things = message.objects[: MAX_OBJECTS + 1]
    return from_numbers(np.array([_numbers(thing) for thing in things], dtype=np.float64).reshape(-1, NUMBERS))


def without(own: VehicleState, others: Neighbours) -> Neighbours:
    """``others`` without the vehicle itself, which ``carla/objects`` holds and the vehicle's own list does not."""
    kept = np.hypot(others.x - own.x, others.y - own.y) >= OWN_PLACE
    if kept.all():
        return others
    return Neighbours(others.x[kept], others.y[kept], others.yaw[kept], others.speed[kept], others.length[kept])


def _numbers(thing: Any) -> tuple[float, ...]:
    place, turn, rate, shape = thing.pose.position, thing.pose.orientation, thing.twist.linear, thing.shape
    length = float(shape.dimensions[0]) if shape.type == BOX and len(shape.dimensions) else OWN_LENGTH
    rest = (0.0,) * 9
    return place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w, rate.x, rate.y, rate.z, *rest, length, 0.0, 0.0


def from_numbers(numbers: NDArray[np.float64]) -> Neighbours:
    """The objects of a table (N, 22) of :data:`NUMBERS`.

    Raises:
        ObservationError: as :func:`neighbours_of`.
    """
    if len(numbers) > MAX_OBJECTS:
        raise ObservationError(f"a list of {len(numbers)} objects or more is outside 0 .. {MAX_OBJECTS}")
    # Both readers must give arrays of one memory layout, so that the same list gives the same bits.
    columns = numbers.T.copy()
    qx, qy, qz, qw = columns[QX], columns[QY], columns[QZ], columns[QW]
    yaw = np.arctan2(2.0 * (qw * qz + qx * qy), 1.0 - 2.0 * (qy * qy + qz * qz))
    speed = columns[VX] * np.cos(yaw) + columns[VY] * np.sin(yaw)
    found = np.stack((columns[X], columns[Y], yaw, speed, columns[LENGTH]))
    if not np.isfinite(found).all():
        raise ObservationError("pose, velocity or size of an object is not finite")
    return Neighbours(*found)
