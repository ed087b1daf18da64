# SPDX-License-Identifier: Apache-2.0
"""Sensors by the genuine client, against numbers that follow from the scene."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import carla
import numpy as np
import pytest

from .carla_host import Ear, Host

Spawn, Listen = Callable[..., Any], Callable[[Any], Ear]
AHEAD = 12.0
"""How far before the ego another vehicle stands, from middle to middle [m]."""
EYE = carla.Transform(carla.Location(2.0, 0.0, 2.0))
SIZE = {"image_size_x": 320, "image_size_y": 180}


@pytest.fixture
def pair(world: Any, spawned: Spawn) -> tuple[Any, Any]:
    """An ego, and an ambulance before it, on a straight road."""
    ego = spawned("vehicle.tesla.model3", 0)
    pose = ego.get_transform()
    place = carla.Transform(pose.transform(carla.Location(AHEAD, 0.0, 0.0)), pose.rotation)
    other = spawned("vehicle.ford.ambulance", place)
    for _ in range(10):
        world.tick()
    return ego, other


def pixels(image: Any) -> np.ndarray:
    """(height, width, 4) blue, green, red, alpha."""
    return np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)


def metres(image: Any) -> np.ndarray:
    """(height, width) of CARLA's code for depth [m]."""
    code = pixels(image).astype(np.int64)
    return (code[..., 2] + 256 * code[..., 1] + 65536 * code[..., 0]) / (2**24 - 1) * 1000.0


def image_point(sensor: Any, image: Any, place: Any) -> tuple[float, float, float]:
    """Column, row and depth [m] of a place in the world, by the client's own matrices."""
    ahead, right, up, _ = np.array(sensor.get_transform().get_inverse_matrix()) @ (place.x, place.y, place.z, 1.0)
    focal = image.width / (2.0 * math.tan(math.radians(image.fov) / 2.0))
    return image.width / 2.0 + focal * right / ahead, image.height / 2.0 - focal * up / ahead, ahead


TURNED = carla.Transform(carla.Location(1.0, 3.0, 2.5), carla.Rotation(-4.0, -12.0, 7.0))


@pytest.mark.parametrize("mount", [EYE, TURNED])
def test_labels_and_depth_are_where_the_clients_matrices_put_the_vehicle(
    world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any], mount: Any
) -> None:
    ego, other = pair
    ears = [listen(spawned(f"sensor.camera.{kind}", mount, ego, **SIZE)) for kind in ("semantic_segmentation", "depth")]
    frame = world.tick()
    labels, depth = (ear.of(frame) for ear in ears)
    corners = [other.get_transform().transform(corner) for corner in _rear(other)]
    column, row, ahead = (
        float(np.mean(part)) for part in zip(*(image_point(ears[0].sensor, labels, corner) for corner in corners))
    )
    assert pixels(labels)[round(row), round(column), 2] == 14
    assert metres(depth)[round(row), round(column)] == pytest.approx(ahead, abs=0.15)
    rows, columns = np.nonzero(pixels(labels)[..., 2] == 14)
    box = [other.get_transform().transform(corner) for corner in _corners(other)]
    reach = np.array([image_point(ears[0].sensor, labels, corner)[:2] for corner in box])
    assert columns.min() == pytest.approx(reach[:, 0].min(), abs=4.0)
    assert columns.max() == pytest.approx(reach[:, 0].max(), abs=4.0)
    assert rows.min() == pytest.approx(reach[:, 1].min(), abs=4.0)


def _rear(vehicle: Any) -> list[Any]:
    extent = vehicle.bounding_box.extent
    return [carla.Location(-extent.x, side * extent.y, extent.z) for side in (-0.5, 0.5)]


def _corners(vehicle: Any) -> list[Any]:
    extent, signs = vehicle.bounding_box.extent, (-1.0, 1.0)
    return [
        carla.Location(x * extent.x, y * extent.y, (1.0 + z) * extent.z) for x in signs for y in signs for z in signs
    ]


def test_instances_carry_the_number_of_the_actor(
    world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]
) -> None:
    ear = listen(spawned("sensor.camera.instance_segmentation", EYE, pair[0], **SIZE))
    seen = pixels(ear.of(world.tick()))
    blue, green, red = (seen[..., channel].astype(int) for channel in range(3))
    numbers = set((green + 256 * blue)[red == 14].tolist())
    assert numbers == {pair[1].id}


def test_the_ground_is_as_deep_as_the_camera_is_high(
    world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]
) -> None:
    ear = listen(spawned("sensor.camera.depth", EYE, pair[0], **SIZE))
    lowest = metres(ear.of(world.tick()))[-1, 160]
    assert lowest == pytest.approx(2.0 * 160.0 / 89.5, rel=1e-3)


def test_a_camera_sees_colours_and_the_vehicle_before_it(
    world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]
) -> None:
    ear = listen(spawned("sensor.camera.rgb", EYE, pair[0], **SIZE))
    with_car = pixels(ear.of(world.tick())).copy()
    assert with_car.std() > 20.0 and (with_car[..., 3] == 255).all()
    pair[1].set_location(carla.Location(500.0, 500.0, 0.0))
    without = pixels(ear.of(world.tick()))
    assert (with_car != without).any(axis=2)[85:125, 140:180].mean() > 0.8


