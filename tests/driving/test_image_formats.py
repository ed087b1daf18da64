# SPDX-License-Identifier: Apache-2.0
"""The table of image formats against OpenCV's conversions the other way round, and against damaged bytes."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from itertools import product
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.driving.image_formats import FORMATS, KNOWN, MAX_PIXELS, PNG, picture
from td3_driving.driving.observation import ENCODINGS, ObservationError, camera_frame
from td3_driving.settings import ObservationSettings

BAYER = {"rggb": "RGGB", "bggr": "BGGR", "gbrg": "GBRG", "grbg": "GRBG"}


def image(rows: np.ndarray, encoding: str, width: int, height: int, padding: int = 0, big: int = 0) -> Any:
    """A message whose rows carry ``padding`` bytes that belong to no pixel."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    padded = np.pad(flat, ((0, 0), (0, padding)), constant_values=0xA5)
    return SimpleNamespace(
        data=padded.tobytes(), width=width, height=height, step=padded.shape[1], encoding=encoding, is_bigendian=big
    )


def compressed(data: bytes, form: str = "jpeg") -> Any:
    return SimpleNamespace(data=data, format=form)


def smooth(height: int = 24, width: int = 32) -> np.ndarray:
    """Colours (height, width, 3) that change slowly, so that halved colours are nearly the colours."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack((60 + 3 * x, 90 + 4 * y, 200 - 2 * x - y), axis=2).astype(np.uint8)


def rgb_of(message: Any) -> np.ndarray:
    pixels, encoding = picture(message)
    assert encoding in ENCODINGS
    return {"rgb8": pixels, "bgr8": pixels[..., ::-1], "rgba8": pixels[..., :3], "bgra8": pixels[..., 2::-1]}[encoding]


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        ("yuv422", cv2.COLOR_RGB2YUV_UYVY),
        ("uyvy", cv2.COLOR_RGB2YUV_UYVY),
        ("yuv422_yuy2", cv2.COLOR_RGB2YUV_YUY2),
        ("yuyv", cv2.COLOR_RGB2YUV_YUY2),
    ],
)
def test_yuv422_is_the_inverse_of_opencvs(encoding: str, code: int, padding: int) -> None:
    colours = smooth()
    message = image(cv2.cvtColor(colours, code), encoding, 32, 24, padding)
    assert np.abs(rgb_of(message).astype(int) - colours).max() <= 8


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_planes_of_luma_and_colours(encoding: str, padding: int) -> None:
    colours = smooth()
    i420 = cv2.cvtColor(colours, cv2.COLOR_RGB2YUV_I420)
    luma, u, v = i420[:24], i420[24:30].reshape(12, 16), i420[30:].reshape(12, 16)
    pairs = np.stack((v, u) if encoding == "nv21" else (u, v), axis=2)
    if encoding == "nv24":
        rows = np.vstack((luma, pairs.repeat(2, axis=0).repeat(2, axis=1).reshape(48, 32)))
    else:
        rows = np.vstack((luma, pairs.reshape(12, 32)))
    assert np.abs(rgb_of(image(rows, encoding, 32, 24, padding)).astype(int) - colours).max() <= 8


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", sorted(BAYER))
def test_bayer_pattern_by_hand(name: str, depth: int) -> None:
    """A sensor with ``name`` in its first two rows sees of each pixel one colour; slow colours come back."""
    colours = smooth()
    mosaic = np.zeros((24, 32), dtype=np.uint8)
    for place, letter in enumerate(BAYER[name]):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = colours[row::2, column::2, "RGB".index(letter)]
    rows = mosaic if depth == 8 else mosaic.astype("<u2") * 257
    found = rgb_of(image(rows, f"bayer_{name}{depth}", 32, 24, 3))
    assert np.abs(found.astype(int) - colours)[2:-2, 2:-2].max() <= 6


@given(st.binary(min_size=24, max_size=24), st.booleans(), st.integers(0, 7))
def test_sixteen_bits_become_eight_in_either_order_of_bytes(data: bytes, big: bool, padding: int) -> None:
    for encoding, channels in (("mono16", 1), ("rgb16", 3), ("bgr16", 3), ("rgba16", 4), ("bgra16", 4)):
        count = 12 // channels
        values = np.frombuffer(data, dtype=">u2" if big else "<u2")[: count * channels]
        pixels, plain = picture(image(values.reshape(1, -1), encoding, count, 1, padding, int(big)))
        assert plain == encoding.replace("16", "8")
        assert pixels.ravel().tolist() == [round(int(value) * 255 / 65535) for value in values]


@given(st.sampled_from(KNOWN), st.integers(0, 40), st.integers(0, 40), st.integers(0, 400), st.integers(0, 4000))
def test_any_sizes_are_an_image_or_one_sentence(encoding: str, width: int, height: int, step: int, size: int) -> None:
    message = SimpleNamespace(
        data=bytes(size), width=width, height=height, step=step, encoding=encoding, is_bigendian=0
    )
    with suppress(ObservationError):
        pixels, plain = picture(message)
        assert pixels.shape[:2] == (height, width) and plain in ENCODINGS and pixels.dtype == np.uint8


@pytest.mark.parametrize("encoding", KNOWN)
def test_every_size_gives_pixels_or_wants_even_ones(encoding: str) -> None:
    kind, seen = FORMATS.get(encoding), ObservationSettings(crop_top=0.0, crop_bottom=0.0)
    tall, wide = (1, 1) if kind is None else kind.even
    for width, height, padding, big in product((1, 2, 3, 6, 17), (1, 2, 5, 8), (0, 7), (0, 1)):
        rows = height * (2 if kind is None else kind.rows) // 2
        step = width * (ENCODINGS[encoding][0] if kind is None else kind.bytes) + padding
        message = SimpleNamespace(
            data=bytes(range(256)) * (step * rows // 256) + bytes(step * rows % 256),
            width=width,
            height=height,
            step=step,
            encoding=encoding,
            is_bigendian=big,
        )
        if width % wide or height % tall:
            with pytest.raises(ObservationError, match=f"{width}x{height} {encoding}: {encoding} has even sizes alone"):
                picture(message)
            continue
        pixels, plain = picture(message)
        assert pixels.shape[:2] == (height, width) and pixels.dtype == np.uint8
        assert camera_frame(pixels, plain, seen).shape == (seen.frame_height, seen.frame_width)


@pytest.mark.parametrize("encoding", KNOWN)
@pytest.mark.parametrize("wrong", ["step", "long", "short", "none", "size"])
def test_a_sentence_tells_the_size_and_the_encoding_of_the_message(encoding: str, wrong: str) -> None:
    pixel, rows = (FORMATS[encoding].bytes, FORMATS[encoding].rows) if encoding in FORMATS else (None, 2)
    row = 6 * (pixel or ENCODINGS[encoding][0])
    count = {"long": 1, "short": -1}.get(wrong, 0) + row * 4 * rows // 2
    message = SimpleNamespace(
        data=bytes(0 if wrong == "none" else count),
        width=6,
        height=0 if wrong == "size" else 4,
        step=row - 1 if wrong == "step" else row,
        encoding=encoding,
        is_bigendian=0,
    )
    with pytest.raises(ObservationError, match=f"^image of 6x{message.height} {encoding}[ ,].*bytes"):
        picture(message)


@pytest.mark.parametrize("encoding", ["32FC1", "8UC3", "", "16UC1"])
def test_unknown_encodings_are_named(encoding: str) -> None:
    with pytest.raises(ObservationError, match=f"image encoding '{encoding}' is not one of .*nv12"):
        picture(image(np.zeros((2, 4), dtype=np.uint8), encoding, 2, 2))
    assert not set(FORMATS) & set(ENCODINGS)


# Compressed images.


def encoded(kind: str, colours: np.ndarray) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(kind, colours[..., ::-1], options if kind == ".jpg" else [])
    assert done
    return data.tobytes()


@pytest.mark.parametrize(("kind", "off"), [(".png", 0), (".jpg", 4)])
@pytest.mark.parametrize("form", ["jpeg", "png", "bgra8; jpeg compressed bgr8", ""])
def test_compressed_images_are_known_by_their_bytes(kind: str, off: int, form: str) -> None:
    found = rgb_of(compressed(encoded(kind, smooth()), form))
    assert np.abs(found.astype(int) - smooth()).max() <= off


@pytest.mark.parametrize("kind", [".png", ".jpg"])
@pytest.mark.parametrize("name", sorted(BAYER))
def test_a_compressed_bayer_pattern_is_one_again(name: str, kind: str) -> None:
    """A transport compresses the pattern as the grey image that it looks like."""
    colours, mosaic = smooth(), np.zeros((24, 32), dtype=np.uint8)
    for place, letter in enumerate(BAYER[name]):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = colours[row::2, column::2, "RGB".index(letter)]
    data = cv2.imencode(kind, mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100] if kind == ".jpg" else [])[1].tobytes()
    found = rgb_of(compressed(data, f"bayer_{name}8; {'jpeg' if kind == '.jpg' else 'png'} compressed "))
    assert np.abs(found.astype(int) - colours)[2:-2, 2:-2].max() <= 8
    if kind == ".png":
        deep = cv2.imencode(kind, mosaic.astype(np.uint16) * 257)[1].tobytes()
        assert (rgb_of(compressed(deep, f"bayer_{name}16; png compressed ")) == found).all()
    assert (rgb_of(compressed(data, "mono8; jpeg compressed ")).std(axis=2) == 0).all(), "nothing says bayer here"


def test_a_bayer_pattern_that_is_none() -> None:
    grey, odd = (cv2.imencode(".png", smooth()[: 24 - cut, :, 0])[1].tobytes() for cut in (0, 1))
    with pytest.raises(ObservationError, match="'bayer_xyzw8': no such bayer pattern"):
        picture(compressed(grey, "bayer_xyzw8; png compressed "))
    with pytest.raises(ObservationError, match="image of 32x23 bayer_rggb8: bayer_rggb8 has even sizes alone"):
        picture(compressed(odd, "bayer_rggb8; png compressed "))
    colours = encoded(".png", smooth())
    assert (rgb_of(compressed(colours, "bayer_rggb8; png compressed bgr8")) == smooth()).all(), "already in colours"


@pytest.mark.parametrize(
    "form", ["16UC1; png compressed ", "32FC1; compressedDepth png", "16UC1; compressedDepth", "64FC1 ;tiff compressed"]
)
def test_depths_are_no_picture(form: str) -> None:
    depths = cv2.imencode(".png", np.full((24, 32), 1500, dtype=np.uint16))[1].tobytes()
    for data in (depths, bytes(12) + depths):
        with pytest.raises(ObservationError, match=f"compressed image of format '{form}' is no picture"):
            picture(compressed(data, form))
    assert rgb_of(compressed(depths, "mono16; png compressed ")).ravel().tolist() == [5] * 24 * 32 * 3


@pytest.mark.parametrize(
    "form",
    [
        *("bgr8; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8", "rgb8; png compressed ", "bgr8;jpeg"),
        *("rgb8; jpeg compressed rgb8", "JPEG", "jpg", "png", " ", ";", "rgb8", "; ", "日本", "x" * 500),
    ],
)
def test_the_file_says_which_colour_is_which(form: str) -> None:
    for kind, off in ((".png", 0), (".jpg", 4)):
        found = rgb_of(compressed(encoded(kind, smooth()), form))
        assert np.abs(found.astype(int) - smooth()).max() <= off


def test_compressed_grey_and_progressive() -> None:
    grey = smooth()[..., 1]
    assert (rgb_of(compressed(cv2.imencode(".png", grey)[1].tobytes())) == grey[..., None]).all()
    data = cv2.imencode(".jpg", smooth(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert rgb_of(compressed(data + bytes(7))).shape == (24, 32, 3), "some cameras fill up with zeros"


@pytest.mark.parametrize("kind", [".png", ".jpg"])
@settings(max_examples=60)
@given(share=st.floats(0, 0.999))
def test_cut_images_are_refused(kind: str, share: float) -> None:
    data = encoded(kind, smooth())
    with pytest.raises(ObservationError, match=r"cut|damaged|neither"):
        picture(compressed(data[: int(share * len(data))]))


@pytest.mark.parametrize("kind", [".png", ".jpg"])
@settings(max_examples=80)
@given(share=st.floats(0, 0.999), change=st.integers(1, 255))
def test_changed_bytes_never_raise_anything_else(kind: str, share: float, change: int) -> None:
    data = bytearray(encoded(kind, smooth()))
    data[int(share * len(data))] ^= change
    try:
        pixels, _ = picture(compressed(bytes(data)))
    except ObservationError:
        return
    assert pixels.ndim == 3
    assert kind == ".jpg", "a PNG carries a sum of every part"


@given(st.binary(max_size=400))
def test_rubbish_is_one_sentence(data: bytes) -> None:
    for start in (b"", PNG, b"\xff\xd8\xff"):
        with pytest.raises(ObservationError):
            picture(compressed(start + data))


def bomb_png(width: int, height: int) -> bytes:
    """A PNG that says it is large, of a few bytes."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG + part(b"IHDR", head) + part(b"IDAT", zlib.compress(bytes(1000))) + part(b"IEND", b"")


def bomb_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encoded(".jpg", smooth()))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("data", [bomb_png(2**31 - 1, 2**31 - 1), bomb_png(100_000, 100_000), bomb_jpeg(65500, 65500)])
def test_large_images_are_refused_before_they_are_decoded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ObservationError, match=f"1 to {MAX_PIXELS} are read"):
        picture(compressed(data))


def test_scans_without_end_are_refused() -> None:
    data = cv2.imencode(".jpg", smooth(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    at = data.rindex(b"\xff\xda")
    with pytest.raises(ObservationError, match="damaged at byte"):
        picture(compressed(data[:at] + data[at:-2] * 200 + data[-2:]))
