# SPDX-License-Identifier: Apache-2.0
"""Computes and sends the data of an episode's sensors."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgpack
import numpy as np

from td3_driving.carla_server import beams
from td3_driving.carla_server.actors import Solid, Thing
from td3_driving.carla_server.axes import matrix
from td3_driving.carla_server.blueprints import CLIENT_SIDE, SENSORS
from td3_driving.carla_server.depth import depth_image
from td3_driving.carla_server.eyes import Lens, Renderers, SeenScene
from td3_driving.carla_server.motion import Contact
from td3_driving.carla_server.records import ActorDescription, ActorRecord, BoundingBox, Label
from td3_driving.carla_server.snapshot import header
from td3_driving.carla_server.town import Town

if TYPE_CHECKING:
    from td3_driving.carla_server.simulation import Simulation

from td3_driving.carla_server.rays import GROUND, Rays, through

log = logging.getLogger(__name__)
GRAVITY = 9.81
IMAGE = struct.Struct("<IIf")
HOUSE = ActorRecord(0, 0, ActorDescription(0, "static.building", []), BoundingBox(), bytes([Label.BUILDINGS]), b"")
"""Actor reported as the other side of a collision with a house."""


class Tick:
    """One step as the sensors need it; shared data is made once."""

    def __init__(self, simulation: Simulation, contacts: list[Contact], dt: float) -> None:
        self.simulation, self.contacts, self.dt = simulation, contacts, dt
        self.episode = simulation.episode
        self._scene: SeenScene | None = None

    @property
    def scene(self) -> SeenScene:
        """Return the moving objects for the cameras."""
        if self._scene is None:
            self._scene = SeenScene(self.episode.solids)
        return self._scene


Perceive = Callable[["Senses", Thing, Tick], "bytes | list[bytes] | None"]


class Senses:
    """All sensors of the world."""

    def __init__(self) -> None:
        self.rays = Rays()
        self._town: Town | None = None
        self._renderers = Renderers()
        self._heads: dict[int, beams.Lidar] = {}
        self._last: dict[int, float] = {}
        self._first: dict[int, int] = {}
        self._failed: set[int] = set()

    def prepare(self, thing: Thing, town: Town) -> None:
        """Refuse a sensor whose attributes ask for too much; open its renderer, so that no tick waits for that.

        Raises:
            CallError: they do.
        """
        if thing.type_id.startswith("sensor.camera."):
            self._renderers.prepare(town.roads, Lens.of(thing), thing.type_id)
        if thing.type_id.startswith("sensor.lidar.") or thing.type_id == "sensor.other.radar":
            beams.check(thing)
        if thing.type_id.startswith(("sensor.lidar.", "sensor.camera.depth", "sensor.other.radar")):
            self.rays.prepare(town)

    def enter(self, town: Town) -> None:
        """Another episode begins."""
        self._heads.clear()
        self._last.clear()
        self._first.clear()
        self._failed.clear()
        if town is not self._town:
            self._town = town
            self.rays.forget()
            self._renderers.open(town.roads)

    def sense(self, simulation: Simulation, contacts: list[Contact], dt: float) -> None:
        """Send the data of all sensors with listeners."""
        tick = Tick(simulation, contacts, dt)
        for sensor in simulation.episode.sensors:
            if sensor.type_id not in CLIENT_SIDE and simulation.streams.heard(sensor.stream):
                try:
                    if self._due(sensor, simulation.elapsed):
                        self._send(sensor, tick)
                except Exception:  # noqa: BLE001 - one sensor must not stop the time of the world for all clients
                    self._note_failure(sensor, simulation.frame)

    def _note_failure(self, sensor: Thing, frame: int) -> None:
        """Log an unexpected error of a sensor, once for each."""
        if sensor.id not in self._failed:
            log.error("%s %d failed in frame %d", sensor.type_id, sensor.id, frame, exc_info=True)
        self._failed.add(sensor.id)

    def _due(self, sensor: Thing, now: float) -> bool:
        """Whether ``sensor_tick`` has passed since the last message."""
        every = sensor.value("sensor_tick")
        if every > 0.0 and now - self._last.get(sensor.id, -math.inf) < every - 1e-6:
            return False
        self._last[sensor.id] = now
        return True

    def _frames(self, sensor: Thing, tick: Tick) -> int:
        """Return how many frames ago a sensor was first heard."""
        now = tick.simulation.frame
        return now - self._first.setdefault(sensor.id, now)

    def _send(self, sensor: Thing, tick: Tick) -> None:
        kind, _ = SENSORS[sensor.type_id]
        simulation = tick.simulation
        payload = PERCEIVERS[sensor.type_id](self, sensor, tick)
        head = header(kind, simulation.frame, simulation.elapsed, sensor.transform)
        for part in payload if isinstance(payload, list) else [payload]:
            if part is not None:
                simulation.streams.send(sensor.stream, head, part)

    def photo(self, sensor: Thing, tick: Tick) -> bytes | None:
        """A colour image."""
        lens, simulation = Lens.of(sensor), tick.simulation
        if simulation.settings.no_rendering_mode:
            return None
        roads = tick.episode.town.roads
        return _image(lens, self._renderers.photo(roads, lens, simulation.weather, tick.scene, sensor))

    def labels(self, sensor: Thing, tick: Tick) -> bytes | None:
        """An image of semantic labels, with numbers of actors where the sensor is for instances."""
        lens = Lens.of(sensor)
        if tick.simulation.settings.no_rendering_mode:
            return None
        image = self._renderers.labels(tick.episode.town.roads, lens, tick.scene, sensor)
        # Between the hills and the plain a line of pixels may be left that nothing is painted on.
        image[image[..., 2] > Label.GUARD_RAIL] = (0, 0, Label.SKY, 255)
        if sensor.type_id.endswith("semantic_segmentation"):
            image = image * np.array([0, 0, 1, 1], dtype=np.uint8)
        return _image(lens, image)

    def depth(self, sensor: Thing, tick: Tick) -> bytes | None:
        """A depth image."""
        if tick.simulation.settings.no_rendering_mode:
            return None
        lens = Lens.of(sensor)
        return _image(lens, depth_image(self.rays, tick.episode, lens, sensor))

    def lidar(self, sensor: Thing, tick: Tick) -> bytes:
        """A part of a turn of a lidar."""
        head = self._heads.setdefault(sensor.id, beams.Lidar(sensor))
        labelled = sensor.type_id.endswith("semantic")
        return head.sweep(self.rays, tick.episode, tick.dt, self._frames(sensor, tick), labelled)

    def radar(self, sensor: Thing, tick: Tick) -> bytes:
        """Detections."""
        return beams.radar(self.rays, tick.episode, sensor, tick.dt, self._frames(sensor, tick))

    def collision(self, sensor: Thing, tick: Tick) -> list[bytes]:
        """One message per contact of what the sensor hangs on."""
        mine = [contact for contact in tick.contacts if contact.one is sensor.parent]
        return [msgpack.packb((contact.one.told(), _told(contact.other), contact.impulse)) for contact in mine]

    def obstacle(self, sensor: Thing, tick: Tick) -> bytes | None:
        """Return the nearest obstacle ahead within a distance."""
        reach, radius = (max(sensor.value(name), 0.0) for name in ("distance", "hit_radius"))
        at = sensor.transform.location
        start = np.array([at.x, -at.y, at.z])
        ahead = np.array(matrix(sensor.transform.rotation)[0]) * (1.0, -1.0, 1.0)
        boxes = self.rays.boxes(tick.episode, start, reach + radius, sensor)
        chosen = boxes.ids > 0 if sensor.flag("only_dynamics") else np.ones(len(boxes.ids), dtype=bool)
        rows = boxes.rows[chosen] + np.array([0, 0, 0, 0, radius, radius, radius, 1.5 * radius])
        distance, index = through(start, ahead[None], rows, reach)
        if index[0] <= GROUND or sensor.parent is None:
            return None
        other = tick.episode.actors.get(int(boxes.ids[chosen][index[0]]))
        told = other.told() if other is not None else HOUSE
        return bytes(msgpack.packb((sensor.parent.told(), told, float(distance[0]))))

    def gnss(self, sensor: Thing, tick: Tick) -> bytes:
        """Latitude, longitude, altitude."""
        exact = tick.episode.town.geolocation(*sensor.transform.location)
        draw = beams.generator(sensor, self._frames(sensor, tick))
        noisy = [
            value + sensor.value(f"noise_{axis}_bias") + draw.normal(0.0, abs(sensor.value(f"noise_{axis}_stddev")))
            for axis, value in zip(("lat", "lon", "alt"), exact)
        ]
        return bytes(msgpack.packb(noisy))

    def imu(self, sensor: Thing, tick: Tick) -> bytes:
        """Acceleration with gravity, angular velocity [rad/s] in the sensor's axes, and compass [rad], north is -y."""
        carrier = sensor.parent or sensor
        axes = np.array(matrix(sensor.transform.rotation))
        felt = axes @ (np.array(carrier.acceleration) + np.array([0.0, 0.0, GRAVITY]))
        turning = axes @ np.radians(carrier.turning)
        draw = beams.generator(sensor, self._frames(sensor, tick))
        for index, axis in enumerate("xyz"):
            felt[index] += draw.normal(0.0, abs(sensor.value(f"noise_accel_stddev_{axis}")))
            turning[index] += draw.normal(0.0, abs(sensor.value(f"noise_gyro_stddev_{axis}")))
            turning[index] += sensor.value(f"noise_gyro_bias_{axis}")
        compass = math.radians(sensor.transform.rotation.yaw + 90.0) % (2.0 * math.pi)
        return bytes(msgpack.packb((felt.tolist(), turning.tolist(), compass)))


PERCEIVERS: dict[str, Perceive] = {
    "sensor.camera.rgb": Senses.photo,
    "sensor.camera.depth": Senses.depth,
    "sensor.camera.semantic_segmentation": Senses.labels,
    "sensor.camera.instance_segmentation": Senses.labels,
    "sensor.lidar.ray_cast": Senses.lidar,
    "sensor.lidar.ray_cast_semantic": Senses.lidar,
    "sensor.other.radar": Senses.radar,
    "sensor.other.collision": Senses.collision,
    "sensor.other.obstacle": Senses.obstacle,
    "sensor.other.gnss": Senses.gnss,
    "sensor.other.imu": Senses.imu,
}
"""How each sensor perceives."""


def _image(lens: Lens, pixels: np.ndarray) -> bytes:
    return IMAGE.pack(lens.width, lens.height, lens.fov) + pixels.tobytes()


def _told(solid: Solid | None) -> ActorRecord:
    return HOUSE if solid is None else solid.told()