def test_no_frame_is_lost_and_each_bears_its_number(world: Any, spawned: Spawn, listen: Listen) -> None:
    for _ in range(20):
        ear = listen(spawned("sensor.other.gnss", carla.Transform()))
        assert ear.of(world.tick()).frame == ear.of(world.tick()).frame - 1


def test_sensor_tick_thins_out(world: Any, spawned: Spawn, listen: Listen) -> None:
    ear = listen(spawned("sensor.other.gnss", carla.Transform(), None, sensor_tick=0.2))
    first = ear.of(world.tick()).frame
    for _ in range(8):
        world.tick()
    assert [ear.hear().frame for _ in range(2)] == [first + 4, first + 8]


def test_gnss_agrees_with_the_clients_own_projection(world: Any, spawned: Spawn, listen: Listen) -> None:
    car = spawned("vehicle.tesla.model3", 5)
    fix = listen(spawned("sensor.other.gnss", carla.Transform(), car)).of(world.tick())
    exact = world.get_map().transform_to_geolocation(car.get_location())
    assert fix.latitude == pytest.approx(exact.latitude, abs=1e-9)
    assert fix.longitude == pytest.approx(exact.longitude, abs=1e-9)


def test_imu_feels_gravity_turning_and_where_north_is(world: Any, spawned: Spawn, listen: Listen) -> None:
    car = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(), carla.Rotation(yaw=-60.0)))
    ear = listen(spawned("sensor.other.imu", carla.Transform(), car))
    still = ear.of(world.tick())
    assert still.accelerometer.z == pytest.approx(9.81, abs=1e-4)
    assert still.compass == pytest.approx(math.radians(30.0), abs=1e-6)
    car.apply_control(carla.VehicleControl(throttle=0.6, steer=0.2))
    for _ in range(30):
        felt = ear.of(world.tick())
    turning, acceleration = car.get_angular_velocity().z, car.get_acceleration()
    assert felt.gyroscope.z == pytest.approx(math.radians(turning), abs=1e-5) and felt.gyroscope.z > 0.05
    along = acceleration.dot(car.get_transform().get_forward_vector())
    assert felt.accelerometer.x == pytest.approx(along, abs=1e-3)


def test_collision_is_told_with_the_other_actor_and_the_impulse(
    world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]
) -> None:
    ego, other = pair
    ear = listen(spawned("sensor.other.collision", carla.Transform(), ego))
    ego.apply_control(carla.VehicleControl(throttle=0.7))
    for _ in range(60):
        world.tick()
    event = ear.hear()
    assert event.other_actor.id == other.id and event.actor.id == ego.id
    push = event.normal_impulse
    assert carla.Vector3D(push.x, push.y, push.z).dot(ego.get_transform().get_forward_vector()) < -1000.0
    gap = ego.get_location().distance(other.get_location())
    assert gap >= ego.bounding_box.extent.x + other.bounding_box.extent.x - 0.01


def test_lane_markings_that_are_crossed_are_told_by_the_client(world: Any, spawned: Spawn, listen: Listen) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    ear = listen(spawned("sensor.other.lane_invasion", carla.Transform(), car))
    pose = car.get_transform()
    for aside in (0.0, -1.0, -2.0, -3.0):
        car.set_transform(carla.Transform(pose.transform(carla.Location(0.0, aside, 0.0)), pose.rotation))
        world.tick()
    assert ear.hear().crossed_lane_markings


def test_obstacle_is_as_far_as_it_is(world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]) -> None:
    ego, other = pair
    mount = carla.Transform(carla.Location(0.0, 0.0, 1.0))
    event = listen(spawned("sensor.other.obstacle", mount, ego, distance=30.0, hit_radius=0.0)).of(world.tick())
    gap = ego.get_location().distance(other.get_location()) - other.bounding_box.extent.x
    assert event.other_actor.id == other.id and event.distance == pytest.approx(gap, abs=1e-3)


def test_lidar_points_lie_on_what_is_there(world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]) -> None:
    ego, other = pair
    mount = carla.Transform(carla.Location(0.0, 0.0, 2.0))
    ear = listen(spawned("sensor.lidar.ray_cast_semantic", mount, ego, range=60.0, points_per_second=200000))
    points: list[Any] = []
    for _ in range(3):
        sweep = ear.of(world.tick())
        points += list(sweep)
        assert sum(sweep.get_point_count(channel) for channel in range(sweep.channels)) == len(sweep)
    ground = [point for point in points if point.object_tag in (1, 2, 10, 24)]
    assert len(ground) > 100 and all(point.point.z == pytest.approx(-2.0, abs=1e-3) for point in ground)
    on_other = [point for point in points if point.object_idx == other.id]
    assert on_other and all(point.object_tag == 14 for point in on_other)
    extent, middle = other.bounding_box.extent, other.get_transform()
    for point in on_other:
        place = ear.sensor.get_transform().transform(point.point)
        inside = np.array(middle.get_inverse_matrix()) @ (place.x, place.y, place.z, 1.0)
        assert abs(inside[0]) < extent.x + 0.01 and abs(inside[1]) < extent.y + 0.01


