# SPDX-License-Identifier: Apache-2.0
"""Let the genuine traffic manager drive; says on its last line, as JSON, what became of the vehicles."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import carla

STEP = 0.05


def spawned(client: Any, world: Any, count: int, port: int) -> list[int]:
    """Cars at spawn points drawn from a seed, on autopilot."""
    rng = random.Random(3)
    cars = [b for b in world.get_blueprint_library().filter("vehicle.*") if b.get_attribute("base_type") == "car"]
    points = world.get_map().get_spawn_points()
    rng.shuffle(points)
    spawn, pilot = carla.command.SpawnActor, carla.command.SetAutopilot(carla.command.FutureActor, True, port)
    batch = [spawn(rng.choice(cars), point).then(pilot) for point in points[:count]]
    return [answer.actor_id for answer in client.apply_batch_sync(batch, True) if not answer.error]


def main(server: int, count: int, seconds: int) -> None:
    """Drive."""
    client = carla.Client("127.0.0.1", server)
    client.set_timeout(60.0)
    world = client.load_world("Town01")
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
    roads, off, red, distance = world.get_map(), set(), set(), dict.fromkeys(ids, 0.0)
    for step in range(round(seconds / STEP)):
        world.tick()
        snapshot = world.get_snapshot()
        for actor in filter(None, map(snapshot.find, ids)):
            distance[actor.id] += actor.get_velocity().length() * STEP
            lane = roads.get_waypoint(actor.get_transform().location) if step % 5 == 0 else None
            if lane and lane.transform.location.distance(actor.get_transform().location) > lane.lane_width / 2.0:
                off.add(actor.id)
        if step % 20 == 0:
            red |= {car.id for car in world.get_actors(ids) if car.is_at_traffic_light()}
    left = sum(snapshot.find(actor) is not None for actor in ids)
    for ear in ears:
        ear.stop()
    found = {"vehicles": len(ids), "off the road": sorted(off), "contacts": contacts, "gone": len(ids) - left}
    found |= {"mean distance": sum(distance.values()) / len(ids), "waited at red": len(red)}
    print(json.dumps(found), flush=True)
    manager.set_synchronous_mode(False)
    settings.synchronous_mode = False
    world.apply_settings(settings)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
