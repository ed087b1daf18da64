# SPDX-License-Identifier: Apache-2.0
"""Calls about the session, the map, time and lamps, each against the state of the world; none is without a test."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import carla
import pytest

from td3_driving.carla_server.batch import ORDERS

from .carla_host import Ear, Host
from .raw_client import NAMES, Raw

Spawn, Listen = Callable[..., Any], Callable[[Any], Ear]


def operations() -> dict[str, list[str]]:
    """The tests of each operation, by the marks of all tests in this folder."""
    found: dict[str, list[str]] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.operations":
                    for name in mark.args:
                        found.setdefault(str(ast.literal_eval(name)), []).append(f"{path.name}::{node.name}")
    return found


def test_every_call_and_command_has_a_test() -> None:
    wanted = {*NAMES, "SpawnActor", *(order.name for order in ORDERS.values())}
    assert wanted == operations().keys()


@pytest.mark.operations(
    "version", "get_episode_info", "get_sensor_token", "get_episode_settings", "query_lights_state", "get_map_info"
)
def test_a_client_that_comes_sees_the_world_as_it_is(host: Host, world: Any) -> None:
    fresh = carla.Client("127.0.0.1", host.port)
    fresh.set_timeout(60.0)
    found = fresh.get_world()
    assert found.id == host.ask("episode.number") and fresh.get_server_version() == "0.9.16"
    assert found.get_settings().fixed_delta_seconds == host.ask("simulation.delta") == 0.05
    assert found.get_map().name == host.ask("episode.town.name")
    assert len(found.get_map().get_spawn_points()) == host.ask("len(episode.town.spawn_points)")


@pytest.mark.operations("get_required_files", "request_file")
def test_there_are_no_files_to_fetch(client: Any, world: Any) -> None:
    assert list(client.get_required_files("", False)) == []
    with pytest.raises(RuntimeError, match=r"there is no file 'Carla/Maps/x\.bin'"):
        client.request_file("Carla/Maps/x.bin")


@pytest.mark.operations("set_episode_settings", "tick_cue")
def test_settings_and_ticks_count(host: Host, world: Any) -> None:
    settings = world.get_settings()
    settings.fixed_delta_seconds = 0.025
    world.apply_settings(settings)
    assert host.ask("simulation.delta") == 0.025
    before = host.ask("simulation.elapsed")
    assert world.tick() == host.ask("simulation.frame")
    assert host.ask("simulation.elapsed") - before == pytest.approx(0.025)


@pytest.mark.operations("get_weather_parameters", "set_weather_parameters", "get_imui_gravity", "set_imui_gravity")
def test_weather_and_gravity_are_kept(host: Host, world: Any) -> None:
    world.set_weather(carla.WeatherParameters(cloudiness=30.0, sun_altitude_angle=-12.5))
    world.set_imui_sensor_gravity(9.5)
    assert world.get_weather().sun_altitude_angle == host.ask("simulation.weather.sun_altitude_angle") == -12.5
    assert host.ask("simulation.weather.cloudiness") == 30.0
    assert world.get_imui_sensor_gravity() == host.ask("simulation.gravity") == pytest.approx(9.5)


@pytest.mark.operations("get_available_maps", "load_new_episode", "get_map_data", "copy_opendrive_to_file")
def test_maps_come_from_the_server_and_from_the_client(host: Host, client: Any, world: Any) -> None:
    assert sorted(client.get_available_maps()) == host.ask("sorted(simulation.towns.names)")
    straight = client.load_world("straight").get_map()
    assert straight.name == host.ask("episode.town.name") == "Carla/Maps/straight"
    document = straight.to_opendrive()
    assert len(document) == host.ask("len(episode.town.roads.opendrive)")
    client.generate_opendrive_world(document)
    assert host.ask("(episode.town.short, len(episode.town.roads.opendrive))") == ["OpenDriveMap", len(document)]


@pytest.mark.operations(
    "load_map_layer", "unload_map_layer", "get_names_of_all_objects", "get_environment_objects", "get_all_level_BBs"
)
def test_the_things_of_the_map_are_told_and_stay(host: Host, world: Any) -> None:
    houses = host.ask("len(episode.town.houses)")
    assert len(world.get_names_of_all_objects()) == houses > 0
    world.unload_map_layer(carla.MapLayer.Buildings)
    world.load_map_layer(carla.MapLayer.All)
    things = world.get_environment_objects(carla.CityObjectLabel.Buildings)
    assert len(things) == len(world.get_level_bbs(carla.CityObjectLabel.Buildings)) == houses
    x, y = host.ask("episode.town.houses[0][:2].tolist()")
    assert (things[0].transform.location.x, things[0].transform.location.y) == pytest.approx((x, -y), abs=1e-4)


@pytest.mark.operations("enable_environment_objects")
def test_houses_stay(host: Host, world: Any) -> None:
    things = world.get_environment_objects(carla.CityObjectLabel.Buildings)
    world.enable_environment_objects({thing.id for thing in things}, False)
    assert len(world.get_environment_objects(carla.CityObjectLabel.Buildings)) == len(things)
    assert host.ask("len(episode.town.houses)") == len(things)


@pytest.mark.operations("project_point", "cast_ray")
def test_rays_meet_a_vehicle_and_the_road_below_it(host: Host, world: Any, spawned: Spawn) -> None:
    car = spawned("vehicle.tesla.model3", 0)
    for _ in range(10):
        world.tick()
    place = car.get_location()
    top = host.ask(f"episode.actors[{car.id}].body.height")
    hit = world.project_point(carla.Location(place.x, place.y, 9.0), carla.Vector3D(0.0, 0.0, -1.0), 20.0)
    assert hit.location.z == pytest.approx(top, abs=0.02) and hit.label == carla.CityObjectLabel.Car
    through = world.cast_ray(carla.Location(place.x, place.y, 9.0), carla.Location(place.x, place.y, -1.0))
    assert [point.label for point in through] == [carla.CityObjectLabel.Car, carla.CityObjectLabel.Roads]


@pytest.mark.operations(
    "is_traffic_manager_running",
    "get_traffic_manager_running",
    "add_traffic_manager_running",
    "destroy_traffic_manager",
)
def test_traffic_managers_are_registered(host: Host, raw: Raw) -> None:
    assert raw.call("is_traffic_manager_running", 18321) == [[1, False]]
    assert raw.call("add_traffic_manager_running", ["192.0.2.7", 18321]) == [[1, True]]
    assert raw.call("add_traffic_manager_running", ["192.0.2.7", 18321]) == [[1, False]]
    assert raw.call("is_traffic_manager_running", 18321) == [[1, True]]
    assert raw.call("get_traffic_manager_running", 18321) == [[1, ["127.0.0.1", 18321]]]
    assert host.ask("sorted(simulation.managers)") == [18321]
    assert raw.call("destroy_traffic_manager", 18321) == [[False]]
    assert host.ask("sorted(simulation.managers)") == []


@pytest.mark.operations("update_lights_state", "update_day_night_cycle")
def test_there_are_no_street_lights(host: Host, world: Any, raw: Raw) -> None:
    lamps = world.get_lightmanager()
    assert list(lamps.get_all_lights()) == []
    lamps.set_day_night_cycle(False)
    assert raw.call("update_lights_state", "127.0.0.1:1", [], False) == [[False]]
    assert world.tick() == host.ask("simulation.frame")


@pytest.mark.operations(
    "draw_debug_shape", "clear_debug_shape", "clear_debug_string", "set_annotations_traverse_translucency"
)
def test_drawing_changes_nothing(host: Host, world: Any) -> None:
    actors = host.ask("len(episode.actors)")
    world.debug.draw_box(carla.BoundingBox(carla.Location(), carla.Vector3D(1.0, 1.0, 1.0)), carla.Rotation())
    world.debug.draw_hud_point(carla.Location(), 0.1)
    world.debug.clear_debug_shape()
    world.debug.clear_debug_string()
    world.set_annotations_traverse_translucency(True)
    assert world.tick() == host.ask("simulation.frame") and host.ask("len(episode.actors)") == actors


REFUSED: dict[str, Callable[[Any], Any]] = {
    "start_recorder": lambda client: client.start_recorder("x.log"),
    "show_recorder_file_info": lambda client: client.show_recorder_file_info("x.log", True),
    "show_recorder_collisions": lambda client: client.show_recorder_collisions("x.log", "v", "v"),
    "show_recorder_actors_blocked": lambda client: client.show_recorder_actors_blocked("x.log", 1.0, 1.0),
    "replay_file": lambda client: client.replay_file("x.log", 0.0, 1.0, 0),
}


@pytest.mark.operations(
    "start_recorder",
    "show_recorder_file_info",
    "show_recorder_collisions",
    "show_recorder_actors_blocked",
    "replay_file",
)
def test_recording_is_refused_with_a_sentence(client: Any, world: Any) -> None:
    """As text, as CARLA tells of a file that is not there; an error would end programs that can do without."""
    for order in REFUSED.values():
        assert order(client) == "this server has no recorder; record what the sensors send"


@pytest.mark.operations(
    "stop_recorder",
    "stop_replayer",
    "set_replayer_time_factor",
    "set_replayer_ignore_hero",
    "set_replayer_ignore_spectator",
)
def test_what_ends_a_recording_changes_nothing(host: Host, client: Any, world: Any) -> None:
    before = host.ask("(simulation.frame, len(episode.actors))")
    client.stop_recorder()
    client.stop_replayer(False)
    client.set_replayer_time_factor(2.0)
    client.set_replayer_ignore_hero(True)
    client.set_replayer_ignore_spectator(True)
    assert client.get_server_version() and host.ask("(simulation.frame, len(episode.actors))") == before


@pytest.mark.operations("enable_sensor_for_ros", "disable_sensor_for_ros", "is_sensor_enabled_for_ros")
def test_the_server_speaks_no_ros(spawned: Spawn, listen: Listen) -> None:
    sensor = spawned("sensor.other.gnss", carla.Transform())
    listen(sensor)
    sensor.enable_for_ros()
    assert sensor.is_enabled_for_ros() is False
    sensor.disable_for_ros()


@pytest.mark.operations("get_spectator", "spawn_actor")
def test_the_spectator_and_spawned_actors_are_the_worlds(host: Host, world: Any, spawned: Spawn) -> None:
    assert world.get_spectator().id == host.ask("episode.spectator.id")
    car = spawned("vehicle.audi.tt", 1)
    assert host.ask(f"episode.actors[{car.id}].type_id") == "vehicle.audi.tt"
