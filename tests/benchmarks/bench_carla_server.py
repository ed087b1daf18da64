# SPDX-License-Identifier: Apache-2.0
"""Steps a second of ``carla-server`` with the genuine client, and of the simulator node's world by itself.

    python tests/benchmarks/bench_carla_server.py [--map town] [--steps 300]

Server and client are two processes; the world by itself runs in this one. One JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import carla

from td3_driving.settings import SimulatorSettings
from td3_driving.sim.camera import Camera
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World

WARM_UP = 20
CAMERAS = ((84, 84), (256, 144), (800, 600))


def rate(steps: int, step: Callable[[], object]) -> int:
    """Calls a second."""
    for _ in range(WARM_UP):
        step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return round(steps / (time.perf_counter() - began))


class Client:
    """The genuine client in synchronous mode."""

    def __init__(self, port: int) -> None:
        self.client = carla.Client("127.0.0.1", port)
        self.client.set_timeout(60.0)
        self.world = self.client.get_world()
        settings = self.world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
        self.world.apply_settings(settings)
        self.library = self.world.get_blueprint_library()
        self.points = self.world.get_map().get_spawn_points()

    def measure(self, steps: int) -> dict[str, int]:
        """All cases."""
        found = {"nothing": rate(steps, self.world.tick)}
        car = self.world.spawn_actor(self.library.find("vehicle.tesla.model3"), self.points[0])
        self.world.tick()
        found["one vehicle, commanded"] = rate(steps, lambda: self._drive(car))
        for width, height in CAMERAS:
            found[f"camera {width}x{height}"] = self._with_camera(car, width, height, steps)
        cars = [self.world.spawn_actor(self.library.find("vehicle.audi.tt"), point) for point in self.points[5:24]]
        self.world.tick()
        control = carla.VehicleControl(throttle=0.3)
        batch = [carla.command.ApplyVehicleControl(actor, control) for actor in [car, *cars]]
        found["20 vehicles, commanded"] = rate(steps, lambda: self._order(batch))
        return found

    def _drive(self, car: Any) -> None:
        # The library does not send a command that is like the one before.
        car.apply_control(carla.VehicleControl(throttle=0.2, steer=1e-4 * (self.world.get_snapshot().frame % 7)))
        self.world.tick()

    def _order(self, batch: list[Any]) -> None:
        self.client.apply_batch_sync(batch, False)
        self.world.tick()

    def _with_camera(self, car: Any, width: int, height: int, steps: int) -> int:
        blueprint = self.library.find("sensor.camera.rgb")
        blueprint.set_attribute("image_size_x", str(width))
        blueprint.set_attribute("image_size_y", str(height))
        place = carla.Transform(carla.Location(2.0, 0.0, 2.0))
        camera = self.world.spawn_actor(blueprint, place, attach_to=car)
        seen: queue.Queue[Any] = queue.Queue()
        camera.listen(seen.put)

        def see() -> None:
            frame = self.world.tick()
            while seen.get(timeout=60.0).frame < frame:
                pass

        found = rate(steps, see)
        camera.stop()
        camera.destroy()
        self.world.tick()
        return found


def alone(map_name: str, vehicles: int, steps: int) -> dict[str, int]:
    """The world of the simulator node, without and with its camera."""
    world = World(SimulatorSettings(map=map_name, vehicles=vehicles), 0)
    camera = Camera(world.roads, 256, 144, 90.0)

    def go() -> Any:
        world.apply(Control(throttle=0.2))
        return world.tick()

    def see() -> None:
        frame = go()
        camera.render(frame.ego, frame.vehicles)

    name = f"world alone, {vehicles} vehicles"
    return {name: rate(steps, go), f"{name}, camera 256x144": rate(steps, see)}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", default="town", help="name of an own map, or an OpenDRIVE file")
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    command = [sys.executable, "-m", "td3_driving.carla_server.cli", "--port", "0", "--map", given.map]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = re.search(r":(\d+)", server.stdout.readline())
        assert port is not None
        found = Client(int(port[1])).measure(given.steps)
    finally:
        server.terminate()
        server.wait()
    for vehicles in (0, 20):
        found |= alone(given.map, vehicles, given.steps)
    for name, value in found.items():
        what = f"carla_server, {Path(given.map).stem}, {name}"
        print(json.dumps({"name": what, "value": value, "unit": "steps/s", "load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    main()
