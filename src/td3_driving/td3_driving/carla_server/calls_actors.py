# SPDX-License-Identifier: Apache-2.0
"""Calls about any actor."""

from __future__ import annotations

from typing import Any

from td3_driving.carla_server.actors import NO_BOX, Solid, Vehicle, Walker
from td3_driving.carla_server.axes import matrix
from td3_driving.carla_server.blueprints import library
from td3_driving.carla_server.records import (
    U32,
    ActorDefinition,
    ActorDescription,
    ActorRecord,
    BoundingBox,
    Location,
    PoseRecord,
    Vector3D,
)
from td3_driving.carla_server.rpc import CallError, call
from td3_driving.carla_server.simulation import Simulation
from td3_driving.carla_server.vehicle_records import WalkerControl

ACTORS, FORCES, PARTS = "actors", "velocities and forces", "parts of actors"


@call(ACTORS)
def get_actor_definitions(simulation: Simulation) -> list[ActorDefinition]:
    """The blueprints."""
    return list(library().values())


@call(ACTORS)
def get_actors_by_id(simulation: Simulation, ids: list[U32]) -> list[ActorRecord]:
    """What is known of some actors; those that are not there are left out."""
    actors = simulation.episode.actors
    return [actors[actor_id].told() for actor_id in ids if actor_id in actors]


@call(ACTORS)
def get_spectator(simulation: Simulation) -> ActorRecord:
    """The spectator."""
    return simulation.episode.spectator.told()


@call(ACTORS)
def spawn_actor(simulation: Simulation, description: ActorDescription, transform: PoseRecord) -> ActorRecord:
    """Put an actor into the world."""
    return simulation.spawn(description, transform).told()


@call(ACTORS)
def spawn_actor_with_parent(
    simulation: Simulation,
    description: ActorDescription,
    transform: PoseRecord,
    parent: U32,
    attachment: Any = 0,
    socket: str = "",
) -> ActorRecord:
    """Put an actor onto another one, rigidly: spring arms do not swing."""
    return simulation.spawn(description, transform, parent).told()


@call(ACTORS)
def destroy_actor(simulation: Simulation, actor: U32) -> bool:
    """Take an actor away; what hangs on it stays where it is."""
    simulation.episode.destroy(actor)
    return True


@call(ACTORS, waits=False)
def set_actor_transform(simulation: Simulation, actor: U32, transform: PoseRecord) -> None:
    """Move an actor; it keeps its speed."""
    simulation.episode.put(simulation.episode.find(actor), transform)


@call(ACTORS, waits=False)
def set_actor_location(simulation: Simulation, actor: U32, location: Location) -> None:
    """Move an actor without turning it."""
    thing = simulation.episode.find(actor)
    now = thing.mount if thing.parent is not None else thing.transform
    simulation.episode.put(thing, PoseRecord(location, now.rotation))


@call(ACTORS)
def get_actor_bounding_box(simulation: Simulation, actor: U32) -> BoundingBox:
    """Its box in its own axes; empty for an actor that was destroyed."""
    if simulation.episode.was_destroyed(actor):
        return NO_BOX
    return simulation.episode.find(actor).box


@call(ACTORS)
def set_actor_simulate_physics(simulation: Simulation, actor: U32, enabled: bool) -> None:
    """Whether an actor moves by itself; nothing for one that was destroyed."""
    if simulation.episode.was_destroyed(actor):
        return
    thing = simulation.episode.find(actor)
    if isinstance(thing, Solid):
        thing.physics = enabled


@call(ACTORS)
def set_actor_collisions(simulation: Simulation, actor: U32, enabled: bool) -> None:
    """Whether others touch an actor."""
    thing = simulation.episode.find(actor)
    if isinstance(thing, Solid):
        thing.collides = enabled


@call(ACTORS, waits=False)
def set_actor_enable_gravity(simulation: Simulation, actor: U32, enabled: bool) -> None:
    """Whether an actor falls onto the road."""
    thing = simulation.episode.find(actor)
    if isinstance(thing, Solid):
        thing.gravity = enabled


@call(ACTORS, waits=False)
def set_actor_dead(simulation: Simulation, actor: U32) -> None:
    """Stop an actor for good: it keeps its place without physics."""
    thing = simulation.episode.find(actor)
    if isinstance(thing, Solid):
        thing.physics = False


@call(FORCES, waits=False)
def set_actor_target_velocity(simulation: Simulation, actor: U32, velocity: Vector3D) -> None:
    """Give an actor a velocity in the world's axes; of a vehicle the part along it counts."""
    thing = simulation.episode.find(actor)
    if isinstance(thing, Vehicle):
        thing.push(velocity)
    else:
        thing.velocity = velocity


