# SPDX-License-Identifier: Apache-2.0
"""Maps, time and weather by the genuine client, against what the server's world says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import carla
import pytest

from .carla_host import Host


def test_both_name_the_same_release(client: Any) -> None:
    assert client.get_server_version() == client.get_client_version()


def test_maps_are_listed_and_loaded_and_each_load_is_another_episode(host: Host, client: Any, world: Any) -> None:
    assert {name.rsplit("/", 1)[-1] for name in client.get_available_maps()} >= {"town", "curves", "straight"}
    vehicle = world.get_blueprint_library().find("vehicle.audi.tt")
    world.spawn_actor(vehicle, world.get_map().get_spawn_points()[0])
    before = host.ask("episode.number")
    curves = client.load_world("curves")
    assert curves.get_map().name == "Carla/Maps/curves" == host.ask("episode.town.name")
    assert curves.id == host.ask("episode.number") == before + 1
    assert not curves.get_actors().filter("vehicle.*") and not host.ask("len(episode.vehicles)")
    assert client.reload_world().id == before + 2


def test_an_unknown_map_is_refused_by_name(client: Any) -> None:
    with pytest.raises(RuntimeError, match="Town99"):
        client.load_world("Town99")


def test_the_document_is_the_one_of_the_map(host: Host, world: Any) -> None:
    assert len(world.get_map().to_opendrive()) == host.ask("len(episode.town.roads.opendrive)")
    assert world.get_map().get_topology()


def test_a_world_is_made_of_a_document(host: Host, client: Any, world: Any) -> None:
    import td3_driving.sim.roads as roads

    document = (Path(roads.__file__).parent / "maps" / "straight.xodr").read_text()
    made = client.generate_opendrive_world(document, carla.OpendriveGenerationParameters())
    assert made.get_map().name.endswith("OpenDriveMap") and host.ask("episode.town.short") == "OpenDriveMap"
    with pytest.raises(RuntimeError, match="OpenDriveMap"):
        client.generate_opendrive_world("<OpenDRIVE/>", carla.OpendriveGenerationParameters())
    assert client.get_world().id == host.ask("episode.number")


def test_spawn_points_lie_on_the_road_in_driving_direction(world: Any) -> None:
    for point in world.get_map().get_spawn_points():
        lane = world.get_map().get_waypoint(point.location).transform
        assert lane.location.distance(point.location) < 0.5
        assert lane.get_forward_vector().dot(point.get_forward_vector()) > 0.99


def test_a_synchronous_world_steps_when_asked_and_only_then(host: Host, world: Any) -> None:
    first = world.tick()
    assert world.tick() == first + 1 == host.ask("simulation.frame")
    before = world.get_snapshot().timestamp
    world.tick()
    after = world.get_snapshot().timestamp
    assert after.delta_seconds == pytest.approx(0.05)
    assert after.elapsed_seconds - before.elapsed_seconds == pytest.approx(0.05)
    assert host.ask("simulation.frame") == first + 2


def test_an_asynchronous_world_goes_on_by_itself(world: Any) -> None:
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    first = world.wait_for_tick(10.0)
    assert world.wait_for_tick(10.0).frame > first.frame


@pytest.mark.parametrize("step", [0.01, 0.1])
def test_settings_come_back_as_they_were_set(host: Host, world: Any, step: float) -> None:
    settings = world.get_settings()
    settings.fixed_delta_seconds, settings.no_rendering_mode, settings.max_substeps = step, True, 7
    world.apply_settings(settings)
    found = world.get_settings()
    assert found == settings and found.fixed_delta_seconds == step
    assert host.ask("simulation.delta") == step and host.ask("simulation.settings.max_substeps") == 7
    world.tick()
    assert world.get_snapshot().timestamp.delta_seconds == pytest.approx(step)


def test_the_weather_comes_back_as_it_was_set(host: Host, world: Any) -> None:
    world.set_weather(carla.WeatherParameters.HardRainSunset)
    world.tick()
    assert world.get_weather() == carla.WeatherParameters.HardRainSunset
    wanted = carla.WeatherParameters.HardRainSunset.precipitation
    assert host.ask("simulation.weather.precipitation") == pytest.approx(wanted)


def test_drawing_is_accepted(world: Any) -> None:
    world.debug.draw_line(carla.Location(), carla.Location(1.0, 0.0, 0.0))
    world.debug.draw_string(carla.Location(), "here")
    assert world.tick() > 0


def test_rays_of_a_client_meet_the_road(world: Any) -> None:
    point = world.get_map().get_spawn_points()[0].location
    found = world.ground_projection(carla.Location(point.x, point.y, 5.0), 20.0)
    assert found.location.z == pytest.approx(0.0, abs=1e-4)
    assert found.label == carla.CityObjectLabel.Roads
    assert world.cast_ray(carla.Location(point.x, point.y, 5.0), carla.Location(point.x, point.y, -5.0))


def test_houses_are_listed_with_their_boxes(host: Host, world: Any) -> None:
    boxes = world.get_level_bbs(carla.CityObjectLabel.Buildings)
    assert (
        len(boxes)
        == host.ask("len(episode.town.houses)")
        == len(world.get_environment_objects(carla.CityObjectLabel.Buildings))
    )
    assert boxes[0].extent.x * 2.0 == pytest.approx(host.ask("episode.town.houses[0][3].item()"), abs=1e-4)
