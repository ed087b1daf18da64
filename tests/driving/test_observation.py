# SPDX-License-Identifier: Apache-2.0
"""Images, frames and stacks against values one can read off."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.observation import (
    ENCODINGS,
    FrameStack,
    ObservationError,
    ShapeError,
    camera_frame,
    decode_image,
    frame_shape,
    stack_shape,
    undistorted,
)
from td3_driving.settings import ObservationSettings, Settings, SettingsError, from_flat

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


@pytest.mark.parametrize(
    ("columns", "rows", "fits"),
    [(256, 144, True), (1920, 1080, True), (64, 36, True), (1280, 721, True), (640, 480, False), (144, 256, False)],
)
def test_an_image_of_another_shape_would_be_stretched(columns: int, rows: int, fits: bool) -> None:
    """The ratio of width to height may be 2 % away from that of 256x144."""
    image = np.zeros((rows, columns, 4), dtype=np.uint8)
    if fits:
        assert undistorted(image, 256, 144) is image
        return
    with pytest.raises(ShapeError, match=f"a camera image of {columns}x{rows} has not the shape of 256x144"):
        undistorted(image, 256, 144)


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


# The crop, the colour and the stride.


def test_the_crop_cuts_rows_and_nothing_else() -> None:
    """0.25 of 144 rows at the top and 0.25 at the bottom leave rows 36 to 107: two of them make a row of the frame."""
    image = np.repeat(np.arange(144, dtype=np.uint8)[:, None], 96, axis=1)
    settings = ObservationSettings(frame_height=36, frame_width=48, crop_top=0.25, crop_bottom=0.25)
    frame = camera_frame(image, "mono8", settings)
    # The mean of 36 and 37 is 36.5, which INTER_AREA rounds to one of the two.
    assert np.abs(frame[:, 0] - (36.5 + 2.0 * np.arange(36))).max() <= 0.5
    assert (frame == frame[:, :1]).all()
    image[:36], image[108:] = 255, 255
    np.testing.assert_array_equal(camera_frame(image, "mono8", settings), frame)


@given(
    st.integers(48, 200),
    st.integers(48, 300),
    st.sampled_from(["grey", "colour"]),
    st.floats(0.0, 0.5),
    st.floats(0.0, 0.4),
    st.integers(0, 99),
)
def test_an_image_that_begins_with_its_lowest_row_makes_the_same_frame(
    rows: int, columns: int, colour: str, top: float, bottom: float, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns, 4), dtype=np.uint8)
    settings = ObservationSettings(frame_height=36, frame_width=48, colour=colour, crop_top=top, crop_bottom=bottom)
    upright = camera_frame(image, "bgra8", settings)
    turned = camera_frame(np.ascontiguousarray(image[::-1]), "bgra8", settings, upside_down=True)
    assert np.array_equal(turned, upright) and turned.flags.c_contiguous


def test_without_crop_a_frame_is_the_whole_image() -> None:
    """Grey frames of stride 1 are what a published run saw: each pixel the mean of its area."""
    image = np.random.default_rng(0).integers(0, 256, (72, 96), dtype=np.uint8)
    means = image.reshape(36, 2, 48, 2).astype(float).mean(axis=(1, 3))
    frame = camera_frame(image, "mono8", SMALL)
    assert np.abs(frame - means).max() <= 0.5


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_the_planes_of_colour_are_red_green_blue_whatever_the_order_in_the_image(encoding: str) -> None:
    settings = ObservationSettings(frame_height=36, frame_width=48, colour="colour")
    values = {"r": 100, "g": 50, "b": 200, "a": 255}
    pixel = [7] if encoding == "mono8" else [values[letter] for letter in encoding[:-1]]
    image = np.full((72, 96, len(pixel)), pixel, dtype=np.uint8)
    frame = camera_frame(image[..., 0] if encoding == "mono8" else image, encoding, settings)
    assert frame.shape == frame_shape(settings) == (3, 36, 48) and frame.flags.c_contiguous
    assert frame[:, 5, 7].tolist() == ([7, 7, 7] if encoding == "mono8" else [100, 50, 200])
    assert (frame == frame[:, :1, :1]).all()


def test_an_image_of_which_the_crop_leaves_nothing_is_refused() -> None:
    settings = ObservationSettings(frame_height=36, frame_width=48, crop_top=0.8)
    with pytest.raises(ObservationError, match=r"of the 1 rows of the image, crop_top 0\.8"):
        camera_frame(np.zeros((1, 96), dtype=np.uint8), "mono8", settings)


@given(st.integers(1, 5), st.integers(1, 6), st.lists(st.booleans(), min_size=1, max_size=40), st.booleans())
def test_a_stack_is_every_strideth_frame_back_and_the_first_before_it(
    count: int, stride: int, ends: list[bool], colour: bool
) -> None:
    """Against the frames of the episode in a list; ``ends`` says after which frame a new episode begins."""
    settings = ObservationSettings(
        frame_height=24, frame_width=24, stack=count, stack_stride=stride, colour="colour" if colour else "grey"
    )
    stack, episode = FrameStack(settings), list[int]()
    for number, end in enumerate(ends):
        episode.append(number)
        frame = np.full(frame_shape(settings), number, dtype=np.uint8)
        planes = 3 if colour else 1
        if colour:
            frame[1], frame[2] = frame[1] + 100, frame[2] + 200
        pushed = stack.push(frame)
        assert pushed.shape == stack_shape(settings)
        wanted = [episode[max(len(episode) - 1 - back * stride, 0)] for back in range(count - 1, -1, -1)]
        expected = [value + 100 * plane for value in wanted for plane in range(planes)]
        assert pushed[:, 3, 4].tolist() == expected
        if end:
            stack.clear()
            episode = []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"crop_top": 0.6, "crop_bottom": 0.4}, "leave less than 0.1 of the image"),
        ({"crop_top": 0.85}, r"crop_top: 0.85 is outside 0.0 \.\. 0.8"),
        ({"waypoint_spacing": 5.0}, r"waypoint_spacing: 5.0 is outside 10.0 \.\. 100.0 m"),
        ({"stack_stride": 0}, r"stack_stride: 0 is outside 1 \.\. 20"),
        ({"state": "lidar"}, "state: 'lidar' is not one of sensors, map"),
        ({"colour": "rgb"}, "colour: 'rgb' is not one of grey, colour"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        ObservationSettings(**wrong)


def test_every_setting_of_the_contract_makes_another_run() -> None:
    """Policies, memories and bundles of different contracts are told apart by the digest."""
    changes = {
        "observation.state": "map", "observation.colour": "colour", "observation.crop_top": 0.1,
        "observation.crop_bottom": 0.1, "observation.stack_stride": 2, "observation.waypoints": 4,
        "observation.waypoint_spacing": 30.0, "localisation.position_noise": 0.5, "localisation.position_bias": 0.5,
        "localisation.heading_noise": 0.1, "localisation.correlation_time": 1.0, "network.critic": "camera",
        "learning.teacher": "idm", "learning.teacher_weight": 2.0, "learning.teacher_weight_end": 0.5,
        "learning.teacher_decay": 10,
    }  # fmt: skip
    digests = {from_flat({key: value}).digest() for key, value in changes.items()} | {Settings().digest()}
    assert len(digests) == len(changes) + 1
