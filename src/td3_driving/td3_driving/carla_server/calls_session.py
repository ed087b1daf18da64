# SPDX-License-Identifier: Apache-2.0
"""Calls about the session, the map, time and weather."""

from __future__ import annotations

import asyncio

from td3_driving.carla_server.records import (
    U8,
    U16,
    U32,
    U64,
    VERSION,
    WORLD_STREAM,
    BoundingBox,
    Document,
    EnvironmentObject,
    EpisodeInfo,
    LabelledPoint,
    MapInfo,
    OpendriveParameters,
    Vector3D,
    WeatherParameters,
    WorldSettings,
)
from td3_driving.carla_server.rpc import CallError, call
from td3_driving.carla_server.simulation import Manager, Simulation
from td3_driving.carla_server.surroundings import environment
from td3_driving.carla_server.town import GENERATED, Town
from td3_driving.sim.roads import MapError

AS_USUAL = OpendriveParameters()
SESSION, MAP, TIME, MANAGER = "session", "map", "time and weather", "traffic manager registry"


@call(SESSION)
def version(simulation: Simulation) -> str:
    """The release that is served."""
    return VERSION


@call(SESSION)
def get_episode_info(simulation: Simulation) -> EpisodeInfo:
    """Number of the episode, and where the snapshots come from."""
    return EpisodeInfo(simulation.episode.number, (simulation.streams.token(WORLD_STREAM),))


@call(SESSION)
def get_sensor_token(simulation: Simulation, stream: U32) -> tuple[bytes]:
    """Where a stream is; the next tick waits until the client has connected to it."""
    simulation.await_stream(stream)
    return (simulation.streams.token(stream),)


@call(SESSION)
def get_required_files(simulation: Simulation, folder: str = "", download: bool = False) -> list[str]:
    """Files that the client should fetch: none, it makes everything from the OpenDRIVE document."""
    return []


@call(SESSION)
def request_file(simulation: Simulation, path: str) -> bytes:
    """A file of the server: refused, there are none."""
    raise CallError(f"there is no file {path[:80]!r}")


@call(TIME)
def get_episode_settings(simulation: Simulation) -> WorldSettings:
    """How time goes on."""
    simulation.settings_were_asked_for()
    return simulation.settings


@call(TIME)
def set_episode_settings(simulation: Simulation, settings: WorldSettings) -> U64:
    """Set how time goes on; a step is brought into 1 ms to 1 s. The number of the frame."""
    simulation.set(settings)
    return simulation.frame


@call(TIME)
def tick_cue(simulation: Simulation) -> U64:
    """Make one step in synchronous mode; the number of its frame."""
    return simulation.cue()


@call(TIME)
def get_weather_parameters(simulation: Simulation) -> WeatherParameters:
    """The weather."""
    return simulation.weather


@call(TIME, waits=False)
def set_weather_parameters(simulation: Simulation, weather: WeatherParameters) -> None:
    """Set the weather; it is kept and told, and the sun's height and the clouds change the light of cameras."""
    simulation.weather = weather


@call(TIME)
def get_imui_gravity(simulation: Simulation) -> float:
    """Gravity of the IMU [cm/s²]."""
    return simulation.gravity


@call(TIME, waits=False)
def set_imui_gravity(simulation: Simulation, gravity: float) -> None:
    """Set it; it is kept and told."""
    simulation.gravity = gravity


@call(MAP)
def get_available_maps(simulation: Simulation) -> list[str]:
    """Maps that can be loaded."""
    return simulation.towns.names


@call(MAP)
async def load_new_episode(
    simulation: Simulation, name: str, reset_settings: bool = True, layers: U16 = 0xFFFF
) -> None:
    """Load a map, or with an empty name the same one again; all actors are gone."""
    wanted = name or simulation.episode.town.short
    if not simulation.towns.known(wanted):
        raise CallError(f"Map '{name[:80]}' not found")
    try:
        town = await asyncio.to_thread(_ready, simulation, wanted)
    except MapError as error:
        raise CallError(str(error)) from error
    simulation.enter(town, reset_settings)


