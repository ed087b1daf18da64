# SPDX-License-Identifier: Apache-2.0
"""Actors by the genuine client, against what the server's world says in the map frame (x, -y, -yaw)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import carla
import pytest

from td3_driving.carla_server.blueprints import NOT_SERVED

from .carla_host import Host

CLOSE = 1e-4
"""Both sides of the wire agree to this [m], [deg], [m/s]; 32 bits carry no more."""
Spawn = Callable[..., Any]


def in_map(host: Host, actor: Any) -> list[float]:
    """x, y [m], heading [rad], speed [m/s] of a vehicle, as the embedded world has it."""
    car = f"episode.actors[{actor.id}].car"
    return list(host.ask(f"[{car}.x, {car}.y, {car}.yaw, {car}.speed]"))


def agree(host: Host, actor: Any) -> None:
    """What the client sees is what the world is, mirrored: y and angles change their sign."""
    x, y, yaw, speed = in_map(host, actor)
    pose, velocity = actor.get_transform(), actor.get_velocity()
    assert pose.location.x == pytest.approx(x, abs=CLOSE) and pose.location.y == pytest.approx(-y, abs=CLOSE)
    turned = math.remainder(math.radians(pose.rotation.yaw) + yaw, 2.0 * math.pi)
    assert math.degrees(turned) == pytest.approx(0.0, abs=CLOSE)
    ahead = pose.get_forward_vector()
    assert velocity.dot(ahead) == pytest.approx(speed, abs=2.0 * CLOSE)


def test_every_blueprint_but_those_that_are_not_served_can_be_spawned(world: Any) -> None:
    high = carla.Transform(carla.Location(0.0, 0.0, 0.0))
    for index, blueprint in enumerate(world.get_blueprint_library()):
        if blueprint.id in NOT_SERVED:
            with pytest.raises(RuntimeError, match=f"{blueprint.id} is not served: {NOT_SERVED[blueprint.id]}"):
                world.spawn_actor(blueprint, high)
            continue
        high.location.z = 100.0 + 10.0 * index
        actor = world.spawn_actor(blueprint, high)
        assert actor.type_id == blueprint.id


def test_a_place_that_is_taken_is_refused(world: Any, spawned: Spawn) -> None:
    spawned("vehicle.tesla.model3", 0)
    point = world.get_map().get_spawn_points()[0]
    blueprint = world.get_blueprint_library().find("vehicle.audi.tt")
    with pytest.raises(RuntimeError, match="collision at spawn position"):
        world.spawn_actor(blueprint, point)
    assert world.try_spawn_actor(blueprint, point) is None


def test_attributes_and_the_box_come_back(host: Host, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0, role_name="hero", color="1,2,3")
    assert car.attributes["role_name"] == "hero" and car.attributes["color"] == "1,2,3"
    assert car.attributes["number_of_wheels"] == "4"
    assert 2.0 * car.bounding_box.extent.x == pytest.approx(host.ask(f"episode.actors[{car.id}].body.length"))
    assert car.bounding_box.location.z == pytest.approx(car.bounding_box.extent.z)
    assert 14 in car.semantic_tags


def test_a_destroyed_actor_is_gone_and_what_hung_on_it_stays(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    sensor = spawned("sensor.other.gnss", carla.Transform(carla.Location(z=2.0)), car)
    place = sensor.get_location()
    assert car.destroy() and not host.ask("len(episode.vehicles)") and host.ask("len(episode.sensors)") == 1
    world.tick()
    assert not world.get_actors().filter("vehicle.*") and sensor.get_location().distance(place) < CLOSE
    assert sensor.destroy() and not host.ask("len(episode.sensors)")


@pytest.mark.parametrize("place", [0, 7, 20])
def test_a_driven_vehicle_is_where_the_world_says(host: Host, world: Any, spawned: Spawn, place: int) -> None:
    car = spawned("vehicle.tesla.model3", place)
    agree(host, car)
    car.apply_control(carla.VehicleControl(throttle=0.8, steer=0.3))
    for _ in range(40):
        world.tick()
    agree(host, car)
    assert in_map(host, car)[3] > 2.0
    # To the right: the heading in the map frame falls, CARLA's yaw grows.
    assert host.ask(f"episode.actors[{car.id}].car.yaw_rate") < 0.0 < car.get_angular_velocity().z
    rate = -math.degrees(host.ask(f"episode.actors[{car.id}].car.yaw_rate"))
    assert car.get_angular_velocity().z == pytest.approx(rate, abs=1e-3)
    assert car.get_control().throttle == pytest.approx(0.8)


def test_acceleration_is_the_change_of_velocity(world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    car.apply_control(carla.VehicleControl(throttle=0.5))
    for _ in range(20):
        world.tick()
    before = car.get_velocity()
    world.tick()
    change = (car.get_velocity() - before) / 0.05
    assert change.x == pytest.approx(car.get_acceleration().x, abs=1e-3)
    assert change.y == pytest.approx(car.get_acceleration().y, abs=1e-3)


def test_a_teleported_vehicle_stands_where_it_was_put(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    goal = carla.Transform(carla.Location(12.5, -30.25, 0.0), carla.Rotation(yaw=133.0))
    car.set_transform(goal)
    world.tick()
    found = car.get_transform()
    assert found.location.distance(goal.location) < CLOSE
    assert found.rotation.yaw == pytest.approx(133.0, abs=CLOSE)
    assert in_map(host, car)[:2] == pytest.approx([12.5, 30.25], abs=CLOSE)
    car.set_location(carla.Location(1.0, 2.0, 0.0))
    world.tick()
    assert car.get_location().distance(carla.Location(1.0, 2.0, 0.0)) < CLOSE
    assert car.get_transform().rotation.yaw == pytest.approx(133.0, abs=CLOSE)


def test_velocities_that_are_set_count_along_the_vehicle(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(0.0, 0.0, 0.0), carla.Rotation(yaw=90.0)))
    car.set_target_velocity(carla.Vector3D(3.0, 4.0, 0.0))
    assert host.ask("1") == 1
    world.tick()
    assert in_map(host, car)[3] == pytest.approx(4.0, abs=0.05)
    assert car.get_velocity().y == pytest.approx(4.0, abs=0.05) and abs(car.get_velocity().x) < CLOSE
    car.set_target_velocity(carla.Vector3D())
    world.tick()
    assert car.get_velocity().length() == 0.0
    car.add_impulse(carla.Vector3D(0.0, 1845.0, 0.0))
    world.tick()
    assert car.get_velocity().y == pytest.approx(1.0, abs=0.05)


def test_a_constant_velocity_holds_until_it_is_ended(world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    car.enable_constant_velocity(carla.Vector3D(6.0, 0.0, 0.0))
    start = car.get_location()
    for _ in range(20):
        world.tick()
    assert car.get_velocity().length() == pytest.approx(6.0, abs=0.01)
    assert car.get_location().distance(start) == pytest.approx(6.0, rel=0.05)
    car.disable_constant_velocity()
    car.apply_control(carla.VehicleControl(brake=1.0))
    for _ in range(20):
        world.tick()
    assert car.get_velocity().length() == 0.0


def test_without_physics_a_vehicle_stays(world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    car.set_simulate_physics(False)
    start = car.get_location()
    car.apply_control(carla.VehicleControl(throttle=1.0))
    for _ in range(10):
        world.tick()
    assert car.get_location().distance(start) < CLOSE


def test_physics_control_comes_back_and_counts(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    physics = car.get_physics_control()
    assert physics.mass == pytest.approx(1845.0) and len(physics.wheels) == 4
    front, rear = physics.wheels[0].position, physics.wheels[2].position
    assert math.hypot(front.x - rear.x, front.y - rear.y) / 100.0 == pytest.approx(2.875, abs=1e-3)
    physics.mass = 3000.0
    car.apply_physics_control(physics)
    world.tick()
    assert car.get_physics_control().mass == pytest.approx(3000.0)
    assert host.ask(f"episode.actors[{car.id}].parameters.mass") == pytest.approx(3000.0)


def test_ackermann_control_reaches_its_speed(world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=5.0))
    for _ in range(200):
        world.tick()
    assert car.get_velocity().length() == pytest.approx(5.0, abs=0.5)


def test_lamps_doors_and_telemetry(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    car.set_light_state(carla.VehicleLightState(carla.VehicleLightState.Brake | carla.VehicleLightState.LowBeam))
    car.open_door(carla.VehicleDoor.FL)
    car.set_wheel_steer_direction(carla.VehicleWheelLocation.FL_Wheel, 12.0)
    world.tick()
    assert car.get_light_state() == carla.VehicleLightState.Brake | carla.VehicleLightState.LowBeam
    assert host.ask(f"episode.actors[{car.id}].lights") == int(car.get_light_state())
    assert car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(12.0)
    assert len(car.get_telemetry_data().wheels) == 4


def test_the_spectator_goes_where_it_is_put(host: Host, world: Any) -> None:
    pose = carla.Transform(carla.Location(1.0, 2.0, 30.0), carla.Rotation(-80.0, 45.0, 0.0))
    world.get_spectator().set_transform(pose)
    world.tick()
    assert world.get_spectator().get_transform().location.distance(pose.location) < CLOSE
    assert host.ask("list(episode.spectator.transform.rotation)") == pytest.approx([-80.0, 45.0, 0.0])


def test_what_hangs_on_a_vehicle_goes_along(world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(5.0, 6.0, 0.0), carla.Rotation(yaw=30.0)))
    mount = carla.Transform(carla.Location(1.0, -2.0, 3.0), carla.Rotation(10.0, 20.0, 0.0))
    sensor = spawned("sensor.camera.rgb", mount, car)
    car.apply_control(carla.VehicleControl(throttle=1.0, steer=-0.5))
    for _ in range(30):
        world.tick()
    body, found = car.get_transform(), sensor.get_transform()
    assert sensor.parent.id == car.id
    assert found.location.distance(body.transform(mount.location)) < 2.0 * CLOSE
    assert math.remainder(found.rotation.yaw - body.rotation.yaw, 360.0) == pytest.approx(20.0, abs=1e-3)
    assert found.rotation.pitch == pytest.approx(10.0, abs=1e-3)


def test_a_walker_walks_where_it_is_told(world: Any, spawned: Spawn) -> None:
    walker = spawned("walker.pedestrian.0001", carla.Transform(carla.Location(0.0, 0.0, 1.0)))
    walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, 1.0, 0.0), 1.5, False))
    for _ in range(20):
        world.tick()
    assert walker.get_location().y == pytest.approx(1.5, abs=0.08)
    assert walker.get_velocity().y == pytest.approx(1.5, abs=CLOSE)


def test_a_batch_answers_for_each_command(host: Host, client: Any, world: Any) -> None:
    library, points = world.get_blueprint_library(), world.get_map().get_spawn_points()
    spawn = carla.command.SpawnActor
    car, lamps = library.find("vehicle.tesla.model3"), carla.VehicleLightState(carla.VehicleLightState.Fog)
    after = carla.command.SetVehicleLightState(carla.command.FutureActor, lamps)
    batch = [spawn(car, points[0]), spawn(car, points[0]), spawn(car, points[5]).then(after)]
    first, second, third = client.apply_batch_sync(batch, True)
    assert not first.error and "collision" in second.error and not third.error
    assert host.ask(f"episode.actors[{third.actor_id}].lights") == int(lamps)
    world.tick()
    control = carla.VehicleControl(throttle=0.25)
    batch = [
        carla.command.ApplyVehicleControl(first.actor_id, control),
        carla.command.ApplyTargetVelocity(third.actor_id, carla.Vector3D()),
        carla.command.DestroyActor(third.actor_id),
        carla.command.DestroyActor(987654),
    ]
    answers = client.apply_batch_sync(batch, False)
    assert [bool(answer.error) for answer in answers] == [False, False, False, True]
    assert host.ask(f"episode.actors[{first.actor_id}].control.throttle") == pytest.approx(0.25)
    assert host.ask("len(episode.vehicles)") == 1
