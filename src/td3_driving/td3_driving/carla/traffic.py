# SPDX-License-Identifier: Apache-2.0
"""Traffic on a CARLA server, driven by CARLA's traffic manager in synchronous mode.

A synchronous traffic manager moves its vehicles when the world is ticked, and libcarla tells only the managers of the
process that ticks (``Simulator.cpp``: ``SynchronizeFrame`` calls ``TrafficManager::Tick``; a remote one ignores it).
The bridge ticks, so the manager must live in the bridge. The bridge's topic ``enable_autopilot`` makes one there, also
when it says false, on the default port. From here that manager is set up, and vehicles registered, by remote calls.

The vehicles stay from episode to episode: spawning and destroying again and again has made servers crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.server import listening
from td3_driving.carla.world import TRAFFIC_ROLE, CarlaWorld

MANAGER_PORT = 8000
"""The port that the bridge uses; it takes no other."""
CLEAR = 20.0
"""Least distance of a vehicle from the start of an episode [m]."""
APART = 8.0
"""Least distance of two vehicles when they appear [m]."""
DROP = 0.5
"""Height above a spawn point at which vehicles appear, as CARLA's own scripts do [m]."""
GAP = 2.5
"""Distance that the traffic keeps to the vehicle ahead [m]."""
TAKEN = "bind error"
"""What libcarla says when it cannot listen."""
SLOW = "rpc::timeout"
"""What libcarla says when a manager in another process has not answered for 2 s, whatever the client's time-out is."""
PATIENCE = 8
"""How often such a manager is asked: on a busy machine its process may not get 2 s in a row."""
MOVING = 0.1
"""Speed from which on a vehicle moves [m/s]."""


class ManagerUnknown(CarlaError):
    """A traffic manager listens that the server does not know of."""


