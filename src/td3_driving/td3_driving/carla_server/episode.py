# SPDX-License-Identifier: Apache-2.0
"""One episode: a map and its actors. A new map, or the same one loaded again, is a new episode."""

from __future__ import annotations

from typing import Any

import numpy as np

from td3_driving.carla_server.actors import (
    Solid,
    Thing,
    TrafficLight,
    Vehicle,
    Walker,
    box_of,
    parameters_of,
    physics_of,
    tags_of,
)
from td3_driving.carla_server.axes import compose, from_map, relative
from td3_driving.carla_server.blueprints import NOT_SERVED, SENSORS, body_of, library
from td3_driving.carla_server.lights import Lights
from td3_driving.carla_server.motion import Contact, MovingGround
from td3_driving.carla_server.records import (
    ZERO,
    ActorAttributeValue,
    ActorDefinition,
    ActorDescription,
    BoundingBox,
    Label,
    PoseRecord,
    Vector3D,
)
from td3_driving.carla_server.rpc import CallError
from td3_driving.carla_server.streams import Streams
from td3_driving.carla_server.town import Signal, Town
from td3_driving.sim.collision import overlaps

FIRST_ID = 24
MOST_ACTORS = 2000
COLLIDES = "Spawn failed because of collision at spawn position"
INVALID = "Spawn failed because of invalid actor description"
NO_PARENT = "unable to attach actor: parent actor not found"


class Episode:
    """A map with its actors.

    Args:
        number: of the episode; clients notice by it that the world is another one.
        streams: gives sensors their numbers and tokens.
        first_stream: the first number that no earlier episode used.
    """

    def __init__(self, number: int, town: Town, streams: Streams, first_stream: int) -> None:
        self.number, self.town = number, town
        self._streams, self.next_stream = streams, first_stream
        self._next_id = FIRST_ID
        self.actors: dict[int, Thing] = {}
        self.solids: list[Solid] = []
        self.vehicles: list[Vehicle] = []
        self.sensors: list[Thing] = []
        self._ground = MovingGround(town.houses)
        self.spectator = self._enter(Thing(id=self._new_id(), type_id="spectator"))
        signals = town.signals
        self.lights = Lights([self._light(signal) for signal in signals], [signal.junction for signal in signals])

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _enter(self, thing: Thing) -> Thing:
        self.actors[thing.id] = thing
        return thing

    def _light(self, signal: Signal) -> TrafficLight:
        light = TrafficLight(
            id=self._new_id(),
            type_id="traffic.traffic_light",
            sign=signal.sign.encode()[:32],
            transform=signal.transform,
            stops=list(signal.stops),
            tags=bytes([Label.TRAFFIC_LIGHT]),
        )
        if signal.stops:
            x, y, yaw, length, width = signal.stops[0]
            inside = relative(signal.transform, from_map(x, y, yaw))
            light.box = BoundingBox(inside.location, Vector3D(length / 2.0, width / 2.0, 1.5), inside.rotation)
        self._enter(light)
        return light

    def find(self, actor_id: int) -> Thing:
        """An actor.

        Raises:
            CallError: there is none with this id.
        """
        thing = self.actors.get(actor_id)
        if thing is None:
            raise CallError(f"unable to find actor {actor_id}")
        return thing

    def was_destroyed(self, actor_id: int) -> bool:
        """Return whether this was an actor of the episode. A traffic manager may not know its end yet, and an error
        would end the process that the manager lives in."""
        return actor_id not in self.actors and FIRST_ID <= actor_id < self._next_id

    def vehicle(self, actor_id: int) -> Vehicle:
        """A vehicle.

        Raises:
            CallError: there is none with this id.
        """
        thing = self.find(actor_id)
        if not isinstance(thing, Vehicle):
            raise CallError(f"actor {actor_id} is a {thing.type_id}, no vehicle")
        return thing

    def spawn(self, description: ActorDescription, transform: PoseRecord, parent_id: int = 0) -> Thing:
        """Put an actor into the world, or onto another one.

        Raises:
            CallError: the description is of nothing that is served, the place is taken, there are too many actors.
        """
        definition = _definition(description.type_id)
        if len(self.actors) >= MOST_ACTORS:
            raise CallError(f"there are {MOST_ACTORS} actors, more are not possible")
        parent = self.actors.get(parent_id)
        if parent_id and parent is None:
            raise CallError(NO_PARENT)
        thing = _made(self._next_id, definition, description)
        thing.parent, thing.mount = parent, transform
        thing.transform = compose(parent.transform, transform) if parent is not None else transform
        self._place(thing)
        self._next_id += 1
        if parent is not None:
            parent.children.append(thing)
        if description.type_id in SENSORS:
            thing.stream, self.next_stream = self.next_stream, self.next_stream + 1
            thing.token = self._streams.token(thing.stream)
            self.sensors.append(thing)
        self._enter(thing)
        return thing

    def _place(self, thing: Thing) -> None:
        if not isinstance(thing, Solid):
            return
        thing.height = thing.transform.location.z
        near = [s for s in self.solids if abs(s.transform.location.z - thing.height) < 3.0 and s is not thing.parent]
        if any(overlaps(thing.bounds(), _row(other))[0] for other in near):
            raise CallError(COLLIDES)
        self.solids.append(thing)
        if isinstance(thing, Vehicle):
            thing.put(thing.transform)
            self.vehicles.append(thing)

    def destroy(self, actor_id: int) -> None:
        """Take an actor away; what hangs on it stays where it is, as on CARLA.

        Raises:
            CallError: there is none, or it belongs to the map.
        """
        thing = self.find(actor_id)
        if isinstance(thing, TrafficLight) or thing is self.spectator:
            raise CallError(f"unable to destroy actor {actor_id}: it belongs to the map")
        for child in thing.children:
            child.parent, child.velocity = None, ZERO
        del self.actors[actor_id]
        if thing.parent is not None and thing in thing.parent.children:
            thing.parent.children.remove(thing)
        rows: tuple[list[Any], ...] = (self.solids, self.vehicles, self.sensors)
        for row in rows:
            if thing in row:
                row.remove(thing)

    def put(self, thing: Thing, transform: PoseRecord) -> None:
        """Move an actor by hand; one that hangs on another, in the axes of that."""
        if thing.parent is not None:
            thing.mount = transform
            transform = compose(thing.parent.transform, transform)
        if isinstance(thing, Vehicle):
            thing.put(transform)
        else:
            thing.transform = transform
        for child in thing.children:
            self.put(child, child.mount)

    def step(self, dt: float) -> list[Contact]:
        """Let ``dt`` [s] pass; return the contacts."""
        contacts = self._ground.step(self.solids, dt)
        self.lights.step(dt)
        self.lights.watch(self.vehicles)
        for thing in self.actors.values():
            if thing.parent is not None:
                thing.transform = compose(thing.parent.transform, thing.mount)
                thing.velocity = thing.parent.velocity
        return contacts


