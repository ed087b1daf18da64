# SPDX-License-Identifier: Apache-2.0
"""The snapshot of the world that every tick sends: a header, and one record of 119 bytes for each actor."""

from __future__ import annotations

import struct

from td3_driving.carla_server.actors import Thing, TrafficLight, Vehicle, Walker
from td3_driving.carla_server.episode import Episode
from td3_driving.carla_server.lights import GREEN
from td3_driving.carla_server.records import HERE, PoseRecord

SENSOR_HEADER = struct.Struct("<QQd6f")
"""Type of the sensor, frame, time of the episode [s], pose of the sensor; before every message of a stream."""
HEADER = struct.Struct("<Qdf3iI")
"""Episode, wall time, step [s], origin of the map, what changed."""
SIZE = 119
COMMON = "<IB15f"
"""Id, state, pose, velocity, angular velocity, acceleration."""
PLAIN = struct.Struct(COMMON + "54x")
VEHICLE = struct.Struct(COMMON + "3f3BifBBIB24x")
WALKER = struct.Struct(COMMON + "4fB37x")
LIGHT = struct.Struct(COMMON + "32s4fIBB")
ACTIVE = 1
MAP_CHANGED = 1
"""Bit of the header after which a client fetches the map again."""


def header(kind: int, frame: int, elapsed: float, transform: PoseRecord = HERE) -> bytes:
    """Return the header of a sensor's data."""
    return SENSOR_HEADER.pack(kind, frame, elapsed, *transform.location, *transform.rotation)


def snapshot(episode: Episode, wall: float, delta: float, changed: int) -> bytes:
    """Return the snapshot of the world.

    Args:
        wall: time of the machine [s]; delta: length of the step [s]; changed: bits, see :data:`MAP_CHANGED`.
    """
    actors = episode.actors.values()
    records = [HEADER.pack(episode.number, wall, delta, 0, 0, 0, changed)]
    records += [_record(thing) for thing in actors]
    return b"".join(records)


def _record(thing: Thing) -> bytes:
    at, turn = thing.transform
    common = (thing.id, ACTIVE, *at, *turn, *thing.velocity, *thing.turning, *thing.acceleration)
    if isinstance(thing, Vehicle):
        throttle, steer, brake, hand_brake, reverse, manual, gear = thing.control
        light = thing.light
        state, has, sign = (light.state, 1, light.id) if light is not None else (GREEN, 0, 0)
        pedals = (throttle, steer, brake, hand_brake, reverse, manual, gear)
        return VEHICLE.pack(*common, *pedals, thing.speed_limit, state, has, sign, 0)
    if isinstance(thing, TrafficLight):
        times = (thing.green, thing.yellow, thing.red, thing.elapsed)
        return LIGHT.pack(*common, thing.sign, *times, thing.pole, thing.frozen, thing.state)
    if isinstance(thing, Walker):
        control = thing.control
        return WALKER.pack(*common, *control.direction, control.speed, control.jump)
    return PLAIN.pack(*common)
