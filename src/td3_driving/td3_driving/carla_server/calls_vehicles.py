# SPDX-License-Identifier: Apache-2.0
"""Calls about vehicles and traffic lights."""

from __future__ import annotations

import math

from td3_driving.carla_server.actors import TrafficLight, Vehicle
from td3_driving.carla_server.lights import UNKNOWN
from td3_driving.carla_server.records import U8, U32, BoundingBox
from td3_driving.carla_server.rpc import CallError, call
from td3_driving.carla_server.simulation import Simulation
from td3_driving.carla_server.surroundings import pole
from td3_driving.carla_server.vehicle_records import (
    AckermannControl,
    AckermannSettings,
    PhysicsControl,
    Telemetry,
    VehicleControl,
    WheelTelemetry,
)

VEHICLES, LIGHTS = "vehicles", "traffic lights"
LONGEST_PHASE = 1e5
"""Longest phase of a traffic light [s]."""


@call(VEHICLES, waits=False)
def apply_control_to_vehicle(simulation: Simulation, actor: U32, control: VehicleControl) -> None:
    """Set pedals and wheel; they hold until the next call."""
    steer_and_pedals(simulation.episode.vehicle(actor), control)


def steer_and_pedals(vehicle: Vehicle, control: VehicleControl) -> None:
    """Take over a command, brought into its range."""
    throttle, brake = (min(max(value, 0.0), 1.0) for value in (control.throttle, control.brake))
    vehicle.goal = None
    vehicle.control = control._replace(throttle=throttle, brake=brake, steer=min(max(control.steer, -1.0), 1.0))


@call(VEHICLES, waits=False)
def apply_ackermann_control_to_vehicle(simulation: Simulation, actor: U32, control: AckermannControl) -> None:
    """Set wheel angle and speed to be reached."""
    simulation.episode.vehicle(actor).goal = control


@call(VEHICLES)
def get_ackermann_controller_settings(simulation: Simulation, actor: U32) -> AckermannSettings:
    """Gains of the Ackermann controller."""
    return simulation.episode.vehicle(actor).gains


@call(VEHICLES, waits=False)
def apply_ackermann_controller_settings(simulation: Simulation, actor: U32, gains: AckermannSettings) -> None:
    """Set them; they are kept and told, the controller here has a gain of its own."""
    simulation.episode.vehicle(actor).gains = gains


@call(VEHICLES)
def get_physics_control(simulation: Simulation, actor: U32) -> PhysicsControl:
    """Physics of a vehicle, with the places of its wheels."""
    return simulation.episode.vehicle(actor).told_physics()


@call(VEHICLES, waits=False)
def apply_physics_control(simulation: Simulation, actor: U32, physics: PhysicsControl) -> None:
    """Set it: mass, wheel angle and steering curve count, the rest is kept and told."""
    simulation.episode.vehicle(actor).obey(physics)


@call(VEHICLES)
def get_telemetry_data(simulation: Simulation, actor: U32) -> Telemetry:
    """Speed and pedals; of the wheels only how fast they turn."""
    vehicle = simulation.episode.vehicle(actor)
    speed, control = vehicle.car.speed, vehicle.control
    wheels = [WheelTelemetry(omega=speed / vehicle.parameters.wheel_radius) for _ in vehicle.physics_control.wheels]
    pedals = (vehicle.car.wheel, control.throttle, control.brake)
    return Telemetry(speed, *pedals, 0.0, control.gear, vehicle.parameters.drag_area, wheels)


@call(VEHICLES)
def get_vehicle_light_state(simulation: Simulation, actor: U32) -> tuple[U32]:
    """Which lamps are on."""
    return (simulation.episode.vehicle(actor).lights,)


@call(VEHICLES)
def get_vehicle_light_states(simulation: Simulation) -> list[tuple[U32, U32]]:
    """Which lamps of which vehicles are on."""
    return [(vehicle.id, vehicle.lights) for vehicle in simulation.episode.vehicles]


@call(VEHICLES, waits=False)
def set_vehicle_light_state(simulation: Simulation, actor: U32, lights: tuple[U32]) -> None:
    """Switch lamps; they are kept and told, not drawn."""
    simulation.episode.vehicle(actor).lights = lights[0]


@call(VEHICLES)
def get_wheel_steer_angle(simulation: Simulation, actor: U32, wheel: U8) -> float:
    """Angle of a front wheel [deg], right positive; 0 for rear wheels."""
    vehicle = simulation.episode.vehicle(actor)
    if wheel in vehicle.steered:
        return vehicle.steered[wheel]
    share = vehicle.car.wheel * vehicle.parameters.steering_limit(vehicle.car.speed)
    return math.degrees(share * vehicle.parameters.max_wheel_angle) if wheel < 2 else 0.0


