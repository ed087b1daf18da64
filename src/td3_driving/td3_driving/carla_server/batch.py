# SPDX-License-Identifier: Apache-2.0
"""Many commands in one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from td3_driving.carla_server import calls_actors, calls_vehicles
from td3_driving.carla_server.calls_actors import applied_walker_state
from td3_driving.carla_server.decoding import Decoder, WireError, decoder
from td3_driving.carla_server.records import (
    U32,
    ActorDescription,
    BatchCommand,
    Location,
    MaybeId,
    PoseRecord,
    Vector3D,
)
from td3_driving.carla_server.rpc import CallError, call
from td3_driving.carla_server.simulation import Simulation
from td3_driving.carla_server.vehicle_records import AckermannControl, PhysicsControl, VehicleControl, WalkerControl

SPAWN = 0
MOST_AFTER = 64
"""Commands that may follow a spawn in the batch."""


class CommandKind(NamedTuple):
    """A kind of command: its name, its fields after the actor's id, and the function that runs it."""

    name: str
    kinds: tuple[Any, ...]
    run: Callable[..., Any]

    def decoders(self) -> list[Decoder]:
        """Decoders of the fields, the id first."""
        return [decoder(U32), *(decoder(kind) for kind in self.kinds)]


def _lamps(simulation: Simulation, actor: int, flags: int) -> None:
    calls_vehicles.set_vehicle_light_state(simulation, actor, (flags,))


ORDERS: dict[int, CommandKind] = {
    1: CommandKind("DestroyActor", (), calls_actors.destroy_actor),
    2: CommandKind("ApplyVehicleControl", (VehicleControl,), calls_vehicles.apply_control_to_vehicle),
    3: CommandKind(
        "ApplyVehicleAckermannControl", (AckermannControl,), calls_vehicles.apply_ackermann_control_to_vehicle
    ),
    4: CommandKind("ApplyWalkerControl", (WalkerControl,), calls_actors.apply_control_to_walker),
    5: CommandKind("ApplyVehiclePhysicsControl", (PhysicsControl,), calls_vehicles.apply_physics_control),
    6: CommandKind("ApplyTransform", (PoseRecord,), calls_actors.set_actor_transform),
    7: CommandKind("ApplyWalkerState", (PoseRecord, float), applied_walker_state),
    8: CommandKind("ApplyTargetVelocity", (Vector3D,), calls_actors.set_actor_target_velocity),
    9: CommandKind("ApplyTargetAngularVelocity", (Vector3D,), calls_actors.set_actor_target_angular_velocity),
    10: CommandKind("ApplyImpulse", (Vector3D,), calls_actors.add_actor_impulse),
    11: CommandKind("ApplyForce", (Vector3D,), calls_actors.add_actor_force),
    12: CommandKind("ApplyAngularImpulse", (Vector3D,), calls_actors.add_actor_angular_impulse),
    13: CommandKind("ApplyTorque", (Vector3D,), calls_actors.add_actor_torque),
    14: CommandKind("SetSimulatePhysics", (bool,), calls_actors.set_actor_simulate_physics),
    15: CommandKind("SetEnableGravity", (bool,), calls_actors.set_actor_enable_gravity),
    16: CommandKind("SetAutopilot", (bool,), calls_vehicles.set_actor_autopilot),
    17: CommandKind("ShowDebugTelemetry", (bool,), calls_vehicles.show_vehicle_debug_telemetry),
    18: CommandKind("SetVehicleLightState", (U32,), _lamps),
    19: CommandKind("ApplyLocation", (Location,), calls_actors.set_actor_location),
    21: CommandKind("SetTrafficLightState", (U32,), calls_vehicles.set_traffic_light_state),
}
"""Every command of a batch but SpawnActor (0), by its number; ConsoleCommand (20) is refused."""
DECODERS = {number: order.decoders() for number, order in ORDERS.items()}
DESCRIPTION, POSE, PARENT = decoder(ActorDescription), decoder(PoseRecord), decoder(MaybeId)
COMMANDS = decoder(list[BatchCommand])


@call("batches", bare=True)
def apply_batch(simulation: Simulation, commands: list[BatchCommand], tick: bool = False) -> list[Any]:
    """Carry out commands one after the other; the id of each actor, or what was wrong."""
    answers = [_carried_out(simulation, *entry.command) for entry in commands]
    if tick:
        simulation.cue()
    return answers


def _carried_out(simulation: Simulation, number: int, fields: list[Any]) -> Any:
    try:
        if number == SPAWN:
            return ((1, _spawned(simulation, fields)),)
        return ((1, _ordered(simulation, number, fields, None)),)
    except (CallError, WireError) as error:
        return ((0, (str(error),)),)


def _ordered(simulation: Simulation, number: int, fields: list[Any], instead: int | None) -> int:
    """Carry out one command, for the actor ``instead`` where it is given; the id of the actor."""
    order = ORDERS.get(number)
    if order is None:
        raise CallError(f"this server has no command {number} in a batch")
    decoders = DECODERS[number]
    if type(fields) is not list or len(fields) < len(decoders):
        raise WireError(f"{order.name} takes {len(decoders)} fields")
    actor, *rest = (decode(value) for decode, value in zip(decoders, fields))
    chosen: int = actor if instead is None else instead
    order.run(simulation, chosen, *rest)
    return chosen


def _spawned(simulation: Simulation, fields: list[Any]) -> int:
    """Spawn, and carry out what shall follow for the new actor. The attachment is not set by clients, and not read."""
    if type(fields) is not list or len(fields) < 4:
        raise WireError("SpawnActor takes 6 fields")
    description, transform, parent = DESCRIPTION(fields[0]), POSE(fields[1]), PARENT(fields[2])
    thing = simulation.spawn(description, transform, parent[1] if parent[0] else 0)
    after = COMMANDS(fields[-1])
    for entry in after[:MOST_AFTER]:
        number, given = entry.command
        _ordered(simulation, number, given, thing.id)
    return thing.id
