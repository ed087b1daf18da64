"""Images and state vectors against values one can read off the formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.observation import (
    ENCODINGS,
    STATE_BOUND,
    FrameStack,
    ObservationError,
    decode_image,
    encode_state,
    grey_frame,
    state_dim,
)
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings

SMALL = ObservationSettings(frame_height=36, frame_width=48, stack=3, route_points=2, route_spacing=5.0)
STRAIGHT = Route(np.array([(0.0, 0.0), (100.0, 0.0)]))


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
        frame = grey_frame(image, encoding, SMALL)
        assert frame.shape == (36, 48) and frame.dtype == np.uint8
        assert abs(int(frame[0, 0]) - luma) <= 1 and frame.min() == frame.max()


def test_a_pixel_of_the_frame_is_the_mean_of_its_area() -> None:
    image = np.zeros((72, 96), dtype=np.uint8)
    image[0, 0], image[0, 1], image[1, 0], image[1, 1] = 10, 20, 30, 40
    assert grey_frame(image, "mono8", SMALL)[0, 0] == 25


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


def test_state_vector_by_hand() -> None:
    vehicle = VehicleState(0, 10.0, 1.0, 0.0, math.pi / 4, 5.0, 0.0, 0.25)
    place = RoutePlace(s=10.0, lateral=1.0, heading_error=math.pi / 4)
    state = encode_state(vehicle, place, STRAIGHT, np.array([0.5, -0.5], dtype=np.float32), SMALL)
    half = math.sqrt(0.5)
    first = ((5 * half - 1 * half) / 10, (-1 * half - 5 * half) / 10)
    second = ((10 * half - 1 * half) / 10, (-1 * half - 10 * half) / 10)
    assert state == pytest.approx(np.array([0.5, 0.5, 1.0, 0.25, 0.5, -0.5, *first, *second]), abs=1e-6)
    assert state.dtype == np.float32 and state.shape == (state_dim(SMALL),)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["x", "y", "z", "yaw", "speed", "lateral_speed", "yaw_rate"])
def test_odometry_that_is_not_finite_is_refused(bad: float, field: str) -> None:
    values = {
        "stamp_ns": 0,
        "x": 0.0,
        "y": 0.0,
        "z": 0.0,
        "yaw": 0.0,
        "speed": 0.0,
        "lateral_speed": 0.0,
        "yaw_rate": 0.0,
    }
    vehicle = VehicleState(**{**values, field: bad})  # type: ignore[arg-type]
    with pytest.raises(ObservationError):
        encode_state(vehicle, RoutePlace(0.0, 0.0, 0.0), STRAIGHT, np.zeros(2, dtype=np.float32), SMALL)


finite = st.floats(-1e6, 1e6)


@given(finite, finite, finite, finite, finite)
def test_state_is_bounded_for_every_finite_vehicle(x: float, y: float, yaw: float, speed: float, rate: float) -> None:
    vehicle = VehicleState(0, x, y, 0.0, yaw, speed, 0.0, rate)
    state = encode_state(vehicle, STRAIGHT.locate(vehicle), STRAIGHT, np.zeros(2, dtype=np.float32), SMALL)
    assert np.isfinite(state).all() and np.abs(state).max() <= STATE_BOUND