def _row(solid: Solid) -> np.ndarray:
    return np.array([solid.bounds()])


def _definition(type_id: str) -> ActorDefinition:
    definition = library().get(type_id)
    if type_id in NOT_SERVED:
        raise CallError(f"{type_id} is not served: {NOT_SERVED[type_id]}")
    if definition is None:
        raise CallError(f"{INVALID}: {type_id:.80}")
    return definition


def _made(actor_id: int, definition: ActorDefinition, description: ActorDescription) -> Thing:
    attributes = {a.name: ActorAttributeValue(a.name, a.kind, a.value) for a in definition.attributes}
    for given in description.attributes:
        if given.name in attributes:
            attributes[given.name] = given
    common = {"id": actor_id, "type_id": definition.type_id, "uid": definition.uid, "attributes": attributes}
    body = body_of(definition.type_id)
    if body is None:
        return Thing(**common)  # type: ignore[arg-type]
    tags, box = tags_of(body), box_of(body, 0.0 if body.kind == "walker" else body.height / 2.0)
    if definition.type_id.startswith("walker."):
        return Walker(body=body, tags=tags, box=box, gravity=False, **common)  # type: ignore[arg-type]
    if definition.type_id.startswith("static."):
        return Solid(body=body, tags=tags, box=box, **common)  # type: ignore[arg-type]
    parameters = parameters_of(body)
    physics = physics_of(body, parameters)
    made = Vehicle(body=body, tags=tags, box=box, parameters=parameters, physics_control=physics, **common)  # type: ignore[arg-type]
    return made
