# SPDX-License-Identifier: Apache-2.0
"""Where things land in the image, against pixels worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.view.camera_model import NEAR, CameraModel, clipped, rotation_matrix
from td3_driving.view.overlay import draw
from td3_driving.view.scene import GateState, Scene
from td3_driving.view.shapes import RED, Box

OPTICAL = rotation_matrix(-0.5, 0.5, -0.5, 0.5)
WIDTH, HEIGHT = 256, 144
CAMERA = CameraModel(128.0, 128.0, 128.0, 72.0, OPTICAL, np.array((2.0, 0.0, 2.0)))
"""The embedded simulator's: 90 degrees wide, 2 m ahead of the vehicle's origin and 2 m above it."""


def vehicle(x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> VehicleState:
    return VehicleState(0, x, y, 0.0, yaw, 10.0, 0.0, 0.0)


def pixel(x: float, y: float, z: float, seen_by: VehicleState) -> tuple[float, float]:
    (found,) = CAMERA.pixels(CAMERA.from_map(np.array(((x, y, z),)), seen_by))
    return float(found[0]), float(found[1])


def test_point_straight_ahead_is_in_the_middle() -> None:
    assert pixel(12.0, 0.0, 2.0, vehicle()) == pytest.approx((128.0, 72.0))


def test_left_is_left_and_the_road_is_below() -> None:
    # 10 m from the camera, 5 m to the left, 2 m below it: 128 * 5 / 10 = 64, 128 * 2 / 10 = 25.6.
    assert pixel(12.0, 5.0, 0.0, vehicle()) == pytest.approx((64.0, 97.6))


def test_the_camera_turns_with_the_vehicle() -> None:
    looking_north = vehicle(100.0, 50.0, math.pi / 2.0)
    assert pixel(95.0, 62.0, 0.0, looking_north) == pytest.approx((64.0, 97.6))


def test_enlarged_camera_sees_the_same_larger() -> None:
    optical = CAMERA.from_map(np.array(((12.0, 5.0, 0.0),)), vehicle())
    assert CAMERA.scaled(3.0).pixels(optical) == pytest.approx(3.0 * CAMERA.pixels(optical))


@pytest.mark.parametrize("q", [(0.0, 0.0, 0.0, 0.0), (math.nan, 0.0, 0.0, 1.0)])
def test_what_is_no_rotation_is_refused(q: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="is no rotation"):
        rotation_matrix(*q)


COORDINATE = st.floats(-1e3, 1e3)
POINT = st.tuples(COORDINATE, COORDINATE, COORDINATE)


@given(POINT, POINT)
def test_clipping_keeps_what_lies_ahead(start: tuple[float, ...], end: tuple[float, ...]) -> None:
    segment = np.array((start, end))
    kept = clipped(segment)
    if kept is None:
        assert segment[:, 2].max() < NEAR
        return
    assert kept[:, 2].min() >= NEAR
    whole, direction = segment[1] - segment[0], kept[1] - kept[0]
    assert np.linalg.norm(direction) <= np.linalg.norm(whole) + 1e-6
    for point in kept:
        assert np.linalg.norm(np.cross(point - segment[0], whole)) <= 1e-4 * max(np.linalg.norm(whole), 1.0) ** 2


def grey() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 4), 90, dtype=np.uint8)


def scene() -> Scene:
    made = Scene(gate=GateState("ERROR", "emergency stop"))
    made.take_route(np.column_stack((np.arange(0.0, 50.0), np.zeros(50), np.zeros(50))))
    made.action = (0.0, 0.0)
    made.take_vehicle(vehicle())
    return made


def has_colour(picture: np.ndarray, column: int, row: int, channel: int, around: int = 3) -> bool:
    """Whether near a pixel a colour is drawn in which one channel (B, G, R) stands out."""
    patch = picture[row - around : row + around + 1, column - around : column + around + 1].astype(int)
    others = [other for other in range(3) if other != channel]
    return bool((patch[..., channel] - patch[..., others].max(axis=-1) > 60).any())


def test_image_is_enlarged_by_a_whole_number_and_the_original_left_alone() -> None:
    image = grey()
    assert draw(image, scene(), vehicle(), CAMERA, 432).shape == (432, 768, 3)
    assert draw(image, scene(), vehicle(), CAMERA, 433).shape == (576, 1024, 3)
    assert draw(image, scene(), vehicle(), CAMERA, 36).shape == (144, 256, 3)
    assert (image == 90).all()


def test_route_box_and_readings_are_where_they_belong() -> None:
    shown = scene()
    shown.action = None
    shown.traffic = [Box("traffic", 1, 14.0, 5.0, 1.0, 0.0, 4.0, 2.0, 2.0, RED)]
    picture = draw(grey(), shown, vehicle(), CAMERA, HEIGHT * 4)
    # The route 22 m ahead: 20 m from the camera, 2 m below: row 72 + 12.8; four times enlarged.
    assert has_colour(picture, 512, round(4 * 84.8), channel=1)
    # The box's near right edge, at (12, 4): column 128 - 51.2, from row 72 (top, 2 m) to 97.6 (ground).
    assert has_colour(picture, round(4 * 76.8), 4 * 85, channel=2)
    assert not has_colour(picture, 4 * 200, 4 * 85, channel=2)
    assert (picture[:120, :300].min(axis=-1) > 200).any(), "white letters"
    # The third line of letters, 80 of 432 rows below the top, is red: the gate stands.
    assert has_colour(picture, 60, round(576 / 432 * 74), channel=2, around=20)
    shown.gate = None
    assert not has_colour(draw(grey(), shown, vehicle(), CAMERA, 576), 60, 99, channel=2, around=20)


def test_without_camera_or_place_only_the_readings_are_drawn() -> None:
    shown = scene()
    shown.action = None
    for place, camera in ((None, CAMERA), (vehicle(), None)):
        picture = draw(grey(), shown, place, camera, HEIGHT * 4)
        assert (picture[130:] == 90).all()
        assert (picture[:120, :300] > 200).any()


@given(
    st.tuples(*(st.floats(-1.0, 1.0),) * 2),
    st.tuples(*(st.floats(-1e4, 1e4),) * 3),
    st.floats(-7.0, 7.0),
    st.floats(-30.0, 60.0),
)
def test_no_place_or_action_breaks_the_drawing(
    action: tuple[float, float], place: tuple[float, float, float], yaw: float, speed: float
) -> None:
    shown = Scene()
    state = VehicleState(0, place[0], place[1], place[2], yaw, speed, 0.0, 0.0)
    shown.take_route(np.array(((place[0] - 1.0, place[1], 0.0), (place[0] + 50.0, place[1] + 3.0, 0.0))))
    shown.take_vehicle(state)
    shown.action = action
    shown.traffic = [Box("traffic", 1, place[0] + 0.1, place[1], place[2], yaw, 4.0, 2.0, 1.5, RED)]
    picture = draw(np.zeros((36, 64, 3), dtype=np.uint8), shown, state, CAMERA, 36)
    assert picture.shape == (36, 64, 3)