@call(FORCES, waits=False)
def set_actor_target_angular_velocity(simulation: Simulation, actor: U32, velocity: Vector3D) -> None:
    """Give an actor an angular velocity [deg/s]; wheels that roll end it in the next step."""
    simulation.episode.find(actor).turning = velocity


@call(FORCES, waits=False)
def enable_actor_constant_velocity(simulation: Simulation, actor: U32, velocity: Vector3D) -> None:
    """Let a vehicle go forward at the x of a velocity in its own axes, whatever the pedals say."""
    simulation.episode.vehicle(actor).constant = velocity


@call(FORCES, waits=False)
def disable_actor_constant_velocity(simulation: Simulation, actor: U32) -> None:
    """End that."""
    simulation.episode.vehicle(actor).constant = None


@call(FORCES, waits=False)
def add_actor_impulse(simulation: Simulation, actor: U32, impulse: Vector3D) -> None:
    """Push an actor [kg m/s]; of a vehicle the part along it counts."""
    _push(simulation, actor, impulse, 1.0)


@call(FORCES, waits=False)
def add_actor_force(simulation: Simulation, actor: U32, force: Vector3D) -> None:
    """Push an actor for the length of one step [N]."""
    _push(simulation, actor, force, simulation.delta)


@call(FORCES, waits=False)
def add_actor_impulse_at_location(simulation: Simulation, actor: U32, impulse: Vector3D, at: Location) -> None:
    """The same as at the centre."""
    _push(simulation, actor, impulse, 1.0)


@call(FORCES, waits=False)
def add_actor_force_at_location(simulation: Simulation, actor: U32, force: Vector3D, at: Location) -> None:
    """The same as at the centre."""
    _push(simulation, actor, force, simulation.delta)


@call(FORCES, waits=False)
def add_actor_angular_impulse(simulation: Simulation, actor: U32, impulse: Vector3D) -> None:
    """Accepted; wheels that do not slide do not spin."""
    simulation.episode.find(actor)


@call(FORCES, waits=False)
def add_actor_torque(simulation: Simulation, actor: U32, torque: Vector3D) -> None:
    """Accepted; wheels that do not slide do not spin."""
    simulation.episode.find(actor)


def _push(simulation: Simulation, actor: int, push: Vector3D, time: float) -> None:
    thing = simulation.episode.find(actor)
    if isinstance(thing, Vehicle):
        share = time / thing.parameters.mass
        thing.push(Vector3D(*(speed + share * part for speed, part in zip(thing.velocity, push))))


@call(PARTS)
def get_actor_component_names(simulation: Simulation, actor: U32) -> list[str]:
    """Names of the parts: one, the body."""
    simulation.episode.find(actor)
    return ["body"]


@call(PARTS)
def get_actor_component_world_transform(simulation: Simulation, actor: U32, name: str) -> PoseRecord:
    """Where a part is in the world."""
    _one_part(name)
    return simulation.episode.find(actor).transform


@call(PARTS)
def get_actor_component_relative_transform(simulation: Simulation, actor: U32, name: str) -> PoseRecord:
    """Where a part is on the actor."""
    simulation.episode.find(actor)
    return _one_part(name)


def _one_part(name: str) -> PoseRecord:
    if name != "body":
        raise CallError(f"there is no component {name[:40]!r}; there is 'body'")
    return PoseRecord()


@call(PARTS)
def get_actor_bone_names(simulation: Simulation, actor: U32) -> list[str]:
    """Names of the bones: none."""
    simulation.episode.find(actor)
    return []


@call(PARTS)
def get_actor_socket_names(simulation: Simulation, actor: U32) -> list[str]:
    """Names of the sockets: none."""
    simulation.episode.find(actor)
    return []


@call("walkers", waits=False)
def apply_control_to_walker(simulation: Simulation, actor: U32, control: WalkerControl) -> None:
    """Let a person walk."""
    thing = simulation.episode.find(actor)
    if not isinstance(thing, Walker):
        raise CallError(f"actor {actor} is a {thing.type_id}, no walker")
    thing.control = control


def applied_walker_state(simulation: Simulation, actor: int, transform: PoseRecord, speed: float) -> None:
    """Put a person somewhere and tell how fast it walks there; its controller in the client moves it."""
    thing = simulation.episode.find(actor)
    if not isinstance(thing, Walker):
        raise CallError(f"actor {actor} is a {thing.type_id}, no walker")
    simulation.episode.put(thing, transform)
    ahead, _, _ = matrix(transform.rotation)
    thing.control = WalkerControl(ahead, 0.0, False)
    thing.velocity = Vector3D(*(speed * part for part in ahead))
