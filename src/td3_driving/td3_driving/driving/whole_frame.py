# SPDX-License-Identifier: Apache-2.0
"""Reads a frame that comes in one message (``td3_driving_msgs/PolicyFrame``) from the embedded simulator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.decoding import nanoseconds
from td3_driving.driving.drivers import Neighbours
from td3_driving.driving.object_list import MAX_OBJECTS
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.vehicle_state import VehicleState

OTHERS_ROWS = 5
"""Rows of ``PolicyFrame.others``: the attributes of :class:`Neighbours`, in their order."""


def whole_frame(message: Any, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], VehicleState, Neighbours]:
    """Frame, vehicle and other vehicles of a ``td3_driving_msgs/PolicyFrame``.

    Args:
        shape: of the frame, see :func:`td3_driving.driving.observation.frame_shape`.

    Raises:
        ObservationError: the frame has another size, or the rows of the other vehicles are not equally long, not
            finite, or too many.
    """
    pixels = np.frombuffer(message.frame, dtype=np.uint8)
    if (message.frame_height, message.frame_width) != shape[-2:] or pixels.size != math.prod(shape):
        size = f"{message.frame_width}x{message.frame_height} with {pixels.size} bytes"
        raise ObservationError(f"a frame of {size}, needed are {shape[-1]}x{shape[-2]} with {math.prod(shape)}")
    others = np.frombuffer(message.others, dtype=np.float64)
    if others.size % OTHERS_ROWS or not np.isfinite(others).all():
        raise ObservationError(f"other vehicles: {others.size} numbers are not {OTHERS_ROWS} rows of finite ones")
    if others.size > OTHERS_ROWS * MAX_OBJECTS:
        raise ObservationError(f"{others.size // OTHERS_ROWS} other vehicles are outside 0 .. {MAX_OBJECTS}")
    vehicle = VehicleState(nanoseconds(message.header.stamp), *message.vehicle.tolist())
    return pixels.reshape(shape), vehicle, Neighbours(*others.reshape(OTHERS_ROWS, -1))
