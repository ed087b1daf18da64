# SPDX-License-Identifier: Apache-2.0
"""The traffic of a session on ``carla-server``: the genuine client and its traffic manager, against the world."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")
pytest.importorskip("msgpack", reason="the library msgpack is not installed")

import carla

from td3_driving.carla import traffic as module
from td3_driving.carla.calls import Calls
from td3_driving.carla.traffic import APART, CLEAR, CarlaTraffic
from td3_driving.carla.world import CarlaWorld
from td3_driving.settings import CarlaSettings

from ..carla_server.carla_host import Host
from ..shared.patience import HANG
from .fake_stack import free_port, until
from .ticking import Ticking

CARS = "[a for a in episode.vehicles if a.attributes['role_name'].value == 'autopilot']"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    os.environ["CARLA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    running = Host("town")
    yield running
    running.close()


@pytest.fixture
def bridge(host: Host) -> Iterator[Ticking]:
    """What ticks the world, and hosts the traffic manager that sessions take into use."""
    port = free_port()
    kept, module.MANAGER_PORT = module.MANAGER_PORT, port
    running = Ticking(host.port, port)
    yield running
    running.close()
    module.MANAGER_PORT = kept


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cars(host: Host, bridge: Ticking, said: list[str]) -> Iterator[CarlaTraffic]:
    world = CarlaWorld(carla, CarlaSettings(host="127.0.0.1", port=host.port, rpc_timeout=60.0), Calls(HANG))
    made = CarlaTraffic(world, said.append)
    yield made
    made.leave()
    bridge.go(1)
    assert host.ask(f"len({CARS})") == 0, "a session takes its traffic with it"


def places(host: Host) -> list[list[float]]:
    """x, y [m] of the traffic in the map frame, by its number."""
    found: list[list[float]] = host.ask(f"[[a.car.x, a.car.y] for a in {CARS}]")
    return found


def test_traffic_comes_goes_and_leaves_the_start_free(host: Host, bridge: Ticking, cars: CarlaTraffic) -> None:
    """The start of an episode is put where a vehicle stands."""
    x, y = 0.0, 0.0
    for seed, count in enumerate((8, 12, 5)):
        cars.prepare(count, seed, x, y)
        bridge.go(1)
        there = places(host)
        assert len(there) == count
        assert all(math.dist(place, (x, y)) >= CLEAR - 0.5 for place in there)
        x, y = there[0]


def test_new_vehicles_are_cars_on_the_road_and_apart(host: Host, bridge: Ticking, cars: CarlaTraffic) -> None:
    cars.prepare(10, 3, 0.0, 0.0)
    bridge.go(1)
    there = places(host)
    assert all(math.dist(a, b) >= APART for i, a in enumerate(there) for b in there[:i])
    roads = carla.Client("127.0.0.1", host.port).get_world().get_map()
    assert all(roads.get_waypoint(carla.Location(x, -y, 0.0), project_to_road=False) is not None for x, y in there)
    assert set(host.ask(f"[a.attributes['base_type'].value for a in {CARS}]")) == {"car"}


def test_the_same_seed_gives_the_same_traffic(host: Host, bridge: Ticking, cars: CarlaTraffic) -> None:
    seen = []
    for _ in range(2):
        cars.prepare(8, 7, 0.0, 0.0)
        seen.append(host.ask(f"[[a.type_id, a.car.x, a.car.y] for a in {CARS}]"))
        cars.leave()
        bridge.go(1)
    assert seen[0] == seen[1] and len(seen[0]) == 8


def test_the_manager_in_the_bridge_drives_them(
    host: Host, bridge: Ticking, cars: CarlaTraffic, said: list[str]
) -> None:
    cars.prepare(6, 4, 0.0, 0.0)
    bridge.go(1)
    before = places(host)
    bridge.go(60)
    after = places(host)
    assert all(math.dist(a, b) > 2.0 for a, b in zip(before, after))
    cars.prepare(6, 5, 0.0, 0.0)
    assert not any("vehicles stand" in text for text in said)


def test_more_vehicles_than_places_are_told(host: Host, bridge: Ticking, cars: CarlaTraffic, said: list[str]) -> None:
    cars.prepare(500, 4, 0.0, 0.0)
    assert "vehicles instead of 500" in said[-1]
    assert len(places(host)) == int(said[-1].split()[0]) > 20


def test_the_manager_of_the_next_bridge_is_taken_into_use(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """libcarla would go on asking the one that has ended."""
    port = free_port()
    monkeypatch.setattr(module, "MANAGER_PORT", port)
    world = CarlaWorld(carla, CarlaSettings(host="127.0.0.1", port=host.port, rpc_timeout=60.0), Calls(HANG))
    for seed in (1, 2):
        bridge, cars = Ticking(host.port, port), CarlaTraffic(world, print)
        cars.prepare(4, seed, 0.0, 0.0)
        bridge.go(1)
        before = places(host)
        bridge.go(60)
        assert all(math.dist(a, b) > 2.0 for a, b in zip(before, places(host)))
        cars.leave()
        bridge.close()
        cars.forget()
        until(lambda: host.ask(f"{port} not in simulation.managers"), "end of the registration")
