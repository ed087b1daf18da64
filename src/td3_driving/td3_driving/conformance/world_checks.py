# SPDX-License-Identifier: Apache-2.0
"""Checks of events, vehicle and map, objects, spawning and the route."""

from __future__ import annotations

from typing import Any

from td3_driving.conformance.measures import Measures
from td3_driving.conformance.recording import Recording, Stretch

EVENTS = ("E/collision", "E/lane_invasion")


def events(recording: Recording, found: Measures) -> None:
    """Collision and lane events only where there is one, stamped as their frame."""
    drive, crash = recording["drive"], recording["spawn"]
    frames = len(drive.frames())
    found.at_least("frames", frames, 10)
    for topic in EVENTS:
        found.within(f"share of the frames with a message on {topic}", len(drive.of(topic)) / max(frames, 1), 0.0, 0.5)
    hits = crash.of("E/collision")
    found.at_least("collisions with a vehicle in the way", len(hits), 1)
    found.true(
        "vehicle that was hit",
        crash.facts.get("spawned", -1) in {heard.message.other_actor_id for heard in hits},
        str(sorted({heard.message.other_actor_id for heard in hits})),
        f"with {crash.facts.get('spawned', -1)}",
    )
    stamps = set(drive.frames()) | set(crash.frames())
    own = [heard.stamp for stretch in (drive, crash) for topic in EVENTS for heard in stretch.of(topic)]
    inside = [stamp for stamp in own if stamps and min(stamps) <= stamp <= max(stamps)]
    found.equal("events whose stamp no frame has", len(set(inside) - stamps), 0)
    found.equal("frames of the events", {heard.message.header.frame_id for heard in hits}, {_frame(recording)})


def _frame(recording: Recording) -> str:
    return f"{recording.role}/collision"


def vehicle_and_map(recording: Recording, found: Measures) -> None:
    """Vehicle information with four wheels that converters can use; the map as OpenDRIVE."""
    heard = recording["join"]
    info = heard.of("E/vehicle_info")[-1].message
    found.equal("role name", info.rolename, recording.role)
    found.equal("wheels", len(info.wheels), 4)
    for name, wheel in zip(("front left", "front right"), info.wheels):
        found.within(f"max_steer_angle, {name}", wheel.max_steer_angle, 0.1, 1.6, "rad")
    for name, wheel in zip(("front left", "front right", "rear left", "rear right"), info.wheels):
        found.within(f"radius, {name}", wheel.radius, 15.0, 70.0, "cm")
    found.within("mass", info.mass, 100.0, 50_000.0, "kg")
    world = heard.of("carla/world_info")[-1].message
    found.true("map name", bool(world.map_name), repr(world.map_name), "not empty")
    found.true("map", "<OpenDRIVE" in world.opendrive, f"{len(world.opendrive)} characters", "OpenDRIVE text")


def objects(recording: Recording, found: Measures) -> None:
    """Object lists with and without the vehicle; ids that stay."""
    stretch = recording["drive"]
    listed = [heard.message.actors for heard in stretch.of("carla/actor_list")]
    found.at_least("actor lists", len(listed), 5)
    egos = {actor.id for actors in listed for actor in actors if actor.rolename == recording.role}
    found.equal("ids of the vehicle", len(egos), 1)
    found.equal("changes of the actor list", sum(_ids(a) != _ids(b) for a, b in zip(listed, listed[1:])), 0)
    ego = min(egos, default=-1)
    around, everything = stretch.by_stamp("E/objects"), stretch.by_stamp("carla/objects")
    shared = [stamp for stamp in around if stamp in everything]
    found.at_least("frames with both object lists", len(shared), 5)
    others = {thing.id for stamp in shared for thing in around[stamp].message.objects}
    found.true("ego among the objects around it", ego not in others, f"{len(others)} objects", f"without {ego}")
    without = [stamp for stamp in shared if ego not in _ids(everything[stamp].message.objects)]
    found.equal("frames in which the ego is not among all objects", len(without), 0)
    uneven = [
        stamp for stamp in shared if len(everything[stamp].message.objects) != len(around[stamp].message.objects) + 1
    ]
    found.equal("frames in which the lists differ by more than the ego", len(uneven), 0)


def _ids(things: Any) -> set[int]:
    return {thing.id for thing in things}


def spawning(recording: Recording, found: Measures) -> None:
    """What is spawned is there at the next tick, what is destroyed goes, and failures say why."""
    facts = recording["spawn"].facts
    found.at_least("id of the spawned vehicle", facts.get("spawned"), 1)
    found.within("frames until it is among the objects", facts.get("frames until seen"), 0, 3)
    found.equal("id of a second one in the same place", facts.get("second"), -1)
    found.true("reason", bool(facts.get("reason")), repr(facts.get("reason")), "not empty")
    found.equal("answer to its removal", facts.get("destroyed"), True)
    found.within("frames until it is gone", facts.get("frames until gone"), 0, 3)
    found.equal("answer to the removal of what is not there", facts.get("destroyed nothing"), False)


def route(recording: Recording, found: Measures) -> None:
    """A new route only after a jump or a goal, whole and latched."""
    first = recording["join"].of("E/waypoints")
    found.equal("routes at a late reader", len(first), 1)
    if not first:
        return
    found.at_least("points of it", len(first[-1].message.poses), 2)
    found.equal("frame of it", first[-1].message.header.frame_id, "map")
    found.equal("routes while driving", len(recording["drive"].of("E/waypoints")), 0)
    teleport: Stretch = recording["teleport"]
    found.equal("new routes after a jump of 10 m", teleport.facts.get("routes after the jump"), 1)
    found.equal("new routes after a goal", teleport.facts.get("routes after the goal"), 1)
