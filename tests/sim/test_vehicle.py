# SPDX-License-Identifier: Apache-2.0
"""The car against closed forms."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.sim.vehicle import GRAVITY, Car, CarParameters, Control, advance, curvature

CAR = CarParameters()
COASTING = replace(CAR, rolling_resistance=0.0, drag_area=0.0)
DT = 0.05


def test_without_resistance_two_seconds_at_20_m_s_are_40_m() -> None:
    car = Car(yaw=0.5, speed=20.0)
    for _ in range(40):
        advance(car, Control(), DT, COASTING)
    assert (car.x, car.y) == pytest.approx((40.0 * math.cos(0.5), 40.0 * math.sin(0.5)))
    assert car.speed == 20.0


def test_full_brake_stops_in_v2_over_2a() -> None:
    car = Car(speed=15.0)
    for _ in range(80):
        advance(car, Control(brake=1.0), DT, COASTING)
    assert car.speed == 0.0
    assert car.x == pytest.approx(15.0**2 / (2.0 * CAR.friction * GRAVITY), rel=0.01)


def test_rolling_resistance_stops_a_coasting_car() -> None:
    car = Car(speed=1.0)
    for _ in range(200):
        advance(car, Control(), DT, replace(CAR, drag_area=0.0))
    assert car.x == pytest.approx(1.0 / (2.0 * CAR.rolling_resistance * GRAVITY), rel=0.01)


def test_full_throttle_follows_force_over_mass_until_power_bounds_it() -> None:
    car = Car()
    advance(car, Control(throttle=1.0), DT, COASTING)
    assert car.speed == pytest.approx(CAR.max_force / CAR.mass * DT)
    fast = Car(speed=40.0)
    advance(fast, Control(throttle=1.0), 0.01, COASTING)
    assert fast.speed - 40.0 == pytest.approx(CAR.max_power / 40.0 / CAR.mass * 0.01)


@pytest.mark.parametrize(("steer", "turn"), [(0.2, -1.0), (-0.2, 1.0)])
def test_a_slow_circle_has_the_radius_of_the_wheel_angle(steer: float, turn: float) -> None:
    car = Car(speed=2.0, wheel=steer)
    angle = 0.2 * CAR.max_wheel_angle * CAR.steering_limit(2.0)
    radius = CAR.wheelbase / math.tan(angle)
    axle = lambda: (car.x - CAR.rear_axle * math.cos(car.yaw), car.y - CAR.rear_axle * math.sin(car.yaw))  # noqa: E731
    x, y = axle()
    centre = x, y + turn * radius
    for _ in range(200):
        advance(car, Control(steer=steer), DT, COASTING)
        assert math.dist(axle(), centre) == pytest.approx(radius, rel=1e-6)
    assert car.yaw_rate == pytest.approx(turn * 2.0 / radius)
    assert car.lateral_speed(CAR) == pytest.approx(CAR.rear_axle * car.yaw_rate)


@given(speed=st.floats(0.0, 50.0), wheel=st.floats(-1.0, 1.0))
def test_tyres_bound_the_lateral_acceleration(speed: float, wheel: float) -> None:
    bend = curvature(wheel, speed, CAR)
    assert abs(bend) * speed**2 <= CAR.friction * GRAVITY * 1.0001
    assert bend == pytest.approx(-curvature(-wheel, speed, CAR))


@pytest.mark.parametrize(
    ("kmh", "share"), [(0.0, 1.0), (10.0, 0.95), (20.0, 0.9), (40.0, 0.85), (120.0, 0.7), (200.0, 0.7)]
)
def test_the_steering_curve_is_interpolated(kmh: float, share: float) -> None:
    assert CAR.steering_limit(kmh / 3.6) == pytest.approx(share)
    assert CAR.steering_limit(-kmh / 3.6) == pytest.approx(share)


controls = st.builds(
    Control, throttle=st.floats(0, 1), brake=st.floats(0, 1), steer=st.floats(-1, 1), hand_brake=st.booleans()
)


@given(st.lists(controls, min_size=1, max_size=20))
def test_mirrored_steering_gives_the_mirrored_path(sequence: list[Control]) -> None:
    car, mirror = Car(speed=5.0), Car(speed=5.0)
    for control in sequence:
        advance(car, control, DT, CAR)
        advance(mirror, replace(control, steer=-control.steer), DT, CAR)
    assert (mirror.x, mirror.y, mirror.yaw) == pytest.approx((car.x, -car.y, -car.yaw), abs=1e-9)
    assert mirror.speed == pytest.approx(car.speed)


@given(control=controls, speed=st.floats(0.0, 30.0))
def test_without_throttle_a_car_never_speeds_up_nor_turns_back(control: Control, speed: float) -> None:
    car = Car(speed=speed)
    advance(car, replace(control, throttle=0.0), DT, CAR)
    assert 0.0 <= car.speed <= speed


@pytest.mark.parametrize(
    ("control", "direction"),
    [
        (Control(), 1),
        (Control(reverse=True), -1),
        (Control(manual_gear_shift=True, gear=0), 0),
        (Control(manual_gear_shift=True, gear=-1), -1),
        (Control(manual_gear_shift=True, gear=3, reverse=True), 1),
        (Control(gear=-1), 1),
    ],
)
def test_reverse_and_gears(control: Control, direction: int) -> None:
    car = Car()
    advance(car, replace(control, throttle=0.5), DT, CAR)
    assert (car.speed > 0) - (car.speed < 0) == direction


def test_commands_are_clipped_and_checked() -> None:
    assert Control(throttle=3.0, brake=-1.0, steer=-7.0).clipped() == Control(throttle=1.0, brake=0.0, steer=-1.0)
    assert not Control(steer=math.nan).finite()
    assert not Control(throttle=math.inf).finite()
