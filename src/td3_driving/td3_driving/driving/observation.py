# SPDX-License-Identifier: Apache-2.0
"""From camera images to the frames that the policy sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.bounded import import_paths
from td3_driving.settings import ObservationSettings

ENCODINGS: dict[str, tuple[int, int | None]] = {
    "bgra8": (4, cv2.COLOR_BGRA2GRAY),
    "rgba8": (4, cv2.COLOR_RGBA2GRAY),
    "bgr8": (3, cv2.COLOR_BGR2GRAY),
    "rgb8": (3, cv2.COLOR_RGB2GRAY),
    "mono8": (1, None),
}
"""Image encoding -> channels and the OpenCV conversion to grey (ITU-R BT.601 luma)."""

PLANES = {"grey": 1, "colour": 3}
"""Planes of one frame by ``observation.colour``; those of a colour frame are red, green and blue."""
RGB: dict[str, int | None] = {
    "bgra8": cv2.COLOR_BGRA2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgb8": None,
    "mono8": cv2.COLOR_GRAY2RGB,
}
"""Image encoding -> the OpenCV conversion to red, green, blue."""


RATIO_TOLERANCE = 0.02
"""Relative difference that the shape of a camera image may have from the one that was asked for."""


class ObservationError(ValueError):
    """An image or a vehicle state cannot be used."""


class ShapeError(ObservationError):
    """A camera image has another ratio of width to height than the camera that the settings describe."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the policy sees at one frame.

    Attributes:
        frame: the newest frame, uint8 of :func:`frame_shape`.
        stack: uint8 of :func:`stack_shape`: frames ``stack_stride`` apart, oldest first, ``frame`` last.
        state: (state_dim,) float32, see :mod:`td3_driving.driving.state_vector`.
    """

    frame: NDArray[np.uint8]
    stack: NDArray[np.uint8]
    state: NDArray[np.float32]


def decode_image(
    data: bytes | memoryview | NDArray[np.uint8], width: int, height: int, step: int, encoding: str
) -> NDArray[np.uint8]:
    """The image as (height, width, channels) or (height, width) uint8 without a copy.

    Args:
        data: the bytes of the rows; each row is ``step`` bytes long.

    Raises:
        ObservationError: unknown encoding, or sizes that do not fit the data.
    """
    if encoding not in ENCODINGS:
        raise ObservationError(f"image encoding {encoding!r} is not one of {', '.join(ENCODINGS)}")
    channels = ENCODINGS[encoding][0]
    rows = image_rows(data, (width * channels, height), step, f"image of {width}x{height} {encoding}")
    return rows if channels == 1 else rows.reshape(height, width, channels)


def image_rows(
    data: bytes | memoryview | NDArray[np.uint8], size: tuple[int, int], step: int, what: str
) -> NDArray[np.uint8]:
    """The rows of an image without their padding, (rows, bytes of a row) uint8 without a copy.

    Args:
        size: bytes of a row that belong to pixels, and number of rows.
        step: bytes of a row.
        what: tells which image in messages.

    Raises:
        ObservationError: sizes that do not fit the data.
    """
    row, count = size
    if row < 1 or count < 1 or step < row:
        raise ObservationError(f"{what} cannot have rows of {step} bytes")
    pixels = np.frombuffer(data, dtype=np.uint8)
    if pixels.size != step * count:
        rows = f"{count} rows of {step} bytes"
        raise ObservationError(f"{what}, {rows}, has {pixels.size} bytes instead of {step * count}")
    return pixels.reshape(count, step)[:, :row]


def frame_shape(settings: ObservationSettings) -> tuple[int, ...]:
    """Shape of one frame: (height, width) of one grey camera, else (planes, height, width)."""
    size = settings.frame_height, settings.frame_width
    planes = frame_planes(settings)
    return size if planes == 1 else (planes, *size)


def frame_planes(settings: ObservationSettings) -> int:
    """Planes of one frame: those of the front camera, then those of each further one."""
    return PLANES[settings.colour] * (1 + len(import_paths(settings.cameras)))


def stack_shape(settings: ObservationSettings) -> tuple[int, int, int]:
    """Shape of a stack: (frames times planes, height, width), the planes of one frame side by side."""
    return settings.stack * frame_planes(settings), settings.frame_height, settings.frame_width


def kept_rows(rows: int, settings: ObservationSettings) -> tuple[int, int]:
    """First kept row of an image of ``rows`` rows, and the row after the last kept one."""
    return round(settings.crop_top * rows), rows - round(settings.crop_bottom * rows)


def camera_frame(
    image: NDArray[np.uint8], encoding: str, settings: ObservationSettings, upside_down: bool = False
) -> NDArray[np.uint8]:
    """What a frame shows of one camera's image (rows, columns[, channels]): (height, width), or (3, height, width).

    The image is cropped to the rows that the settings ask for; each pixel is the mean of the area that it covers.

    Args:
        upside_down: the image begins with its lowest row; the frame is that of the image turned over, bit by bit.

    Raises:
        ObservationError: the image is so low that the crop leaves no row of it.
    """
    first, behind = kept_rows(image.shape[0], settings)
    part = image[len(image) - behind : len(image) - first] if upside_down else image[first:behind]
    if not len(part):
        raise ObservationError(
            f"of the {image.shape[0]} rows of the image, crop_top {settings.crop_top} and crop_bottom"
            f" {settings.crop_bottom} leave none"
        )
    conversion = ENCODINGS[encoding][1] if settings.colour == "grey" else RGB[encoding]
    converted = part if conversion is None else cv2.cvtColor(part, conversion)
    if upside_down:
        converted = cv2.flip(converted, 0)
    size = (settings.frame_width, settings.frame_height)
    frame = np.asarray(cv2.resize(converted, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return frame if frame.ndim == 2 else np.ascontiguousarray(frame.transpose(2, 0, 1))


def undistorted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The image (rows, columns[, channels]), if it has the shape of ``width`` x ``height``, whatever its size.

    Raises:
        ShapeError: it has another ratio of width to height, and a frame of it would be stretched.
    """
    rows, columns = image.shape[:2]
    if abs(columns * height / (rows * width) - 1.0) > RATIO_TOLERANCE:
        raise ShapeError(f"a camera image of {columns}x{rows} has not the shape of {width}x{height}")
    return image


def one_frame(views: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The frame, uint8 of :func:`frame_shape`, of what :func:`camera_frame` made of each camera's image, in order."""
    if len(views) == 1:
        return views[0]
    return np.concatenate([view.reshape(-1, *view.shape[-2:]) for view in views])


class FrameStack:
    """The last frames of an episode. The first frame stands for those before it."""

    def __init__(self, settings: ObservationSettings) -> None:
        self._stride = settings.stack_stride
        kept = (settings.stack - 1) * self._stride + 1
        self._shape = stack_shape(settings)
        self._frames = np.zeros((kept, *frame_shape(settings)), dtype=np.uint8)
        self._empty = True

    def clear(self) -> None:
        """Start a new episode."""
        self._empty = True

    def push(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Add the newest frame and return a copy of the stack, see :func:`stack_shape`."""
        if self._empty:
            self._frames[:] = frame
            self._empty = False
        else:
            self._frames[:-1] = self._frames[1:].copy()
            self._frames[-1] = frame
        return self._frames[:: self._stride].reshape(self._shape).copy()