def test_lidar_sees_the_ground_around_the_only_thing_in_reach(world: Any, spawned: Spawn, listen: Listen) -> None:
    """Far from the town."""
    other = spawned("vehicle.tesla.model3", carla.Transform(carla.Location(-906.0, 900.0, 0.0)))
    pose, level = (
        carla.Transform(carla.Location(-900.0, 900.0, 2.0)),
        {"range": 9.0, "lower_fov": -60.0, "upper_fov": 0.0},
    )
    ear = listen(spawned("sensor.lidar.ray_cast_semantic", pose, None, points_per_second=20000, **level))
    points = [point for _ in range(3) for point in ear.of(world.tick())]
    assert {point.object_idx for point in points} == {0, other.id}
    assert {point.object_tag for point in points} == {10, 14}


def test_a_sensor_that_fails_stops_nobody(host: Host, world: Any, spawned: Spawn, listen: Listen) -> None:
    broken = listen(spawned("sensor.other.imu", carla.Transform()))
    whole = listen(spawned("sensor.other.gnss", carla.Transform()))
    world.tick()
    host.ask(f"setattr(episode.actors[{broken.sensor.id}], 'attributes', None)")
    frame = world.tick()
    assert whole.of(frame).frame == frame


def test_lidar_drops_the_share_of_beams_it_is_told_to(world: Any, spawned: Spawn, listen: Listen) -> None:
    pose = carla.Transform(carla.Location(0.0, 0.0, 2.0))
    level = {"upper_fov": -20.0, "lower_fov": -40.0, "points_per_second": 100000, "atmosphere_attenuation_rate": 0.0}
    whole = listen(spawned("sensor.lidar.ray_cast", pose, None, dropoff_general_rate=0.0, **level))
    half = listen(spawned("sensor.lidar.ray_cast", pose, None, dropoff_general_rate=0.5, **level))
    frame = world.tick()
    assert len(whole.of(frame)) == pytest.approx(5000, abs=32)
    assert len(half.of(frame)) == pytest.approx(2500, abs=300)


@pytest.mark.parametrize("kind", ["sensor.lidar.ray_cast", "sensor.other.radar", "sensor.other.gnss"])
def test_equal_seeds_give_equal_noise(world: Any, spawned: Spawn, listen: Listen, kind: str) -> None:
    """Also for sensors that begin at different times; another seed gives other noise."""
    noise = {"noise_lat_stddev": 1e-3, "noise_seed": 7} if kind.endswith("gnss") else {"noise_seed": 7}
    pose, heard = carla.Transform(carla.Location(z=2.0)), []
    for seed in (7, 7, 8):
        ear = listen(spawned(kind, pose, None, **{**noise, "noise_seed": seed}))
        heard.append([ear.of(world.tick()) for _ in range(3)][-1])
    read = [data.latitude if kind.endswith("gnss") else bytes(data.raw_data) for data in heard]
    assert read[0] == read[1] != read[2]


def test_radar_sees_how_fast_the_way_closes(world: Any, spawned: Spawn, listen: Listen, pair: tuple[Any, Any]) -> None:
    ego, _ = pair
    mount = carla.Transform(carla.Location(2.4, 0.0, 1.0))
    ear = listen(spawned("sensor.other.radar", mount, ego, points_per_second=20000, vertical_fov=1.0))
    ego.set_target_velocity(ego.get_transform().get_forward_vector() * 5.0)
    ahead = [detection for detection in ear.of(world.tick()) if abs(detection.azimuth) < 0.03 and detection.depth < 9.0]
    assert ahead
    speed = ego.get_velocity().length()
    for detection in ahead:
        assert detection.velocity == pytest.approx(-speed * math.cos(detection.azimuth), abs=0.02)


@pytest.mark.parametrize(
    ("blueprint", "attributes", "said"),
    [
        ("sensor.camera.rgb", {"image_size_x": 100000}, "100000 x 600"),
        ("sensor.camera.depth", {"fov": 179.5}, "179.5"),
        ("sensor.lidar.ray_cast", {"points_per_second": 10**9}, "points a second"),
    ],
)
def test_a_sensor_that_asks_for_too_much_is_refused(
    host: Host, spawned: Spawn, blueprint: str, attributes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RuntimeError, match=said):
        spawned(blueprint, carla.Transform(), None, **attributes)
    assert host.ask("len(episode.sensors)") == 0


def test_without_rendering_cameras_are_silent_and_the_rest_goes_on(world: Any, spawned: Spawn, listen: Listen) -> None:
    camera = listen(spawned("sensor.camera.rgb", EYE, None, **SIZE))
    fix = listen(spawned("sensor.other.gnss", carla.Transform()))
    settings = world.get_settings()
    settings.no_rendering_mode = True
    world.apply_settings(settings)
    frame = world.tick()
    assert fix.of(frame).frame == frame
    settings.no_rendering_mode = False
    world.apply_settings(settings)
    assert camera.of(world.tick()).width == 320
