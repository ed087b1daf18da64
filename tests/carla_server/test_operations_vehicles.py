# SPDX-License-Identifier: Apache-2.0
"""Calls about vehicles and traffic lights, and every command of a batch, each against the state of the world."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import carla
import pytest

from .carla_host import Host, of, settled
from .raw_client import Raw

Spawn = Callable[..., Any]
GREEN, YELLOW, RED = carla.TrafficLightState.Green, carla.TrafficLightState.Yellow, carla.TrafficLightState.Red


@pytest.fixture
def lit(client: Any, world: Any) -> Any:
    """The town with lights at its crossing, in synchronous mode."""
    found = client.load_world("lit_town", False)
    found.tick()
    return found


@pytest.mark.operations("apply_control_to_vehicle")
def test_pedals_and_wheel_arrive(host: Host, world: Any, car: Any) -> None:
    car.apply_control(carla.VehicleControl(0.25, -0.5, 0.125, True, True, True, 3))
    settled(host, world)
    assert of(host, car, "control") == [0.25, -0.5, 0.125, True, True, True, 3]
    world.tick()
    told = car.get_control()
    assert (told.throttle, told.steer, told.brake, told.hand_brake, told.gear) == (0.25, -0.5, 0.125, True, 3)


@pytest.mark.operations(
    "apply_ackermann_control_to_vehicle", "get_ackermann_controller_settings", "apply_ackermann_controller_settings"
)
def test_ackermann_goals_and_gains_arrive(host: Host, world: Any, car: Any) -> None:
    car.apply_ackermann_control(carla.VehicleAckermannControl(0.25, 0.5, 4.0, 1.0, 0.5))
    gains = carla.AckermannControllerSettings(speed_kp=0.5, speed_ki=0.25, accel_kd=0.125)
    car.apply_ackermann_controller_settings(gains)
    settled(host, world)
    assert of(host, car, "goal") == [0.25, 0.5, 4.0, 1.0, 0.5]
    assert of(host, car, "gains")[:2] == [0.5, 0.25] and of(host, car, "gains")[5] == 0.125
    assert car.get_ackermann_controller_settings() == gains


@pytest.mark.operations("get_physics_control", "apply_physics_control")
def test_physics_arrive(host: Host, world: Any, car: Any) -> None:
    physics = car.get_physics_control()
    assert physics.mass == pytest.approx(of(host, car, "parameters.mass"))
    physics.mass, wheels = 2500.0, physics.wheels
    for wheel in wheels[:2]:
        wheel.max_steer_angle = 40.0
    physics.wheels = wheels
    car.apply_physics_control(physics)
    settled(host, world)
    assert of(host, car, "parameters.mass") == 2500.0
    assert math.degrees(of(host, car, "parameters.max_wheel_angle")) == pytest.approx(40.0)


@pytest.mark.operations("get_telemetry_data", "get_wheel_steer_angle", "get_wheel_pitch_angle")
def test_telemetry_tells_the_speed_and_the_wheels(host: Host, world: Any, car: Any) -> None:
    car.apply_control(carla.VehicleControl(throttle=1.0, steer=0.5))
    for _ in range(20):
        world.tick()
    told, speed = car.get_telemetry_data(), of(host, car, "car.speed")
    assert told.speed == pytest.approx(speed) and speed > 1.0
    assert told.wheels[0].omega == pytest.approx(speed / of(host, car, "parameters.wheel_radius"), rel=1e-5)
    angle = host.ask(
        f"math.degrees((lambda v: v.car.wheel * v.parameters.steering_limit(v.car.speed) *"
        f" v.parameters.max_wheel_angle)(episode.actors[{car.id}]))"
    )
    assert car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(angle, rel=1e-5)
    assert car.get_wheel_steer_angle(carla.VehicleWheelLocation.BL_Wheel) == 0.0
    assert car.get_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel) == 0.0


@pytest.mark.operations(
    "get_vehicle_light_state",
    "get_vehicle_light_states",
    "set_vehicle_light_state",
    "set_wheel_steer_direction",
    "set_wheel_pitch_angle",
    "open_vehicle_door",
    "close_vehicle_door",
    "show_vehicle_debug_telemetry",
    "use_carsim_road",
    "restore_physx_physics",
)
def test_lamps_are_kept_and_what_cannot_be_seen_changes_nothing(host: Host, world: Any, car: Any) -> None:
    car.set_light_state(carla.VehicleLightState(carla.VehicleLightState.Fog))
    car.set_wheel_steer_direction(carla.VehicleWheelLocation.FR_Wheel, 7.5)
    car.set_wheel_pitch_angle(carla.VehicleWheelLocation.FR_Wheel, 7.5)
    car.open_door(carla.VehicleDoor.All)
    car.close_door(carla.VehicleDoor.All)
    car.show_debug_telemetry(True)
    car.use_carsim_road(True)
    car.restore_physx_physics()
    settled(host, world)
    assert of(host, car, "lights") == int(carla.VehicleLightState.Fog) == int(car.get_light_state())
    assert int(world.get_vehicles_light_states()[car.id]) == of(host, car, "lights")
    assert host.ask(f"episode.actors[{car.id}].steered == {{1: 7.5}}")
    world.tick()
    assert of(host, car, "car.x") == 0.0 == of(host, car, "car.speed")


def test_other_physics_engines_change_nothing(host: Host, world: Any, car: Any) -> None:
    """These calls have no answer that the client looks at; they are not served, and do no harm."""
    car.enable_carsim("")
    car.enable_chrono_physics(5000, 0.002, "", "", "", "")
    world.tick()
    assert of(host, car, "car.x") == 0.0


@pytest.mark.operations("get_group_traffic_lights", "get_light_boxes")
def test_lights_are_those_of_the_map(host: Host, lit: Any) -> None:
    lights = list(lit.get_actors().filter("traffic.traffic_light"))
    assert sorted(light.get_opendrive_id() for light in lights) == ["901", "902", "903", "904"]
    assert {member.id for member in lights[0].get_group_traffic_lights()} == {light.id for light in lights}
    (box,) = lights[0].get_light_boxes()
    place = lights[0].get_location()
    assert (box.location.x, box.location.y) == pytest.approx((place.x, place.y), abs=1e-4)
    assert host.ask("len(episode.lights.groups)") == 1
    assert lit.get_traffic_light_from_opendrive_id("902").id == next(
        light.id for light in lights if light.get_opendrive_id() == "902"
    )


@pytest.mark.operations(
    "set_traffic_light_state",
    "set_traffic_light_green_time",
    "set_traffic_light_yellow_time",
    "set_traffic_light_red_time",
    "freeze_all_traffic_lights",
    "reset_traffic_light_group",
    "reset_all_traffic_lights",
)
def test_lights_take_their_turns(host: Host, lit: Any) -> None:
    """1 s of green, 0.5 s of yellow, 0.5 s of red for all, at 0.05 s a step."""
    lights = [lit.get_actor(number) for number in host.ask("[light.id for light in episode.lights.groups[0].lights]")]
    for light in lights:
        light.set_green_time(1.0)
        light.set_yellow_time(0.5)
        light.set_red_time(0.5)
    lit.reset_all_traffic_lights()
    assert of(host, lights[1], "green") == 1.0 and of(host, lights[1], "red") == 0.5
    seen = []
    for _ in range(2 * 40):
        lit.tick()
        seen.append(tuple(light.get_state() for light in lights[:2]))
    assert seen[10] == (GREEN, RED) and seen[25] == (YELLOW, RED)
    assert seen[35] == (RED, RED) and seen[50] == (RED, GREEN)
    lights[2].set_state(GREEN)
    lit.freeze_all_traffic_lights(True)
    for _ in range(60):
        lit.tick()
    assert of(host, lights[2], "state") == int(GREEN) and of(host, lights[2], "frozen") is True
    assert lights[2].get_state() == GREEN and lights[2].is_frozen()
    lit.freeze_all_traffic_lights(False)
    lights[0].reset_group()
    settled(host, lit)
    assert [of(host, light, "state") for light in lights] == [int(GREEN), int(RED), int(RED), int(RED)]


def test_a_vehicle_before_a_light_is_told_so(host: Host, lit: Any) -> None:
    light = lit.get_traffic_light_from_opendrive_id("901")
    light.set_state(RED)
    lit.freeze_all_traffic_lights(True)
    stop = light.get_affected_lane_waypoints()[0].previous(8.0)[0].transform
    stop.location.z = 0.0
    car = lit.spawn_actor(lit.get_blueprint_library().find("vehicle.tesla.model3"), stop)
    lit.tick()
    assert of(host, car, "light.id") == light.id
    assert car.is_at_traffic_light() and car.get_traffic_light().id == light.id
    assert car.get_traffic_light_state() == RED


@pytest.mark.operations(
    "apply_batch",
    "SpawnActor",
    "ApplyVehicleControl",
    "ApplyTargetVelocity",
    "ApplyTargetAngularVelocity",
    "SetVehicleLightState",
    "ApplyVehiclePhysicsControl",
    "SetSimulatePhysics",
    "SetEnableGravity",
    "ApplyImpulse",
    "ApplyForce",
    "ApplyAngularImpulse",
    "ApplyTorque",
)
def test_commands_for_vehicles_do_what_the_calls_do(host: Host, client: Any, world: Any, spawned: Spawn) -> None:
    command, mass = carla.command, 1845.0
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    (answer,) = client.apply_batch_sync([command.SpawnActor(blueprint, carla.Transform())], True)
    world.tick()
    one = world.get_actor(answer.actor_id)
    physics = one.get_physics_control()
    physics.mass = mass
    nothing = carla.Vector3D()
    lamps = carla.VehicleLightState(carla.VehicleLightState.Reverse)
    batch = [
        command.ApplyVehiclePhysicsControl(one, physics),
        command.ApplyTargetVelocity(one, carla.Vector3D(3.0, 0.0, 0.0)),
        command.ApplyImpulse(one, carla.Vector3D(mass, 0.0, 0.0)),
        command.ApplyForce(one, carla.Vector3D(20.0 * mass, 0.0, 0.0)),
        command.ApplyAngularImpulse(one, nothing),
        command.ApplyTorque(one, nothing),
        command.ApplyTargetAngularVelocity(one, carla.Vector3D(0.0, 0.0, 4.0)),
        command.ApplyVehicleControl(one, carla.VehicleControl(brake=0.5)),
        command.SetVehicleLightState(one.id, lamps),
        command.SetEnableGravity(one, False),
        command.SetSimulatePhysics(one, False),
    ]
    assert [answer.error for answer in client.apply_batch_sync(batch, False)] == [""] * len(batch)
    assert of(host, one, "car.speed") == pytest.approx(5.0, abs=1e-3)
    assert of(host, one, "turning") == [0.0, 0.0, 4.0] and of(host, one, "control.brake") == 0.5
    assert of(host, one, "lights") == int(lamps)
    assert of(host, one, "gravity") is False and of(host, one, "physics") is False


@pytest.mark.operations(
    "ApplyVehicleAckermannControl", "ApplyWalkerControl", "ApplyWalkerState", "ApplyTransform", "DestroyActor"
)
def test_commands_that_move_do_what_the_calls_do(host: Host, client: Any, car: Any, spawned: Spawn) -> None:
    command = carla.command
    walker = spawned("walker.pedestrian.0001", carla.Transform(carla.Location(20.0, 0.0, 1.0)))
    there = carla.Transform(carla.Location(30.0, 2.0, 1.0), carla.Rotation(yaw=90.0))
    goal = carla.VehicleAckermannControl(speed=2.0)
    batch = [
        command.ApplyVehicleAckermannControl(car, goal),
        command.ApplyTransform(car, carla.Transform(carla.Location(5.0, 6.0, 0.0))),
        command.ApplyWalkerControl(walker, carla.WalkerControl(carla.Vector3D(1.0, 0.0, 0.0), 1.25, False)),
    ]
    assert not any(answer.error for answer in client.apply_batch_sync(batch, False))
    assert of(host, car, "goal.speed") == 2.0 and of(host, car, "car.y") == pytest.approx(-6.0)
    assert of(host, walker, "control.speed") == 1.25
    assert not client.apply_batch_sync([command.ApplyWalkerState(walker, there, 1.5)], False)[0].error
    assert of(host, walker, "transform.location") == pytest.approx([30.0, 2.0, 1.0])
    assert of(host, walker, "velocity") == pytest.approx([0.0, 1.5, 0.0], abs=1e-6)
    assert not client.apply_batch_sync([command.DestroyActor(walker)], False)[0].error
    assert host.ask(f"{walker.id} in episode.actors") is False


@pytest.mark.operations("SetAutopilot", "ShowDebugTelemetry", "ApplyLocation", "SetTrafficLightState")
def test_commands_that_the_library_does_not_send_do_what_the_calls_do(host: Host, lit: Any, raw: Raw) -> None:
    light = lit.get_traffic_light_from_opendrive_id("903")
    car = lit.spawn_actor(lit.get_blueprint_library().find("vehicle.tesla.model3"), carla.Transform())
    batch = [[16, [car.id, True]], [17, [car.id, True]], [19, [car.id, [9.0, 8.0, 0.0]]], [21, [light.id, 2]]]
    answers = raw.call("apply_batch", [[entry] for entry in batch], False)
    assert answers == [[[1, car.id]]] * 3 + [[[1, light.id]]]
    assert of(host, car, "car.y") == pytest.approx(-8.0) and of(host, light, "state") == int(GREEN)
    ((kind, (said,)),) = raw.call("apply_batch", [[[20, ["quit"]]]], False)[0]
    assert kind == 0 and "no command 20" in said
