# SPDX-License-Identifier: Apache-2.0
"""The world of a CARLA session, on a scripted server."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")

import carla
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.carla.calls import Calls
from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.world import CarlaWorld
from td3_driving.settings import CarlaSettings
from td3_driving.sim.roads import map_path

from ..shared.patience import HANG
from .fake_carla import FakeServer

SETTINGS = CarlaSettings(rpc_timeout=60.0)


def world_of(fake: FakeServer) -> CarlaWorld:
    return CarlaWorld(fake.api, SETTINGS, Calls(HANG))


def look(condition, timeout, complaint):  # type: ignore[no-untyped-def]
    if not condition():
        raise ServerLost(complaint)


def test_a_town_that_is_there_is_not_loaded_again() -> None:
    fake = FakeServer(town="Town02")
    world_of(fake).use_town("Town02", 5.0, look)
    assert fake.named("load_world") == []


def test_another_town_is_loaded_once() -> None:
    fake = FakeServer(town="Town02")
    world = world_of(fake)
    world.use_town("Town01", 5.0, look)
    assert fake.named("load_world") == ["Town01"]
    assert world.town == "Carla/Maps/Town01"


def test_a_load_that_times_out_and_happens_is_fine() -> None:
    fake = FakeServer(town="Town02")
    fake.slow_load = True
    world_of(fake).use_town("Town01", 5.0, look)
    assert fake.map.name == "Carla/Maps/Town01"


def test_an_unknown_town_names_the_known_ones() -> None:
    with pytest.raises(CarlaError, match="it has Town01, Town02, Town10HD"):
        world_of(FakeServer()).use_town("Town77", 5.0, look)


def test_weather_presets_are_those_of_the_client() -> None:
    fake = FakeServer()
    world_of(fake).set_weather("HardRainNoon")
    assert fake.weather == carla.WeatherParameters.HardRainNoon
    with pytest.raises(CarlaError, match=r"'Snow' is not one of .*ClearNoon"):
        world_of(fake).set_weather("Snow")


def test_a_server_left_synchronous_is_set_free() -> None:
    fake = FakeServer()
    fake.settings = {"synchronous_mode": True, "fixed_delta_seconds": 0.05}
    world_of(fake).set_asynchronous()
    assert fake.settings == {"synchronous_mode": False, "fixed_delta_seconds": None}


def test_leftovers_go_and_others_stay() -> None:
    fake = FakeServer()
    car = fake.add("vehicle.audi.tt", "autopilot")
    ego = fake.add("vehicle.tesla.model3", "ego_vehicle")
    sensor = fake.add("sensor.camera.rgb", "rgb_front")
    guest = fake.add("vehicle.audi.tt", "guest")
    sign = fake.add("traffic.stop", "")
    assert world_of(fake).clear() == 3
    assert set(fake.actors) == {guest.id, sign.id}
    assert not {car.id, ego.id, sensor.id} & set(fake.actors)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-math.pi, math.pi))
def test_our_axes_are_carlas_mirrored(x: float, y: float, yaw: float) -> None:
    """With the real ``carla.Transform``: forward in the map frame is forward on the server, mirrored at the x axis."""
    transform = carla.Transform(carla.Location(x, -y, 0.0), carla.Rotation(yaw=-math.degrees(yaw)))
    forward = transform.get_forward_vector()
    assert math.hypot(forward.x - math.cos(yaw), -forward.y - math.sin(yaw)) < 1e-3


def test_height_is_that_of_the_road() -> None:
    fake = FakeServer()
    text = map_path("town").read_text()
    waypoint = carla.Map("town", text).generate_waypoints(20.0)[0].transform.location
    assert world_of(fake).height(waypoint.x, -waypoint.y) == pytest.approx(waypoint.z, abs=1e-3)


def test_a_dead_and_a_frozen_server_do_not_answer() -> None:
    fake = FakeServer()
    assert world_of(fake).answers()
    fake.dead = True
    assert not world_of(fake).answers()
    fake.dead = False
    fake.freeze()
    assert not CarlaWorld(fake.api, SETTINGS, Calls(0.3)).answers()
    fake.thaw()
