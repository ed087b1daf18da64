# SPDX-License-Identifier: Apache-2.0
"""Let the genuine traffic manager drive; says on its last line, as JSON, what became of the vehicles."""

from __future__ import annotations

import json
import math
import random
import sys
from typing import Any

import carla

STEP = 0.05
LOOK = 5
"""Every so many steps, all vehicles are measured."""


def corners(box: Any, pose: Any) -> list[Any]:
    """The four corners of a vehicle on the ground."""
    signs = ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))
    middle, size = box.location, box.extent
    return [pose.transform(carla.Location(middle.x + x * size.x, middle.y + y * size.y, 0.0)) for x, y in signs]


def aside(roads: Any, place: Any) -> tuple[float, float]:
    """Distances of a place from the middle of the nearest driving lane, and from that lane: 0 within it [m]."""
    lane = roads.get_waypoint(place)
    middle = lane.transform.location
    distance = math.hypot(middle.x - place.x, middle.y - place.y)
    return distance, max(distance - lane.lane_width / 2.0, 0.0)


class Measured:
    """How far the vehicles came from the road.

    Attributes:
        worst: largest distance of a centre from the middle of its lane, and from the lane, and of a corner from the
            lane [m].
    """

    def __init__(self, roads: Any, cars: list[Any]) -> None:
        self._roads, self._boxes = roads, {car.id: car.bounding_box for car in cars}
        self.worst = {"centre from the middle": 0.0, "centre off the lane": 0.0, "corner off the lane": 0.0}

    def look(self, snapshot: Any) -> None:
        """Measure all vehicles of a snapshot."""
        for number, box in self._boxes.items():
            found = snapshot.find(number)
            if found is not None:
                self._take(box, found.get_transform())

    def _take(self, box: Any, pose: Any) -> None:
        middle, off = aside(self._roads, pose.location)
        corner = max(aside(self._roads, place)[1] for place in corners(box, pose))
        for name, value in zip(self.worst, (middle, off, corner)):
            self.worst[name] = max(self.worst[name], value)


def spawned(client: Any, world: Any, count: int, port: int) -> list[int]:
    """Cars at spawn points drawn from a seed, on autopilot."""
    rng = random.Random(3)
    cars = [b for b in world.get_blueprint_library().filter("vehicle.*") if b.get_attribute("base_type") == "car"]
    points = world.get_map().get_spawn_points()
    rng.shuffle(points)
    spawn, pilot = carla.command.SpawnActor, carla.command.SetAutopilot(carla.command.FutureActor, True, port)
    batch = [spawn(rng.choice(cars), point).then(pilot) for point in points[:count]]
    return [answer.actor_id for answer in client.apply_batch_sync(batch, True) if not answer.error]


def main(server: int, count: int, seconds: int, town: str) -> None:
    """Drive."""
    client = carla.Client("127.0.0.1", server)
    client.set_timeout(60.0)
    world = client.load_world(town)
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP
    world.apply_settings(settings)
    manager = client.get_trafficmanager(0)
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(3)
    ids = spawned(client, world, count, manager.get_port())
    world.tick()
    contacts: list[int] = []
    bumper = world.get_blueprint_library().find("sensor.other.collision")
    ears = [world.spawn_actor(bumper, carla.Transform(), attach_to=car) for car in world.get_actors(ids)]
    for ear in ears:
        ear.listen(lambda event: contacts.append(event.other_actor.id))
    measured = Measured(world.get_map(), list(world.get_actors(ids)))
    red: set[int] = set()
    distance = dict.fromkeys(ids, 0.0)
    for step in range(round(seconds / STEP)):
        world.tick()
        snapshot = world.get_snapshot()
        for actor in filter(None, map(snapshot.find, ids)):
            distance[actor.id] += actor.get_velocity().length() * STEP
        if step % LOOK == 0:
            measured.look(snapshot)
        if step % 20 == 0:
            red |= {car.id for car in world.get_actors(ids) if car.is_at_traffic_light()}
    left = sum(snapshot.find(actor) is not None for actor in ids)
    for ear in ears:
        ear.stop()
    found = {"vehicles": len(ids), "contacts": contacts, "gone": len(ids) - left}
    found |= {"mean distance": sum(distance.values()) / len(ids), "waited at red": len(red), **measured.worst}
    print(json.dumps(found), flush=True)
    manager.set_synchronous_mode(False)
    settings.synchronous_mode = False
    world.apply_settings(settings)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