def _ready(simulation: Simulation, name: str) -> Town:
    """The town with everything that takes long to make."""
    town = simulation.towns.load(name)
    return town.made()


@call(MAP)
async def copy_opendrive_to_file(
    simulation: Simulation, document: Document, parameters: OpendriveParameters = AS_USUAL
) -> None:
    """Take an OpenDRIVE document as the map OpenDriveMap, which the client loads next."""
    try:
        await asyncio.to_thread(simulation.towns.take, document)
    except MapError as error:
        raise CallError(f"{GENERATED}: {error}") from error


@call(MAP)
def get_map_info(simulation: Simulation) -> MapInfo:
    """Name of the map, and where vehicles may be spawned."""
    town = simulation.episode.town
    return MapInfo(town.name, town.spawn_points)


@call(MAP)
def get_map_data(simulation: Simulation) -> str:
    """The OpenDRIVE document."""
    return simulation.episode.town.roads.opendrive


@call(MAP)
def load_map_layer(simulation: Simulation, layers: U16) -> None:
    """Accepted; the embedded world has no layers."""


@call(MAP)
def unload_map_layer(simulation: Simulation, layers: U16) -> None:
    """Accepted; the embedded world has no layers."""


@call(MAP)
def get_names_of_all_objects(simulation: Simulation) -> list[str]:
    """Names of the houses and lights."""
    return [thing.name for thing in environment(simulation.episode)]


@call(MAP)
def get_all_level_BBs(simulation: Simulation, label: U8) -> list[BoundingBox]:
    """Boxes in the world of the houses, lights and vehicles with a label."""
    return [thing.bounding_box for thing in environment(simulation.episode, label)]


@call(MAP)
def get_environment_objects(simulation: Simulation, label: U8) -> list[EnvironmentObject]:
    """Houses and lights with a label."""
    return list(environment(simulation.episode, label))


@call(MAP, waits=False)
def enable_environment_objects(simulation: Simulation, ids: list[U64], enable: bool) -> None:
    """Accepted; houses stay."""


@call(MAP)
def project_point(
    simulation: Simulation, location: Vector3D, direction: Vector3D, distance: float
) -> tuple[bool, LabelledPoint]:
    """Where a ray hits first."""
    hits = simulation.rays.through(simulation.episode, location, direction, distance)
    return (True, hits[0]) if hits else (False, LabelledPoint(location, 0))


@call(MAP)
def cast_ray(simulation: Simulation, start: Vector3D, end: Vector3D) -> list[LabelledPoint]:
    """Everything that a ray goes through, nearest first."""
    along = Vector3D(*(b - a for a, b in zip(start, end)))
    length = sum(part * part for part in along) ** 0.5
    return simulation.rays.through(simulation.episode, start, along, length) if length > 0.0 else []


@call(MANAGER)
def is_traffic_manager_running(simulation: Simulation, port: U16) -> bool:
    """Whether a traffic manager has registered with this port."""
    return port in simulation.managers


@call(MANAGER)
def get_traffic_manager_running(simulation: Simulation, port: U16) -> tuple[str, U16]:
    """Where the traffic manager of a port listens."""
    manager = simulation.managers.get(port)
    return (manager.address, manager.port) if manager is not None else ("", 0)


@call(MANAGER)
def add_traffic_manager_running(simulation: Simulation, where: tuple[str, U16]) -> bool:
    """Register a traffic manager; it is dropped when its client leaves. Whether the port was free."""
    _, port = where
    if port in simulation.managers or len(simulation.managers) >= 256:
        return False
    # The library names an address of its machine that need not be reachable from here; where it called from is.
    address = simulation.caller.address if simulation.caller is not None else where[0]
    simulation.managers[port] = Manager(address, port, simulation.caller)
    return True


@call(MANAGER, waits=False)
def destroy_traffic_manager(simulation: Simulation, port: U16) -> None:
    """Drop a registration."""
    simulation.managers.pop(port, None)
