# SPDX-License-Identifier: Apache-2.0
"""A scripted CARLA server behind the interface of the module ``carla``.

Maps, transforms, vectors and weather are those of the real package; the client, the world, the actors, the commands and
the traffic manager are stand-ins that keep what was done to them, and that can die or freeze.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import carla as real

from td3_driving.sim.roads import map_path

from .fake_blueprints import Blueprint, Library

TIME_OUT = "time-out of 1000ms while waiting for the simulator, make sure the simulator is ready and connected"
BIND_ERROR = "trying to create rpc server for traffic manager; but the system failed to create because of bind error."

SLOW = "rpc::timeout: Timeout of 2000ms while calling RPC function 'set_synchronous_mode'"


@dataclass
class Actor:
    """One actor of the world, in CARLA's axes."""

    server: FakeServer
    id: int
    type_id: str
    attributes: dict[str, str]
    transform: Any
    autopilot_port: int = 0
    velocity: Any = field(default_factory=lambda: real.Vector3D(0.0, 0.0, 0.0))

    @property
    def is_alive(self) -> bool:
        return self.id in self.server.actors

    def get_location(self) -> Any:
        return self.transform.location

    def get_velocity(self) -> Any:
        return self.velocity

    def set_transform(self, transform: Any) -> None:
        self.server.note("set_transform", self.id)
        self.transform = transform

    def set_target_velocity(self, velocity: Any) -> None:
        self.velocity = velocity


@dataclass
class SpawnActor:
    blueprint: Blueprint
    transform: Any
    after: Any = None

    def then(self, command: Any) -> SpawnActor:
        return SpawnActor(self.blueprint, self.transform, command)


@dataclass
class SetAutopilot:
    actor: Any
    enabled: bool
    port: int


@dataclass
class DestroyActor:
    actor_id: int


class Map:
    """The real map under the server's name for it, with spawn points on its lanes."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self._text = name, text
        self._map = real.Map(name.rsplit("/", 1)[-1], text)

    def to_opendrive(self) -> str:
        return self._text

    def get_waypoint(self, location: Any) -> Any:
        return self._map.get_waypoint(location)

    def get_spawn_points(self) -> list[Any]:
        return [waypoint.transform for waypoint in self._map.generate_waypoints(12.0)]


class World:
    """The world as a client sees it; one that was fetched before a map load is dead."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def get_map(self) -> Map:
        self._server.touch("get_map")
        return self._server.map

    def get_settings(self) -> SimpleNamespace:
        self._server.touch("get_settings")
        return SimpleNamespace(**self._server.settings)

    def apply_settings(self, settings: SimpleNamespace) -> int:
        self._server.touch("apply_settings", settings.synchronous_mode)
        self._server.settings = dict(vars(settings))
        return 0

    def set_weather(self, weather: Any) -> None:
        self._server.touch("set_weather")
        self._server.weather = weather

    def get_actors(self, ids: list[int] | None = None) -> list[Actor]:
        self._server.touch("get_actors")
        return [actor for actor in self._server.actors.values() if ids is None or actor.id in ids]

    def get_blueprint_library(self) -> Library:
        self._server.touch("get_blueprint_library")
        return self._server.library


class Manager:
    """A traffic manager that keeps what it was told."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.synchronous = False
        self.seeds: list[int] = []

    def set_synchronous_mode(self, value: bool) -> None:
        self._server.touch("tm.set_synchronous_mode", value)
        if self._server.busy:
            self._server.busy -= 1
            raise RuntimeError(SLOW)
        self.synchronous = value

    def shut_down(self) -> None:
        self._server.touch("tm.shut_down")

    def set_random_device_seed(self, seed: int) -> None:
        self._server.touch("tm.set_random_device_seed", seed)
        self.seeds.append(seed)

    def set_global_distance_to_leading_vehicle(self, distance: float) -> None:
        self._server.touch("tm.set_global_distance_to_leading_vehicle", distance)


class Client:
    """What ``carla.Client`` offers, as far as it is used."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def set_timeout(self, seconds: float) -> None:
        assert seconds > 0.0

    def get_client_version(self) -> str:
        return self._server.client_version

    def get_server_version(self) -> str:
        self._server.touch("get_server_version")
        return self._server.server_version

    def get_world(self) -> World:
        self._server.touch("get_world")
        return World(self._server)

    def get_available_maps(self) -> list[str]:
        self._server.touch("get_available_maps")
        return [f"/Game/Carla/Maps/{name}" for name in self._server.towns]

    def load_world(self, town: str) -> World:
        self._server.touch("load_world", town)
        self._server.load(town)
        if self._server.slow_load:
            raise RuntimeError(TIME_OUT)
        return World(self._server)

    def get_trafficmanager(self, port: int) -> Manager:
        self._server.touch("get_trafficmanager", port)
        if self._server.unregistered:
            self._server.unregistered -= 1
            raise RuntimeError(BIND_ERROR)
        return self._server.manager

    def apply_batch_sync(self, commands: list[Any], tick: bool) -> list[SimpleNamespace]:
        self._server.touch("apply_batch_sync", len(commands))
        assert not tick, "the bridge ticks, nobody else"
        return [self._server.carry_out(command) for command in commands]


