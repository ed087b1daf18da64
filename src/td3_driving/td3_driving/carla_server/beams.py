# SPDX-License-Identifier: Apache-2.0
"""Lidars and radars: ray patterns and their returns."""

from __future__ import annotations

import math
import struct

import numpy as np

from td3_driving.carla_server.actors import Thing
from td3_driving.carla_server.axes import matrix
from td3_driving.carla_server.episode import Episode
from td3_driving.carla_server.rays import Rays
from td3_driving.carla_server.rpc import CallError

MOST_RAYS = 5_000_000
"""Most rays of one sensor per second."""
MOST_CHANNELS = 1024
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4")])
LABELLED = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("cos", "<f4"), ("actor", "<u4"), ("label", "<u4")])
DETECTION = np.dtype([("velocity", "<f4"), ("azimuth", "<f4"), ("altitude", "<f4"), ("depth", "<f4")])


def check(sensor: Thing) -> None:
    """Refuse a lidar or radar that asks for too many rays.

    Raises:
        CallError: it does.
    """
    count, channels = sensor.value("points_per_second"), sensor.value("channels", 1.0)
    if not 0.0 <= count <= MOST_RAYS or not 1.0 <= channels <= MOST_CHANNELS:
        raise CallError(f"{count:g} points a second in {channels:g} channels are not possible; up to {MOST_RAYS} are")


def generator(sensor: Thing, frame: int) -> np.random.Generator:
    """Return the random generator of one sensor in one frame, counted from its first: the seed decides, as on CARLA."""
    return np.random.default_rng([int(abs(sensor.value("noise_seed"))), frame])


def _axes(sensor: Thing) -> np.ndarray:
    """(3, 3) forward, right, up of a sensor in the map frame."""
    return np.array(matrix(sensor.transform.rotation)) * (1.0, -1.0, 1.0)


class Lidar:
    """The turning head of one sensor."""

    def __init__(self, sensor: Thing) -> None:
        self._sensor = sensor
        self._angle = 0.0

    def sweep(self, rays: Rays, episode: Episode, dt: float, frame: int, labelled: bool) -> bytes:
        """Turn the head for ``dt`` [s]; return the hits as the payload of a message."""
        sensor = self._sensor
        channels = int(sensor.value("channels", 32.0))
        each = round(sensor.value("points_per_second") * dt / channels)
        along, count = self._directions(channels, each, dt)
        reach = min(max(sensor.value("range", 10.0), 0.0), 1000.0)
        hits = rays.cast(episode, sensor.transform.location, along @ _axes(sensor), reach, sensor)
        kept = np.isfinite(hits.distance)
        if not labelled:
            kept &= self._returns(hits.distance, frame)
        distance = hits.distance[kept]
        place = along[kept] * distance[:, None]
        per_channel = kept.reshape(channels, count).sum(axis=1).astype("<u4") if count else np.zeros(channels, "<u4")
        head = struct.pack("<fI", math.radians(self._angle), channels) + per_channel.tobytes()
        if labelled:
            return head + _labelled(place, hits.actor[kept], hits.label[kept]).tobytes()
        return head + self._points(place, distance, frame).tobytes()

    def _directions(self, channels: int, each: int, dt: float) -> tuple[np.ndarray, int]:
        """(channels * each, 3) unit vectors forward, right, up; channel by channel, the highest first."""
        sensor = self._sensor
        width = sensor.value("horizontal_fov", 360.0)
        turned = min(sensor.value("rotation_frequency", 10.0) * width * dt, width)
        high, low = (math.radians(sensor.value(f"{name}_fov")) for name in ("upper", "lower"))
        altitude = np.linspace(high, low, channels)
        azimuth = np.radians(
            self._angle + turned / max(each, 1) * np.arange(each) - (width / 2.0 if width < 360 else 0)
        )
        self._angle = math.fmod(self._angle + turned, max(width, 1e-3))
        level, up = np.cos(altitude)[:, None], np.sin(altitude)[:, None]
        parts = (level * np.cos(azimuth), level * np.sin(azimuth), np.broadcast_to(up, (channels, each)))
        return np.stack(parts, axis=-1).reshape(-1, 3), each

    def _returns(self, distance: np.ndarray, frame: int) -> np.ndarray:
        """Which beams come back: CARLA's drop-off in general, and of weak ones."""
        sensor, draw = self._sensor, generator(self._sensor, frame)
        general, chance = draw.random(len(distance)), draw.random(len(distance))
        zero, limit = sensor.value("dropoff_zero_intensity"), sensor.value("dropoff_intensity_limit", 0.8)
        intensity = self._intensity(np.where(np.isfinite(distance), distance, 0.0))
        probability = np.where(intensity > limit, 1.0, 1.0 - zero + zero / max(limit, 1e-6) * intensity)
        return np.asarray((general >= sensor.value("dropoff_general_rate")) & (chance <= probability))

    def _intensity(self, distance: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-self._sensor.value("atmosphere_attenuation_rate") * distance))

    def _points(self, place: np.ndarray, distance: np.ndarray, frame: int) -> np.ndarray:
        deviation = self._sensor.value("noise_stddev")
        if deviation > 0.0:
            noise = generator(self._sensor, frame).normal(0.0, deviation, len(distance))
            place = place * (1.0 + noise / np.maximum(distance, 1e-6))[:, None]
        points = np.zeros(len(place), dtype=POINT)
        points["x"], points["y"], points["z"] = place.T
        points["intensity"] = self._intensity(distance)
        return points


def _labelled(place: np.ndarray, actor: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Points with what they are on. The angle at which the beam met the surface is not computed: its cosine is 1."""
    points = np.zeros(len(place), dtype=LABELLED)
    points["x"], points["y"], points["z"] = place.T
    points["cos"], points["actor"], points["label"] = 1.0, actor, label
    return points


def radar(rays: Rays, episode: Episode, sensor: Thing, dt: float, frame: int) -> bytes:
    """Detections in a cone; velocities are those away from the sensor, the ground stands still."""
    draw = generator(sensor, frame)
    count = round(sensor.value("points_per_second") * dt)
    half = [math.radians(sensor.value(f"{name}_fov", 30.0)) / 2.0 for name in ("horizontal", "vertical")]
    radius, turn = np.sqrt(draw.random(count)), draw.random(count) * 2.0 * math.pi
    azimuth, altitude = half[0] * radius * np.cos(turn), half[1] * radius * np.sin(turn)
    along = np.stack((np.cos(altitude) * np.cos(azimuth), np.cos(altitude) * np.sin(azimuth), np.sin(altitude)), axis=1)
    world = along @ _axes(sensor)
    hits = rays.cast(episode, sensor.transform.location, world, sensor.value("range", 100.0), sensor)
    kept = np.isfinite(hits.distance)
    found = np.zeros(int(kept.sum()), dtype=DETECTION)
    found["azimuth"], found["altitude"], found["depth"] = azimuth[kept], altitude[kept], hits.distance[kept]
    found["velocity"] = _closing(episode, sensor, world[kept], hits.actor[kept])
    return found.tobytes()


def _closing(episode: Episode, sensor: Thing, along: np.ndarray, actors: np.ndarray) -> np.ndarray:
    """Speed away from the sensor along each ray [m/s]."""
    velocity = np.zeros((len(along), 3))
    for actor in np.unique(actors).tolist():
        thing = episode.actors.get(actor)
        if thing is not None:
            velocity[actors == actor] = thing.velocity
    relative = (velocity - np.array(sensor.velocity)) * (1.0, -1.0, 1.0)
    return np.asarray((relative * along).sum(axis=1))
