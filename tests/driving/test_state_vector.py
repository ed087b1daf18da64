"""The state vectors of both contracts against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.observation import ObservationError
from td3_driving.driving.pilot import Eyes
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.state_vector import STATE_BOUND, encode_state, state_dim
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings, Settings

MAP = ObservationSettings(state="map", frame_height=36, frame_width=48, stack=3, route_points=2, route_spacing=5.0)
STRAIGHT = Route(np.array([(0.0, 0.0), (100.0, 0.0)]))


def test_state_vector_by_hand() -> None:
    vehicle = VehicleState(0, 10.0, 1.0, 0.0, math.pi / 4, 5.0, 0.0, 0.25)
    place = RoutePlace(s=10.0, lateral=1.0, heading_error=math.pi / 4)
    state = encode_state(vehicle, place, STRAIGHT, None, np.array([0.5, -0.5], dtype=np.float32), MAP)
    half = math.sqrt(0.5)
    first = ((5 * half - 1 * half) / 10, (-1 * half - 5 * half) / 10)
    second = ((10 * half - 1 * half) / 10, (-1 * half - 10 * half) / 10)
    assert state == pytest.approx(np.array([0.5, 0.5, 1.0, 0.25, 0.5, -0.5, *first, *second]), abs=1e-6)
    assert state.dtype == np.float32 and state.shape == (state_dim(MAP),)


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
    eyes = Eyes(Settings(observation=MAP))
    eyes.start(STRAIGHT)
    with pytest.raises(ObservationError):
        eyes.see(np.zeros((36, 48), dtype=np.uint8), vehicle)


finite = st.floats(-1e6, 1e6)


@given(finite, finite, finite, finite, finite)
def test_state_is_bounded_for_every_finite_vehicle(x: float, y: float, yaw: float, speed: float, rate: float) -> None:
    vehicle = VehicleState(0, x, y, 0.0, yaw, speed, 0.0, rate)
    state = encode_state(vehicle, STRAIGHT.locate(vehicle), STRAIGHT, None, np.zeros(2, dtype=np.float32), MAP)
    assert np.isfinite(state).all() and np.abs(state).max() <= STATE_BOUND
