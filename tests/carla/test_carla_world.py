# SPDX-License-Identifier: Apache-2.0
"""The world of a CARLA session: the genuine client on ``carla-server``, whose world each result is checked against."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")
pytest.importorskip("msgpack", reason="the library msgpack is not installed")

import carla
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.carla.calls import Calls
from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.world import CarlaWorld
from td3_driving.settings import CarlaSettings

from ..carla_server.carla_host import Host
from ..shared.patience import HANG
from .fake_carla import FakeServer
from .fake_stack import until

LONG = 120.0
"""Time-out of a call [s]."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    os.environ["CARLA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    running = Host("town", "straight")
    yield running
    running.close()


@pytest.fixture
def world(host: Host) -> CarlaWorld:
    return CarlaWorld(carla, CarlaSettings(host="127.0.0.1", port=host.port, rpc_timeout=LONG), Calls(HANG))


def look(condition, timeout, complaint):  # type: ignore[no-untyped-def]
    if not condition():
        raise ServerLost(complaint)


def add(world: CarlaWorld, kind: str, role: str, at: int = 0, parent: Any = None) -> Any:
    """An actor with a role, at a spawn point or on another actor."""
    found = world.world
    blueprint = found.get_blueprint_library().find(kind)
    blueprint.set_attribute("role_name", role)
    place = carla.Transform() if parent else found.get_map().get_spawn_points()[at]
    return found.spawn_actor(blueprint, place, attach_to=parent)


def test_a_town_that_is_there_is_not_loaded_again_and_another_one_once(host: Host, world: CarlaWorld) -> None:
    before = host.ask("episode.number")
    world.use_town("town", LONG, look)
    assert host.ask("episode.number") == before
    world.use_town("straight", LONG, look)
    assert host.ask("(episode.number, episode.town.name)") == [before + 1, "Carla/Maps/straight"]
    assert world.town == "Carla/Maps/straight"
    world.use_town("town", LONG, look)


def test_a_load_that_times_out_and_happens_is_fine() -> None:
    fake = FakeServer(town="Town02")
    fake.slow_load = True
    settings = CarlaSettings(rpc_timeout=60.0)
    CarlaWorld(fake.api, settings, Calls(HANG)).use_town("Town01", 5.0, look)
    assert fake.map.name == "Carla/Maps/Town01"


def test_an_unknown_town_names_the_known_ones(world: CarlaWorld) -> None:
    with pytest.raises(CarlaError, match=r"no town 'Town77'; it has .*straight, .*town"):
        world.use_town("Town77", LONG, look)


def test_weather_presets_are_those_of_the_client(host: Host, world: CarlaWorld) -> None:
    world.set_weather("HardRainNoon")
    wanted = carla.WeatherParameters.HardRainNoon.precipitation
    # The client does not wait for an answer to this call.
    until(lambda: host.ask("simulation.weather.precipitation") == pytest.approx(wanted), "weather of the preset")
    assert wanted > 0.0
    with pytest.raises(CarlaError, match=r"'Snow' is not one of .*ClearNoon"):
        world.set_weather("Snow")


def test_leftovers_go_and_others_stay(host: Host, world: CarlaWorld) -> None:
    car = add(world, "vehicle.audi.tt", "autopilot", 0)
    ego = add(world, "vehicle.tesla.model3", "ego_vehicle", 3)
    sensor = add(world, "sensor.other.gnss", "gnss", parent=ego)
    guest = add(world, "vehicle.audi.tt", "guest", 6)
    there = set(host.ask("sorted(episode.actors)"))
    assert {car.id, ego.id, sensor.id, guest.id} <= there
    world.world.wait_for_tick(LONG)
    assert world.clear() == 3
    assert there - set(host.ask("sorted(episode.actors)")) == {car.id, ego.id, sensor.id}
    guest.destroy()


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-math.pi, math.pi))
def test_our_axes_are_carlas_mirrored(x: float, y: float, yaw: float) -> None:
    """With the real ``carla.Transform``: forward in the map frame is forward on the server, mirrored at the x axis."""
    transform = carla.Transform(carla.Location(x, -y, 0.0), carla.Rotation(yaw=-math.degrees(yaw)))
    forward = transform.get_forward_vector()
    assert math.hypot(forward.x - math.cos(yaw), -forward.y - math.sin(yaw)) < 1e-3