@call(VEHICLES, waits=False)
def set_wheel_steer_direction(simulation: Simulation, actor: U32, wheel: U8, angle: float) -> None:
    """Show a wheel at an angle [deg]; it is told, and does not steer."""
    simulation.episode.vehicle(actor).steered[wheel] = angle


@call(VEHICLES)
def get_wheel_pitch_angle(simulation: Simulation, actor: U32, wheel: U8) -> float:
    """How far a wheel has turned: 0, wheels are not drawn turning."""
    simulation.episode.vehicle(actor)
    return 0.0


@call(VEHICLES, waits=False)
def set_wheel_pitch_angle(simulation: Simulation, actor: U32, wheel: U8, angle: float) -> None:
    """Accepted; wheels are not drawn turning."""
    simulation.episode.vehicle(actor)


@call(VEHICLES, waits=False)
def open_vehicle_door(simulation: Simulation, actor: U32, door: U8) -> None:
    """Accepted; doors are not drawn."""
    simulation.episode.vehicle(actor)


@call(VEHICLES, waits=False)
def close_vehicle_door(simulation: Simulation, actor: U32, door: U8) -> None:
    """Accepted; doors are not drawn."""
    simulation.episode.vehicle(actor)


@call(VEHICLES, waits=False)
def show_vehicle_debug_telemetry(simulation: Simulation, actor: U32, enabled: bool) -> None:
    """Accepted; there is no window to show it in."""
    simulation.episode.vehicle(actor)


@call(VEHICLES, waits=False)
def set_actor_autopilot(simulation: Simulation, actor: U32, enabled: bool) -> None:
    """Accepted; the traffic manager of the client drives."""
    simulation.episode.vehicle(actor)


def _light(simulation: Simulation, actor: int) -> TrafficLight:
    thing = simulation.episode.find(actor)
    if not isinstance(thing, TrafficLight):
        raise CallError(f"actor {actor} is a {thing.type_id}, no traffic light")
    return thing


@call(LIGHTS, waits=False)
def set_traffic_light_state(simulation: Simulation, actor: U32, state: U8) -> None:
    """Set a light: 0 red, 1 yellow, 2 green, 3 off; the junction goes on from there."""
    light = _light(simulation, actor)
    if state > UNKNOWN:
        raise CallError(f"state {state} of a traffic light is not in 0 .. {UNKNOWN}")
    simulation.episode.lights.group(light).set(light, state)


@call(LIGHTS, waits=False)
def set_traffic_light_green_time(simulation: Simulation, actor: U32, time: float) -> None:
    """How long a light is green [s]."""
    _light(simulation, actor).green = min(max(time, 0.0), LONGEST_PHASE)


@call(LIGHTS, waits=False)
def set_traffic_light_yellow_time(simulation: Simulation, actor: U32, time: float) -> None:
    """How long a light is yellow [s]."""
    _light(simulation, actor).yellow = min(max(time, 0.0), LONGEST_PHASE)


@call(LIGHTS, waits=False)
def set_traffic_light_red_time(simulation: Simulation, actor: U32, time: float) -> None:
    """How long all are red after a light was yellow [s]."""
    _light(simulation, actor).red = min(max(time, 0.0), LONGEST_PHASE)


@call(LIGHTS, waits=False)
def freeze_all_traffic_lights(simulation: Simulation, frozen: bool) -> None:
    """Stop the time of all lights, or let it go on; ``TrafficLight.freeze`` of the library sends this, too."""
    for group in simulation.episode.lights.groups:
        for light in group.lights:
            light.frozen = frozen


@call(LIGHTS, waits=False)
def reset_traffic_light_group(simulation: Simulation, actor: U32) -> None:
    """Begin the turn of a junction anew."""
    simulation.episode.lights.group(_light(simulation, actor)).restart()


@call(LIGHTS)
def reset_all_traffic_lights(simulation: Simulation) -> None:
    """Begin the turns of all junctions anew."""
    simulation.episode.lights.restart()


@call(LIGHTS)
def get_group_traffic_lights(simulation: Simulation, actor: U32) -> list[U32]:
    """All lights of the junction of one."""
    return [light.id for light in _light(simulation, actor).group]


@call(LIGHTS)
def get_light_boxes(simulation: Simulation, actor: U32) -> list[BoundingBox]:
    """Boxes of a light's head: one, on its pole."""
    return [pole(actor, _light(simulation, actor).transform).bounding_box]
