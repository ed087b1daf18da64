# SPDX-License-Identifier: Apache-2.0
"""Calls about actors that the genuine client sends, each against the state of the server's world."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import carla
import pytest

from .carla_host import Host, of, settled
from .raw_client import Raw

Spawn = Callable[..., Any]
CLOSE = 1e-4
MASS = 1845.0
"""Of the Model 3 [kg]."""


@pytest.mark.operations("get_actor_definitions")
def test_the_library_is_that_of_the_server(world: Any) -> None:
    from td3_driving.carla_server.blueprints import library

    told = {blueprint.id: {attribute.id for attribute in blueprint} for blueprint in world.get_blueprint_library()}
    assert told.keys() == library().keys()
    for name, definition in library().items():
        assert told[name] == {attribute.name for attribute in definition.attributes}


@pytest.mark.operations("get_actors_by_id")
def test_actors_are_asked_for_by_id_and_unknown_ones_are_left_out(host: Host, world: Any, car: Any) -> None:
    fresh = carla.Client("127.0.0.1", host.port)
    fresh.set_timeout(60.0)
    found = fresh.get_world().get_actors([car.id, 987654])
    assert [actor.type_id for actor in found] == [of(host, car, "type_id")] == ["vehicle.tesla.model3"]


@pytest.mark.operations("spawn_actor_with_parent", "get_actor_bounding_box")
def test_what_is_spawned_on_a_vehicle_hangs_on_it(host: Host, world: Any, car: Any, spawned: Spawn) -> None:
    eye = spawned("sensor.camera.rgb", carla.Transform(carla.Location(1.0, 2.0, 3.0)), car)
    assert of(host, eye, "parent.id") == car.id == eye.parent.id
    assert of(host, eye, "mount.location") == pytest.approx([1.0, 2.0, 3.0])
    assert car.bounding_box.extent.y == pytest.approx(of(host, car, "box.extent.y"))


@pytest.mark.operations("set_actor_collisions")
@pytest.mark.parametrize("touches", [True, False])
def test_who_has_no_collisions_is_driven_through(
    host: Host, world: Any, car: Any, spawned: Spawn, touches: bool
) -> None:
    """The other stands 6 m ahead; at 10 m/s the car is past it within 3 s, unless it stops at it."""
    other = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(x=6.0)))
    other.set_collisions(touches)
    assert of(host, other, "collides") is touches
    car.enable_constant_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    for _ in range(60):
        world.tick()
    length = of(host, car, "body.length")
    assert of(host, car, "car.x") < 6.0 - length + 0.6 if touches else of(host, car, "car.x") > 20.0


@pytest.mark.operations("set_actor_enable_gravity")
def test_without_gravity_a_vehicle_stays_in_the_air(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(z=50.0)))
    car.set_enable_gravity(False)
    world.tick()
    height = of(host, car, "height")
    for _ in range(5):
        world.tick()
    assert of(host, car, "height") == height > 45.0 and car.get_location().z == pytest.approx(height, abs=CLOSE)
    car.set_enable_gravity(True)
    for _ in range(100):
        world.tick()
    assert of(host, car, "height") == 0.0 == car.get_location().z


@pytest.mark.operations("set_actor_simulate_physics", "set_actor_location", "set_actor_transform")
def test_who_is_moved_by_hand_is_there(host: Host, world: Any, car: Any) -> None:
    car.set_simulate_physics(False)
    assert of(host, car, "physics") is False
    car.set_transform(carla.Transform(carla.Location(3.0, 4.0), carla.Rotation(yaw=90.0)))
    settled(host, world)
    assert of(host, car, "car.y") == pytest.approx(-4.0) and of(host, car, "car.yaw") == pytest.approx(-math.pi / 2.0)
    car.set_location(carla.Location(-7.0, 8.0, 0.0))
    settled(host, world)
    assert of(host, car, "car.x") == pytest.approx(-7.0) and of(host, car, "car.yaw") == pytest.approx(-math.pi / 2.0)


@pytest.mark.operations("set_actor_dead", "set_actor_autopilot")
def test_the_dead_do_not_drive(host: Host, world: Any, car: Any, raw: Raw) -> None:
    assert raw.call("set_actor_autopilot", car.id, True) == [[False]]
    assert raw.call("set_actor_dead", car.id) == [[False]]
    assert of(host, car, "physics") is False
    car.apply_control(carla.VehicleControl(throttle=1.0))
    for _ in range(10):
        world.tick()
    assert car.get_location().x == pytest.approx(0.0, abs=CLOSE)


@pytest.mark.operations("set_actor_target_angular_velocity")
def test_an_angular_velocity_is_taken_over(host: Host, world: Any, car: Any) -> None:
    car.set_target_angular_velocity(carla.Vector3D(0.0, 0.0, 20.0))
    settled(host, world)
    assert of(host, car, "turning") == [0.0, 0.0, 20.0]


@pytest.mark.operations("add_actor_force", "add_actor_impulse", "set_actor_target_velocity")
def test_pushes_change_the_speed_by_what_they_weigh(host: Host, world: Any, car: Any) -> None:
    """A force acts for one step of 0.05 s: 20 m/s² make 1 m/s, as an impulse of one second's metre does."""
    car.set_target_velocity(carla.Vector3D(5.0, 0.0, 0.0))
    settled(host, world)
    assert of(host, car, "car.speed") == pytest.approx(5.0)
    car.add_force(carla.Vector3D(20.0 * MASS, 0.0, 0.0))
    settled(host, world)
    assert of(host, car, "car.speed") == pytest.approx(6.0, abs=1e-3)
    car.add_impulse(carla.Vector3D(-2.0 * MASS, 0.0, 0.0))
    settled(host, world)
    assert of(host, car, "car.speed") == pytest.approx(4.0, abs=1e-3)