class FakeServer:
    """A server, and the module ``carla`` that leads to it.

    Attributes:
        dead: every call ends with libcarla's time-out.
        frozen: calls hang until :meth:`thaw`.
        slow_load: a map load times out in the client, and happens nevertheless.
        refused: so many of the next spawns fail.
        busy: so many orders to the traffic manager are not answered in time.
        unregistered: so many times the bridge's traffic manager is not known yet to a client that asks for it.
        calls: names of all calls, with an argument that matters.
    """

    def __init__(self, map_name: str = "town", town: str = "Town10HD") -> None:
        self.towns = {"Town01": map_name, "Town02": map_name, "Town10HD": map_name}
        self.client_version = self.server_version = "0.9.16"
        self.dead = self.slow_load = False
        self.refused = self.unregistered = self.busy = 0
        self.calls: list[tuple[str, Any]] = []
        self.actors: dict[int, Actor] = {}
        self.weather: Any = None
        self.manager = Manager(self)
        self.library = Library(
            [
                Blueprint("vehicle.tesla.model3", 4, "car"),
                Blueprint("vehicle.audi.tt", 4, "car"),
                Blueprint("vehicle.old.car", 4, None),
                Blueprint("vehicle.carlamotors.firetruck", 4, "truck"),
                Blueprint("vehicle.bh.crossbike", 2, "bicycle"),
                Blueprint("walker.pedestrian.0001", 0, None),
            ]
        )
        self._ids = 100
        self._thawed = Event()
        self._thawed.set()
        self.load(town)

    @property
    def api(self) -> SimpleNamespace:
        """The module."""
        names = ("WeatherParameters", "Location", "Transform", "Rotation", "Vector3D")
        command = SimpleNamespace(
            SpawnActor=SpawnActor, SetAutopilot=SetAutopilot, DestroyActor=DestroyActor, FutureActor="future"
        )
        kept = {name: getattr(real, name) for name in names}
        return SimpleNamespace(**kept, command=command, Client=lambda host, port: Client(self))

    def load(self, town: str) -> None:
        """Another map: all actors go, and the settings are reset."""
        text = Path(map_path(self.towns[town])).read_text(encoding="utf-8")
        self.map = Map(f"Carla/Maps/{town}", text)
        self.actors.clear()
        self.settings: dict[str, Any] = {"synchronous_mode": False, "fixed_delta_seconds": None}

    def note(self, name: str, argument: Any = None) -> None:
        """Keep a call."""
        self.calls.append((name, argument))

    def touch(self, name: str, argument: Any = None) -> None:
        """Every call of the server comes through here."""
        self.note(name, argument)
        self._thawed.wait()
        if self.dead:
            raise RuntimeError(TIME_OUT)

    def freeze(self) -> None:
        """Answer nothing from now on."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Answer again."""
        self._thawed.set()

    def add(self, kind: str, role: str, transform: Any = None) -> Actor:
        """An actor that is there."""
        self._ids += 1
        place = transform if transform is not None else real.Transform(real.Location(0.0, 0.0, 0.0))
        actor = self.actors[self._ids] = Actor(self, self._ids, kind, {"role_name": role}, place)
        return actor

    def carry_out(self, command: Any) -> SimpleNamespace:
        """One command of a batch."""
        if isinstance(command, DestroyActor):
            return SimpleNamespace(error="" if self.actors.pop(command.actor_id, None) else "no such actor", actor_id=0)
        if self.refused:
            self.refused -= 1
            return SimpleNamespace(error="Spawn failed because of collision at spawn location", actor_id=0)
        role = command.blueprint.get_attribute("role_name")
        actor = self.add(command.blueprint.id, role, command.transform)
        if isinstance(command.after, SetAutopilot) and command.after.enabled:
            actor.autopilot_port = command.after.port
        return SimpleNamespace(error="", actor_id=actor.id)

    def named(self, name: str) -> list[Any]:
        """The arguments of all calls of that name."""
        return [argument for call, argument in self.calls if call == name]
