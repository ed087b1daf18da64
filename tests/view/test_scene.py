# SPDX-License-Identifier: Apache-2.0
"""What a scene shows, with numbers that one can work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.view.scene import BARS_LEFT, LIFT, GateState, Scene
from td3_driving.view.shapes import BLUE, GREEN, RED, YELLOW, Box, Polyline, Shape, Text

ROUTE = np.column_stack((np.arange(0.0, 101.0), np.zeros(101), np.zeros(101)))


def at(x: float, y: float, yaw: float = 0.0, speed: float = 10.0, z: float = 0.0) -> VehicleState:
    return VehicleState(0, x, y, z, yaw, speed, 0.0, 0.0)


def by_name(scene: Scene) -> dict[str, Shape]:
    return {shape.name: shape for shape in scene.shapes()}


def full_scene() -> Scene:
    scene = Scene(reward=0.931, q_value=12.34, gate=GateState("OK", "active"))
    scene.take_route(ROUTE)
    scene.action = (0.0, 0.5)
    scene.take_vehicle(at(10.0, 1.5))
    return scene


def test_an_empty_scene_shows_nothing() -> None:
    assert Scene().shapes() == []


def test_everything_is_there_once_it_came() -> None:
    scene = full_scene()
    scene.traffic = [Box("traffic", 7, 1.0, 2.0, 0.75, 0.0, 4.0, 2.0, 1.5, RED)]
    bars = {"steer", "steer range", "drive", "drive range"}
    rest = {"route", "vehicle", "lane error", "predicted path", "value", "gate", "traffic"}
    assert set(by_name(scene)) == bars | rest


def test_lane_error_leads_from_the_vehicle_to_the_route() -> None:
    scene = full_scene()
    assert scene.lateral_error == pytest.approx(1.5)
    line = by_name(scene)["lane error"]
    assert isinstance(line, Polyline)
    assert line.points == pytest.approx(np.array(((10.0, 1.5, LIFT), (10.0, 0.0, LIFT))))


def test_predicted_path_goes_where_the_wheel_points() -> None:
    scene = full_scene()
    scene.action = (0.0, 0.0)
    assert scene.path(at(10.0, 1.5))[-1] == pytest.approx((30.0, 1.5, LIFT)), "2 s at 10 m/s"
    scene.action = (0.05, 0.0)
    assert scene.path(at(10.0, 1.5))[-1, 1] < 1.5, "positive steer is right"


def test_predicted_path_is_not_tighter_than_the_tyres_hold() -> None:
    # 10 m/s and 8 m/s^2 make a circle of 12.5 m radius, however far the wheel is turned.
    path = Scene(action=(1.0, 0.0)).path(at(0.0, 0.0))[:, :2]
    turned = np.diff(np.arctan2(*np.diff(path, axis=0).T[::-1]))
    assert turned == pytest.approx(np.full(19, -10.0 / 12.5 * 0.1)), "2 s in 20 steps"


def test_predicted_path_ends_at_the_edge_of_its_road() -> None:
    scene = full_scene()
    scene.action = (0.3, 0.0)
    path = scene.path(at(10.0, 1.5))[:, :2]
    assert path[0] == pytest.approx((10.0, 1.5)) and abs(path[-1, 1]) == pytest.approx(2.0), "the edge"
    assert path[:-1, 1].min() > -2.0
    free = Scene(action=(0.3, 0.0)).path(at(10.0, 1.5))[:, :2]
    assert path[:-1] == pytest.approx(free[: len(path) - 1]) and len(path) < len(free), "but for its end the same"


def test_predicted_path_of_a_fast_car_is_whole_as_far_as_the_road_goes() -> None:
    scene = full_scene()
    scene.action = (0.0, 0.0)
    assert scene.path(at(10.0, 1.5, speed=40.0))[-1] == pytest.approx((90.0, 1.5, LIFT))
    scene.take_vehicle(at(30.0, 0.0))
    assert scene.path(at(30.0, 0.0, speed=40.0))[-1] == pytest.approx((102.0, 0.0, LIFT)), "2 m behind the route's end"


def test_beside_the_road_the_predicted_path_shows_what_leads_back() -> None:
    scene = full_scene()
    back, away = (at(10.0, 5.0, yaw=sign * 0.3) for sign in (-1.0, 1.0))
    scene.action = (0.0, 0.0)
    assert scene.path(back)[-1, 1] == pytest.approx(5.0 - 20.0 * math.sin(0.3)), "over the road, to its other side"
    assert scene.path(away)[:, 1] == pytest.approx((5.0, 5.0))


def test_a_new_route_has_no_path_that_was_predicted_for_the_old_one() -> None:
    scene = full_scene()
    assert len(scene.path(at(10.0, 1.5)))
    scene.take_route(ROUTE + 500.0)
    assert len(scene.path(at(510.0, 500.0))) == 0


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(-1.9, 1.9), st.floats(0.0, 40.0))
def test_no_point_of_a_predicted_path_is_off_the_road(steer: float, drive: float, y: float, speed: float) -> None:
    scene = full_scene()
    scene.take_vehicle(at(50.0, y))
    scene.action = (steer, drive)
    path = scene.path(at(50.0, y, speed=speed))
    assert np.abs(path[:, 1]).max() <= 2.0 + 1e-9
    assert path[0] == pytest.approx((50.0, y, LIFT))


def test_bars_point_right_for_a_right_wheel_and_ahead_for_throttle() -> None:
    scene = full_scene()
    scene.action = (1.0, 0.5)
    steer, drive = by_name(scene)["steer"], by_name(scene)["drive"]
    assert isinstance(steer, Polyline) and isinstance(drive, Polyline)
    assert steer.points[1] - steer.points[0] == pytest.approx((0.0, -2.0, 0.0))
    assert drive.points[1] - drive.points[0] == pytest.approx((1.0, 0.0, 0.0))
    assert steer.points[0] == pytest.approx((10.0, 1.5 + BARS_LEFT, LIFT))
    assert (steer.colour, drive.colour) == (YELLOW, GREEN)
    scene.action = (0.0, -1.0)
    brake = by_name(scene)["drive"]
    assert isinstance(brake, Polyline)
    assert brake.points[1] - brake.points[0] == pytest.approx((-2.0, 0.0, 0.0))
    assert brake.colour == RED
    whole = by_name(scene)["drive range"]
    assert isinstance(whole, Polyline)
    assert whole.points[:, 0] == pytest.approx((8.0, 12.0))


def test_heights_follow_the_road() -> None:
    scene = full_scene()
    scene.take_vehicle(at(10.0, 1.5, z=8.0))
    path, value = by_name(scene)["predicted path"], by_name(scene)["value"]
    assert isinstance(path, Polyline) and isinstance(value, Text)
    assert path.points[:, 2] == pytest.approx(8.0 + LIFT)
    assert (value.z, path.colour) == (11.5, BLUE)


def test_readings_and_their_dashes() -> None:
    assert full_scene().readings() == ("36 km/h   lane +1.50 m", "r +0.93   Q 12.3")
    assert Scene().readings() == ("- km/h   lane - m", "r -   Q -")


def test_gate_has_the_colour_of_its_level() -> None:
    scene = full_scene()
    for level, colour in (("OK", GREEN), ("WARN", YELLOW), ("ERROR", RED)):
        scene.gate = GateState(level, "emergency stop")
        text = by_name(scene)["gate"]
        assert isinstance(text, Text)
        assert (text.text, text.colour) == ("gate: emergency stop", colour)


def test_letters_that_viewers_lack_are_replaced() -> None:
    scene = full_scene()
    scene.gate = GateState("ERROR", "Kamera “vorn” – still")
    text = by_name(scene)["gate"]
    assert isinstance(text, Text)
    assert text.text == "gate: Kamera ?vorn? ? still"


def test_vehicle_that_is_not_finite_leaves_the_route_alone() -> None:
    scene = full_scene()
    scene.take_vehicle(at(math.nan, 0.0))
    assert set(by_name(scene)) == {"route"}
    assert math.isnan(scene.lateral_error)
    scene.take_vehicle(at(20.0, -0.5))
    assert scene.lateral_error == pytest.approx(-0.5)


def test_route_that_cannot_be_driven_measures_nothing() -> None:
    scene = full_scene()
    scene.take_route(np.zeros((0, 3)))
    scene.take_vehicle(at(10.0, 1.5))
    assert math.isnan(scene.lateral_error)
    assert not {"route", "lane error"} & set(by_name(scene))


def test_vehicle_is_found_again_after_a_reset_far_along_the_route() -> None:
    scene = Scene()
    # There and back, 40 m apart.
    there = np.column_stack((np.arange(0.0, 201.0), np.zeros(201), np.zeros(201)))
    back = np.column_stack((np.arange(200.0, -1.0, -1.0), np.full(201, 40.0), np.zeros(201)))
    scene.take_route(np.vstack((there, back)))
    scene.take_vehicle(at(10.0, 0.2))
    assert scene.lateral_error == pytest.approx(0.2)
    scene.take_vehicle(at(150.0, 40.5, yaw=math.pi))
    assert scene.lateral_error == pytest.approx(-0.5), "heading west, north is to the right"


def test_corners_of_a_turned_box() -> None:
    corners = Box("traffic", 1, 10.0, 20.0, 1.0, math.pi / 2.0, 4.0, 2.0, 1.6, RED).corners()
    assert corners[0] == pytest.approx((9.0, 22.0, 0.2)), "front left of a box that looks north"
    assert corners[4] == pytest.approx((9.0, 22.0, 1.8))
    assert corners.mean(axis=0) == pytest.approx((10.0, 20.0, 1.0))
