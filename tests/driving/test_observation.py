"""Images, frames and stacks against values one can read off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.observation import (
    ENCODINGS,
    FrameStack,
    ObservationError,
    camera_frame,
    decode_image,
)
from td3_driving.settings import ObservationSettings

SMALL = ObservationSettings(frame_height=36, frame_width=48, stack=3)


def test_grey_is_the_luma_of_the_colour_whatever_its_order() -> None:
    blue, green, red = 200, 50, 100
    luma = round(0.299 * red + 0.587 * green + 0.114 * blue)
    for encoding, pixel in {
        "bgra8": (blue, green, red, 255),
        "rgba8": (red, green, blue, 255),
        "bgr8": (blue, green, red),
        "rgb8": (red, green, blue),
    }.items():
        image = np.full((72, 96, len(pixel)), pixel, dtype=np.uint8)
        frame = camera_frame(image, encoding, SMALL)
        assert frame.shape == (36, 48) and frame.dtype == np.uint8
        assert abs(int(frame[0, 0]) - luma) <= 1 and frame.min() == frame.max()


def test_a_pixel_of_the_frame_is_the_mean_of_its_area() -> None:
    image = np.zeros((72, 96), dtype=np.uint8)
    image[0, 0], image[0, 1], image[1, 0], image[1, 1] = 10, 20, 30, 40
    assert camera_frame(image, "mono8", SMALL)[0, 0] == 25


def test_padding_at_the_end_of_a_row_is_left_out() -> None:
    data = bytes([1, 2, 9, 3, 4, 9])
    assert decode_image(data, width=2, height=2, step=3, encoding="mono8").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("width", "height", "step", "encoding", "size"),
    [
        (4, 2, 16, "bgra8", 31),
        (4, 2, 15, "bgra8", 30),
        (0, 2, 16, "bgra8", 32),
        (4, 2, 16, "yuv422", 32),
        (4, 2, 16, "", 32),
    ],
)
def test_images_that_do_not_fit_are_refused(width: int, height: int, step: int, encoding: str, size: int) -> None:
    with pytest.raises(ObservationError):
        decode_image(bytes(size), width, height, step, encoding)


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 100),
    st.sampled_from([*ENCODINGS, "16UC1", ""]),
    st.integers(0, 2000),
)
def test_any_image_header_is_either_decoded_or_refused(
    width: int, height: int, step: int, encoding: str, size: int
) -> None:
    try:
        image = decode_image(bytes(size), width, height, step, encoding)
    except ObservationError:
        return
    assert image.shape[:2] == (height, width)


def test_the_stack_repeats_the_first_frame_and_keeps_the_order() -> None:
    stack = FrameStack(SMALL)
    frames = [np.full((36, 48), value, dtype=np.uint8) for value in (1, 2, 3, 4)]
    values = [stack.push(frame)[:, 0, 0].tolist() for frame in frames]
    assert values == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    stack.clear()
    assert stack.push(frames[3])[:, 0, 0].tolist() == [4, 4, 4]


def test_a_stack_that_was_handed_out_does_not_change() -> None:
    stack = FrameStack(SMALL)
    first = stack.push(np.ones((36, 48), dtype=np.uint8))
    stack.push(np.zeros((36, 48), dtype=np.uint8))
    assert first.min() == 1