class CarlaTraffic:
    """The vehicles of one session.

    Args:
        world: where they drive.
        say: prints a line for the user.
    """

    def __init__(self, world: CarlaWorld, say: Callable[[str], None]) -> None:
        self._world = world
        self._api = world.api
        self._say = say
        self._manager: Any = None
        self._ids: list[int] = []
        self._points: list[Any] = []
        self._episodes = 0

    @staticmethod
    def manager_runs() -> bool:
        """Whether a traffic manager listens on this machine."""
        return listening("127.0.0.1", MANAGER_PORT)

    def join(self) -> None:
        """Take the manager in the bridge into use.

        Raises:
            ManagerUnknown: it has not registered with the server yet.
            CarlaError: the map has no spawn points.
        """
        calls, client = self._world.calls, self._world.client
        try:
            self._manager = calls("get_trafficmanager", client.get_trafficmanager, MANAGER_PORT)
        except ServerLost as error:
            # libcarla finds no manager at the server, makes one of its own, and finds the port taken.
            if TAKEN in str(error):
                raise ManagerUnknown(str(error)) from error
            raise
        self._tell("set_synchronous_mode", self._manager.set_synchronous_mode, True)
        self._tell("set_global_distance", self._manager.set_global_distance_to_leading_vehicle, GAP)
        self._points = calls("get_spawn_points", lambda: list(client.get_world().get_map().get_spawn_points()))
        if not self._points:
            raise CarlaError("this map has no spawn points for traffic; set simulator.vehicles to 0 to drive alone")

    def prepare(self, count: int, seed: int, x: float, y: float) -> None:
        """Have ``count`` vehicles, none of them near (x, y) of the map frame [m], where an episode starts."""
        if count == 0 and not self._ids:
            return
        if self._manager is None:
            self.join()
        self._tell("set_random_device_seed", self._manager.set_random_device_seed, seed % 2**31)
        vehicles = self._alive()
        self._look_whether_it_moves(vehicles)
        self._destroy([vehicle.id for vehicle in vehicles[count:]])
        vehicles = vehicles[:count]
        start = self._api.Location(x=x, y=-y, z=0.0)
        near = [vehicle for vehicle in vehicles if _flat_distance(vehicle.get_location(), start) < CLEAR]
        taken = [vehicle.get_location() for vehicle in vehicles if vehicle not in near]
        free = self._free_points(taken, start, np.random.default_rng([2, seed]))
        self._move(near, free[: len(near)])
        self._ids = [vehicle.id for vehicle in vehicles]
        self._spawn(free[len(near) : len(near) + count - len(vehicles)], np.random.default_rng([3, seed]))
        if len(self._ids) < count:
            self._say(f"{len(self._ids)} vehicles instead of {count}: the other places are taken or too near")
        self._episodes += 1

    def forget(self) -> None:
        """Forget the manager whose process has ended.

        libcarla keeps one connection for each port as long as this process lives, and never mends it: the manager of
        the next bridge would be asked in vain. It drops the connection before it tells the manager to end.
        """
        if self._manager is not None:
            with suppress(ServerLost):
                self._world.calls("shut_down", self._manager.shut_down)
            self._manager = None

    def leave(self) -> None:
        """Destroy the vehicles and let the manager run by itself, so that no tick waits for it."""
        if self._manager is not None:
            self._tell("set_synchronous_mode", self._manager.set_synchronous_mode, False)
        self._destroy(self._ids)
        self._ids = []

    def _tell(self, what: str, order: Callable[[Any], object], value: object) -> None:
        """Set up the manager; an order that it did not answer in time is given again, which changes nothing.

        Raises:
            ServerLost: it is lost, or too slow for too long.
        """
        for left in reversed(range(PATIENCE)):
            try:
                self._world.calls(what, order, value)
                return
            except ServerLost as error:
                if SLOW not in str(error) or not left:
                    raise

    def _alive(self) -> list[Any]:
        if not self._ids:
            return []
        found = self._world.calls("get_actors", lambda: list(self._world.client.get_world().get_actors(self._ids)))
        return [vehicle for vehicle in found if vehicle is not None and vehicle.is_alive]

    def _look_whether_it_moves(self, vehicles: Sequence[Any]) -> None:
        """Warn when all vehicles stand after a whole episode: then no process ticks the manager."""
        if self._episodes == 1 and vehicles and all(_speed(vehicle.get_velocity()) < MOVING for vehicle in vehicles):
            self._say(
                f"all {len(vehicles)} vehicles stand: is the traffic manager on port {MANAGER_PORT} the bridge's?"
            )

    def _free_points(self, taken: Sequence[Any], start: Any, rng: np.random.Generator) -> list[Any]:
        """Spawn points in drawn order that are neither near the start nor near one another or a vehicle."""
        free: list[Any] = []
        for index in rng.permutation(len(self._points)):
            place = self._points[index].location
            others = [*taken, *(point.location for point in free)]
            if _flat_distance(place, start) >= CLEAR and all(_flat_distance(place, other) >= APART for other in others):
                free.append(self._points[index])
        return free

    def _move(self, vehicles: Sequence[Any], points: Sequence[Any]) -> None:
        """Move the vehicles to the places; destroy those without one."""
        still = self._api.Vector3D(0.0, 0.0, 0.0)
        for vehicle, point in zip(vehicles, points):
            vehicle.set_transform(self._lifted(point))
            vehicle.set_target_velocity(still)
        self._destroy([vehicle.id for vehicle in vehicles[len(points) :]])

    def _spawn(self, points: Sequence[Any], rng: np.random.Generator) -> None:
        if not points:
            return
        command = self._api.command
        blueprints = self._cars()
        autopilot = command.SetAutopilot(command.FutureActor, True, MANAGER_PORT)
        orders = []
        for point in points:
            blueprint = blueprints[int(rng.integers(len(blueprints)))]
            blueprint.set_attribute("role_name", TRAFFIC_ROLE)
            orders.append(command.SpawnActor(blueprint, self._lifted(point)).then(autopilot))
        answers = self._world.calls("apply_batch_sync", self._world.client.apply_batch_sync, orders, False)
        self._ids += [answer.actor_id for answer in answers if not answer.error]

    def _cars(self) -> list[Any]:
        """Blueprints with four wheels, in a fixed order; ``base_type`` is not known to every version."""
        library = self._world.calls("get_blueprint_library", self._world.world.get_blueprint_library)
        cars = [
            blueprint
            for blueprint in library.filter("vehicle.*")
            if int(blueprint.get_attribute("number_of_wheels")) == 4
            and (
                not blueprint.has_attribute("base_type") or str(blueprint.get_attribute("base_type").as_str()) == "car"
            )
        ]
        if not cars:
            raise CarlaError("this server has no blueprint of a car for traffic")
        return sorted(cars, key=lambda blueprint: str(blueprint.id))

    def _destroy(self, ids: Sequence[int]) -> None:
        if ids:
            orders = [self._api.command.DestroyActor(actor) for actor in ids]
            self._world.calls("apply_batch_sync", self._world.client.apply_batch_sync, orders, False)

    def _lifted(self, point: Any) -> Any:
        place = point.location
        return self._api.Transform(self._api.Location(x=place.x, y=place.y, z=place.z + DROP), point.rotation)


def _flat_distance(first: Any, second: Any) -> float:
    return float(np.hypot(first.x - second.x, first.y - second.y))


def _speed(velocity: Any) -> float:
    return float(np.hypot(velocity.x, velocity.y))
