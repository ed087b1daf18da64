# SPDX-License-Identifier: Apache-2.0
"""One table of image formats: what cameras send, as one of the plain encodings that a frame is made of.

Names are those of ROS (``sensor_msgs/image_encodings.hpp``). Colours of yuv images are BT.601 with limited range.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.observation import ENCODINGS, ObservationError, decode_image, image_rows

MAX_PIXELS = 7680 * 4320
"""Largest compressed image that is decoded."""
MAX_COMPRESSED = 64 * 2**20
"""Longest compressed image that is decoded [bytes]."""
JPEG, JPEG_END, PNG = b"\xff\xd8\xff", b"\xff\xd9", b"\x89PNG\r\n\x1a\n"
SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of segments that hold the size of the image."""
BARE = frozenset((0x01, *range(0xD0, 0xD8), 0xFF))
"""JPEG markers without a segment behind them; 0xFF fills."""
SCAN = 0xDA
SEGMENTS = frozenset((*range(0xC0, 0xD0), *range(SCAN, 0xF0), 0xFE))
"""JPEG markers with a segment behind them."""
SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The first marker behind a scan."""
NO_PICTURE = re.compile(r"(16[US]|32[SF]|64F)C\d+")
"""Encodings of images that hold other values than light."""
MAX_SCANS = 64
"""Most scans of a JPEG: each costs the time of a whole image."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is not plain.

    Attributes:
        plain: encoding of the result.
        bytes: of a pixel in a row.
        decode: from the rows without padding, (rows, bytes of a row), to the result; told whether 16-bit values are
            big-endian.
        rows: of the data, in halves of the height: 2 where each row of pixels is one row of data.
        even: least divisors of height and width.
    """

    plain: str
    bytes: int
    decode: Callable[[Pixels, bool], Pixels]
    rows: int = 2
    even: tuple[int, int] = (1, 1)


def _deep(channels: int) -> Callable[[Pixels, bool], Pixels]:
    """16 bits a value: 65535 becomes 255."""

    def decode(rows: Pixels, big_endian: bool) -> Pixels:
        return _eight_bits(rows, channels, big_endian)

    return decode


def _eight_bits(rows: Pixels, channels: int, big_endian: bool) -> Pixels:
    values = np.ascontiguousarray(rows).view(">u2" if big_endian else "<u2").astype(np.uint32)
    shallow = ((values + 128) // 257).astype(np.uint8)
    return shallow if channels == 1 else shallow.reshape(len(rows), -1, channels)


def _converted(code: int, channels: int = 1, deep: bool = False) -> Callable[[Pixels, bool], Pixels]:
    def decode(rows: Pixels, big_endian: bool) -> Pixels:
        plane = _eight_bits(rows, channels, big_endian) if deep else np.ascontiguousarray(rows)
        if channels > 1:
            plane = plane.reshape(len(rows), -1, channels)
        return np.asarray(cv2.cvtColor(plane, code), dtype=np.uint8)

    return decode


def _nv24(rows: Pixels, big_endian: bool) -> Pixels:
    """Luma, then a pair of colours for each pixel: brought to nv12 by the mean of four pairs."""
    height, width = len(rows) // 3, rows.shape[1]
    pairs = rows[height:].reshape(height // 2, 2, width // 2, 2, 2).astype(np.uint16)
    colours = ((pairs.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8).reshape(height // 2, width)
    return np.asarray(cv2.cvtColor(np.vstack((rows[:height], colours)), cv2.COLOR_YUV2RGB_NV12), dtype=np.uint8)


_BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
"""Colours of the first two rows -> OpenCV's conversion, which is named after the second row."""
_UYVY = Format("rgb8", 2, _converted(cv2.COLOR_YUV2RGB_UYVY, 2), even=(1, 2))
_YUYV = Format("rgb8", 2, _converted(cv2.COLOR_YUV2RGB_YUY2, 2), even=(1, 2))
FORMATS: dict[str, Format] = {
    "mono16": Format("mono8", 2, _deep(1)),
    "rgb16": Format("rgb8", 6, _deep(3)),
    "bgr16": Format("bgr8", 6, _deep(3)),
    "rgba16": Format("rgba8", 8, _deep(4)),
    "bgra16": Format("bgra8", 8, _deep(4)),
    "8UC1": Format("mono8", 1, lambda rows, _: rows),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": Format("rgb8", 1, _converted(cv2.COLOR_YUV2RGB_NV12), rows=3, even=(2, 2)),
    "nv21": Format("rgb8", 1, _converted(cv2.COLOR_YUV2RGB_NV21), rows=3, even=(2, 2)),
    "nv24": Format("rgb8", 1, _nv24, rows=6, even=(2, 2)),
    **{f"bayer_{name}8": Format("rgb8", 1, _converted(code), even=(2, 2)) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": Format("rgb8", 2, _converted(code, deep=True), even=(2, 2)) for name, code in _BAYER.items()},
}
"""ROS encoding -> how it becomes plain."""
KNOWN = (*ENCODINGS, *FORMATS)
"""All encodings that can be read."""


def picture(message: Any) -> tuple[Pixels, str]:
    """The pixels of a ``sensor_msgs/Image`` or ``CompressedImage`` and their plain encoding.

    Returns:
        (height, width[, channels]) uint8, a view where the image is plain, and a key of
        :data:`td3_driving.driving.observation.ENCODINGS`.

    Raises:
        ObservationError: unknown encoding, sizes that do not fit the data, compressed data that are cut or damaged.
    """
    if not hasattr(message, "encoding"):
        return decompressed(memoryview(message.data), str(message.format))
    data, encoding = memoryview(message.data), message.encoding
    sizes = message.width, message.height, message.step
    if encoding in ENCODINGS:
        return decode_image(data, *sizes, encoding), encoding
    if encoding not in FORMATS:
        raise ObservationError(f"image encoding {encoding[:80]!r} is not one of {', '.join(KNOWN)}")
    kind = FORMATS[encoding]
    return kind.decode(_rows(data, *sizes, encoding), bool(message.is_bigendian)), kind.plain


def _rows(data: memoryview | Pixels, width: int, height: int, step: int, encoding: str) -> Pixels:
    """The rows of a format without their padding, (rows, bytes of a row)."""
    kind = FORMATS[encoding]
    tall, wide = kind.even
    if width % wide or height % tall:
        raise ObservationError(f"image of {width}x{height} {encoding}: {encoding} has even sizes alone")
    size = width * kind.bytes, height * kind.rows // 2
    return np.ascontiguousarray(image_rows(data, size, step, f"image of {width}x{height} {encoding}"))


def decompressed(data: memoryview, format_: str) -> tuple[Pixels, str]:
    """The pixels of a JPEG or PNG and their plain encoding; sizes are bounded before anything is decoded.

    Args:
        format_: as the message states it, such as ``bgr8; jpeg compressed bgr8``. The order of colours is that of the
            file, whatever is stated. Two statements count: that the image was a bayer pattern, which transports
            compress as the grey image that it looks like, and that it holds no picture but depths.

    Raises:
        ObservationError: neither JPEG nor PNG, too large, cut, damaged, or no picture.
    """
    stated = format_.partition(";")[0].strip()
    if NO_PICTURE.fullmatch(stated) or "compresseddepth" in format_.lower():
        raise ObservationError(f"compressed image of format {format_[:80]!r} is no picture")
    if len(data) > MAX_COMPRESSED:
        raise ObservationError(f"compressed image of {len(data)} bytes: at most {MAX_COMPRESSED} are read")
    raw = bytes(data)
    width, height = _size(raw, format_)
    if not 0 < width * height <= MAX_PIXELS:
        raise ObservationError(f"compressed image of {width}x{height} pixels: 1 to {MAX_PIXELS} are read")
    mosaic = _read(raw, cv2.IMREAD_UNCHANGED) if stated.lower().startswith("bayer_") else None
    if mosaic is not None and mosaic.shape == (height, width):
        return _colours_of(mosaic, stated)
    pixels = _read(raw, cv2.IMREAD_COLOR)
    if pixels is None or pixels.shape != (height, width, 3):
        raise ObservationError(f"compressed image of {width}x{height} pixels: its {len(raw)} bytes are damaged")
    return np.asarray(pixels, dtype=np.uint8), "bgr8"


def _read(raw: bytes, flags: int) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(raw, dtype=np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def _colours_of(mosaic: NDArray[Any], stated: str) -> tuple[Pixels, str]:
    """The colours of a bayer pattern (height, width) of 8 or 16 bits."""
    encoding = stated.lower().rstrip("0123456789") + str(8 * mosaic.dtype.itemsize)
    if encoding not in FORMATS:
        raise ObservationError(f"compressed image of format {stated[:80]!r}: no such bayer pattern is known")
    height, width = mosaic.shape
    rows = np.ascontiguousarray(mosaic.astype(mosaic.dtype.newbyteorder("<"))).view(np.uint8).reshape(height, -1)
    kind = FORMATS[encoding]
    return kind.decode(_rows(rows.reshape(-1), width, height, rows.shape[1], encoding), False), kind.plain


def _size(raw: bytes, format_: str) -> tuple[int, int]:
    """Width and height of a whole JPEG or PNG."""
    if raw.startswith(PNG):
        return _png_size(raw)
    if raw.startswith(JPEG):
        return _jpeg_size(raw)
    raise ObservationError(f"compressed image of format {format_[:80]!r} is neither JPEG nor PNG")


def _png_size(raw: bytes) -> tuple[int, int]:
    """Check the sum of every chunk on the way: a PNG tells of damage itself."""
    at, size = len(PNG), (0, 0)
    while at + 12 <= len(raw):
        length, kind = struct.unpack_from(">I4s", raw, at)
        end = at + 12 + length
        if end > len(raw):
            break
        if zlib.crc32(raw[at + 4 : end - 4]) != struct.unpack_from(">I", raw, end - 4)[0]:
            raise ObservationError("compressed image: a part of the PNG is damaged")
        if kind == b"IHDR" and length == 13:
            size = struct.unpack_from(">II", raw, at + 8)
        if kind == b"IEND":
            return size
        at = end
    raise ObservationError(f"compressed image: the PNG is cut after {len(raw)} bytes")


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    """Walk over all segments up to the end of the image: a JPEG has no sums, but a cut or a strange marker shows."""
    at, size, scans = 2, (0, 0), 0
    while at + 4 <= len(raw) or raw[at:] == JPEG_END:
        marker = raw[at + 1]
        if raw[at : at + 2] == JPEG_END and scans:
            return size
        if marker in BARE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(raw[at + 2 : at + 4], "big")
        if raw[at] != 0xFF or marker not in SEGMENTS or length < 2 or scans > MAX_SCANS:
            raise ObservationError(f"compressed image: the JPEG is damaged at byte {at}")
        if marker in SIZES and at + 9 <= len(raw):
            height, width = struct.unpack_from(">HH", raw, at + 5)
            size = width, height
        at += 2 + length
        if marker == SCAN:
            scans += 1
            found = SCAN_END.search(raw, at)
            at = len(raw) if found is None else found.start()
    raise ObservationError(f"compressed image: the JPEG is cut after {len(raw)} bytes")