@pytest.mark.operations("add_actor_impulse_at_location", "add_actor_force_at_location")
def test_pushes_at_a_place_count_as_at_the_centre(host: Host, car: Any, raw: Raw) -> None:
    assert raw.call("add_actor_impulse_at_location", car.id, [MASS, 0.0, 0.0], [1.0, 1.0, 0.0]) == [[False]]
    assert raw.call("add_actor_force_at_location", car.id, [20.0 * MASS, 0.0, 0.0], [0.0, 0.0, 0.0]) == [[False]]
    assert of(host, car, "car.speed") == pytest.approx(2.0, abs=1e-3)


@pytest.mark.operations("add_actor_angular_impulse", "add_actor_torque")
def test_wheels_that_do_not_slide_do_not_spin(host: Host, world: Any, car: Any, raw: Raw) -> None:
    car.add_angular_impulse(carla.Vector3D(0.0, 0.0, 9e3))
    car.add_torque(carla.Vector3D(0.0, 0.0, 9e5))
    assert raw.call("add_actor_torque", car.id, [0.0, 0.0, 9e5]) == [[False]]
    world.tick()
    assert of(host, car, "car.yaw") == 0.0 and car.get_transform().rotation.yaw == 0.0


@pytest.mark.operations("enable_actor_constant_velocity", "disable_actor_constant_velocity")
def test_a_constant_velocity_is_kept_and_forgotten(host: Host, world: Any, car: Any) -> None:
    car.enable_constant_velocity(carla.Vector3D(6.0, 0.0, 0.0))
    settled(host, world)
    assert of(host, car, "constant") == [6.0, 0.0, 0.0]
    car.disable_constant_velocity()
    settled(host, world)
    assert of(host, car, "constant") is None


@pytest.mark.operations(
    "get_actor_component_names",
    "get_actor_component_world_transform",
    "get_actor_component_relative_transform",
    "get_actor_bone_names",
    "get_actor_socket_names",
)
def test_an_actor_is_one_part_without_bones(host: Host, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(3.0, -4.0, 0.0), carla.Rotation(yaw=30.0)))
    assert list(car.get_component_names()) == ["body"]
    part = car.get_component_world_transform("body")
    assert [part.location.x, part.location.y] == pytest.approx([of(host, car, "car.x"), -of(host, car, "car.y")])
    assert part.rotation.yaw == pytest.approx(30.0, abs=CLOSE)
    assert car.get_component_relative_transform("body").location.length() == 0.0
    assert list(car.get_bone_names()) == [] == list(car.get_socket_names())
    with pytest.raises(RuntimeError, match="no component 'wheel'; there is 'body'"):
        car.get_component_world_transform("wheel")


@pytest.mark.operations("apply_control_to_walker")
def test_a_persons_control_is_taken_over(host: Host, world: Any, spawned: Spawn) -> None:
    walker = spawned("walker.pedestrian.0001", carla.Transform(carla.Location(0.0, 0.0, 1.0)))
    walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, 1.0, 0.0), 1.5, True))
    settled(host, world)
    assert of(host, walker, "control.speed") == 1.5 and of(host, walker, "control.jump") is True
    assert of(host, walker, "control.direction") == [0.0, 1.0, 0.0]


@pytest.mark.operations("destroy_actor")
def test_who_is_not_there_cannot_be_destroyed(host: Host, car: Any, raw: Raw) -> None:
    assert car.destroy() is True and host.ask(f"{car.id} in episode.actors") is False
    assert raw.call("destroy_actor", 987654)[0][0] == 0


UNSERVED = {
    "get_actor_bone_world_transforms": lambda car: car.get_bone_world_transforms(),
    "get_actor_bone_relative_transforms": lambda car: car.get_bone_relative_transforms(),
    "get_actor_socket_world_transforms": lambda car: car.get_socket_world_transforms(),
    "get_actor_socket_relative_transforms": lambda car: car.get_socket_relative_transforms(),
    "get_vehicle_bone_world_transforms": lambda car: car.get_vehicle_bone_world_transforms(),
}


@pytest.mark.parametrize("name", sorted(UNSERVED))
def test_calls_about_bones_are_refused_by_name(car: Any, name: str) -> None:
    with pytest.raises(RuntimeError, match=f"no method '{name}'"):
        UNSERVED[name](car)


def test_the_pose_of_a_person_is_refused_by_name(spawned: Spawn) -> None:
    walker = spawned("walker.pedestrian.0001", carla.Transform(carla.Location(0.0, 0.0, 1.0)))
    with pytest.raises(RuntimeError, match="no method 'get_bones_transform'"):
        walker.get_bones()
