"""From what the vehicle senses to what the policy sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings

ENCODINGS: dict[str, tuple[int, int | None]] = {
    "bgra8": (4, cv2.COLOR_BGRA2GRAY),
    "rgba8": (4, cv2.COLOR_RGBA2GRAY),
    "bgr8": (3, cv2.COLOR_BGR2GRAY),
    "rgb8": (3, cv2.COLOR_RGB2GRAY),
    "mono8": (1, None),
}
"""Image encoding -> channels and the OpenCV conversion to grey (ITU-R BT.601 luma)."""

SPEED_SCALE = 10.0
LATERAL_SCALE = 2.0
HEADING_SCALE = math.pi / 4
YAW_RATE_SCALE = 1.0
STATE_BOUND = 5.0
"""Every element of the state vector is clipped to [-STATE_BOUND, STATE_BOUND]."""
MOTION_ELEMENTS = 6


class ObservationError(ValueError):
    """An image or a vehicle state cannot be used."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the policy sees at one frame.

    Attributes:
        frame: (height, width) uint8, the newest grey frame.
        stack: (stack, height, width) uint8, oldest first, ``frame`` last.
        state: (state_dim,) float32, see :func:`encode_state`.
    """

    frame: np.ndarray
    stack: np.ndarray
    state: np.ndarray


def decode_image(
    data: bytes | memoryview | np.ndarray, width: int, height: int, step: int, encoding: str
) -> np.ndarray:
    """The image as (height, width, channels) or (height, width) uint8 without a copy.

    Args:
        data: the bytes of the rows; each row is ``step`` bytes long.

    Raises:
        ObservationError: unknown encoding, or sizes that do not fit the data.
    """
    if encoding not in ENCODINGS:
        raise ObservationError(f"image encoding {encoding!r} is not one of {', '.join(ENCODINGS)}")
    channels = ENCODINGS[encoding][0]
    if width < 1 or height < 1 or step < width * channels:
        raise ObservationError(f"image of {width}x{height} {encoding} cannot have rows of {step} bytes")
    pixels = np.frombuffer(data, dtype=np.uint8)
    if pixels.size != step * height:
        raise ObservationError(
            f"image of {height} rows of {step} bytes has {pixels.size} bytes instead of {step * height}"
        )
    rows = pixels.reshape(height, step)[:, : width * channels]
    return rows if channels == 1 else rows.reshape(height, width, channels)


def grey_frame(image: np.ndarray, encoding: str, settings: ObservationSettings) -> np.ndarray:
    """The grey (frame_height, frame_width) uint8 frame of an image; each pixel is the mean of the area it covers."""
    conversion = ENCODINGS[encoding][1]
    grey = image if conversion is None else cv2.cvtColor(image, conversion)
    size = (settings.frame_width, settings.frame_height)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


class FrameStack:
    """The last frames of an episode; before the first one the first is repeated."""

    def __init__(self, settings: ObservationSettings) -> None:
        self._frames = np.zeros((settings.stack, settings.frame_height, settings.frame_width), dtype=np.uint8)
        self._empty = True

    def clear(self) -> None:
        """Start a new episode."""
        self._empty = True

    def push(self, frame: np.ndarray) -> np.ndarray:
        """Add the newest frame; a copy of the stack (stack, height, width), oldest first."""
        if self._empty:
            self._frames[:] = frame
            self._empty = False
        else:
            self._frames[:-1] = self._frames[1:].copy()
            self._frames[-1] = frame
        return self._frames.copy()


def state_dim(settings: ObservationSettings) -> int:
    """Length of the state vector."""
    return MOTION_ELEMENTS + 2 * settings.route_points


def encode_state(
    vehicle: VehicleState, place: RoutePlace, route: Route, last_action: np.ndarray, settings: ObservationSettings
) -> np.ndarray:
    """The state vector, float32, every element scaled by a fixed physical quantity and clipped to ±5.

    ==========  =====================================================  ================
    element     meaning                                                divided by
    ==========  =====================================================  ================
    0           speed, forward positive                                10 m/s
    1           lateral deviation from the route, left positive        2 m
    2           heading error, left positive                           pi/4 rad
    3           yaw rate, left positive                                1 rad/s
    4, 5        last action: steer (right positive), drive             1
    6 + 2 i     x of route point i ahead, vehicle axes, forward        look-ahead length
    7 + 2 i     y of route point i ahead, vehicle axes, left           look-ahead length
    ==========  =====================================================  ================

    Raises:
        ObservationError: the vehicle state is not finite.
    """
    if not vehicle.finite():
        raise ObservationError(f"odometry is not finite: {vehicle}")
    state = np.empty(state_dim(settings), dtype=np.float32)
    state[0] = vehicle.speed / SPEED_SCALE
    state[1] = place.lateral / LATERAL_SCALE
    state[2] = place.heading_error / HEADING_SCALE
    state[3] = vehicle.yaw_rate / YAW_RATE_SCALE
    state[4:6] = last_action
    ahead = route.ahead(vehicle, place.s, settings.route_points, settings.route_spacing)
    state[6:] = (ahead / (settings.route_points * settings.route_spacing)).ravel()
    return np.clip(state, -STATE_BOUND, STATE_BOUND)
