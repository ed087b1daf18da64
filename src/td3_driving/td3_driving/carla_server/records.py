# SPDX-License-Identifier: Apache-2.0
"""The records that a CARLA client and a server exchange, field by field in wire order.

A record is a tuple, so that it is packed as it stands. Units and axes are CARLA's: metres, degrees, seconds; x forward,
y right, z up, yaw clockwise seen from above. Where it differs, the field says so. Source: LibCarla of the releases.

The layouts are those of 0.9.16. Older releases differ only as :data:`CHANGES` lists.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

VERSION = "0.9.16"
"""The release whose client is served."""
CHANGES: dict[str, str] = {
    "ActorAttribute": "0.9.13 to 0.9.15 number the types from 0, 0.9.16 from 1",
    "BoundingBox": "0.9.13 to 0.9.15 have no actor_id",
    "EpisodeSettings": "0.9.13 and 0.9.14 have no spectator_as_ego",
    "WeatherParameters": "0.9.13 has no dust_storm",
    "world stream": "type id 15 in 0.9.13, 16 in 0.9.14 and 0.9.15, 17 in 0.9.16",
    "batch": "0.9.13 has no ApplyVehicleAckermannControl; SpawnActor has no attachment and socket before 0.9.16",
    "spawn_actor_with_parent": "0.9.13 to 0.9.15 have no socket name",
}
"""Where releases differ from the layouts here."""

U8 = Annotated[int, 0, 2**8 - 1]
U16 = Annotated[int, 0, 2**16 - 1]
U32 = Annotated[int, 0, 2**32 - 1]
U64 = Annotated[int, 0, 2**64 - 1]
I32 = Annotated[int, -(2**31), 2**31 - 1]
Document = Annotated[str, 24 * 2**20]
"""A text of at most 24 MiB, for example an OpenDRIVE document."""
MaybeFloat = Annotated[tuple, float]
"""``(False,)`` or ``(True, value)``."""
MaybeId = Annotated[tuple, U32]
NOTHING: tuple[bool] = (False,)


class Vector2D(NamedTuple):
    """A pair."""

    x: float = 0.0
    y: float = 0.0


class Vector3D(NamedTuple):
    """A location [m], a velocity [m/s], an angular velocity [deg/s] …"""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


Location = Vector3D


class Rotation(NamedTuple):
    """Angles [deg]."""

    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0


class PoseRecord(NamedTuple):
    """A pose."""

    location: Location = Location()
    rotation: Rotation = Rotation()


HERE = PoseRecord()
"""No offset."""
ZERO = Vector3D()


class BoundingBox(NamedTuple):
    """A box; ``extent`` has half of its sizes [m]."""

    location: Location = Location()
    extent: Vector3D = Vector3D()
    rotation: Rotation = Rotation()
    actor_id: U32 = 0


class GeoLocation(NamedTuple):
    """Latitude and longitude [deg], altitude [m]."""

    latitude: float
    longitude: float
    altitude: float


class ActorAttribute(NamedTuple):
    """An attribute of a blueprint; ``kind`` is a place in :data:`ATTRIBUTE_KINDS`, plus 1."""

    name: str
    kind: U8
    value: str
    recommended: list[str]
    modifiable: bool
    restricted: bool


ATTRIBUTE_KINDS = ("bool", "int", "float", "string", "colour")


class ActorAttributeValue(NamedTuple):
    """An attribute of an actor."""

    name: str
    kind: U8
    value: str


class ActorDefinition(NamedTuple):
    """A blueprint."""

    uid: U32
    type_id: str
    tags: str
    attributes: list[ActorAttribute]


class ActorDescription(NamedTuple):
    """Description of an actor to spawn."""

    uid: U32
    type_id: str
    attributes: list[ActorAttributeValue]


class ActorRecord(NamedTuple):
    """An actor's record for the client; the token is empty or has 24 bytes."""

    id: U32
    parent: U32
    description: ActorDescription
    bounding_box: BoundingBox
    semantic_tags: bytes
    token: bytes


class EpisodeInfo(NamedTuple):
    """The episode, and the token of the stream of snapshots."""

    episode: U64
    token: tuple[bytes]


class MapInfo(NamedTuple):
    """Name of the map, and where vehicles may be spawned."""

    name: str
    spawn_points: list[PoseRecord]


class WorldSettings(NamedTuple):
    """Settings of the time step and of synchronous mode."""

    synchronous_mode: bool = False
    no_rendering_mode: bool = False
    fixed_delta_seconds: MaybeFloat = NOTHING
    substepping: bool = True
    max_substep_delta_time: float = 0.01
    max_substeps: I32 = 10
    max_culling_distance: float = 0.0
    deterministic_ragdolls: bool = True
    tile_stream_distance: float = 3000.0
    actor_active_distance: float = 2000.0
    spectator_as_ego: bool = True


class WeatherParameters(NamedTuple):
    """Shares in percent, sun angles in degrees."""

    cloudiness: float = 0.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 0.0
    sun_azimuth_angle: float = 0.0
    sun_altitude_angle: float = 75.0
    fog_density: float = 0.0
    fog_distance: float = 0.0
    fog_falloff: float = 0.2
    wetness: float = 0.0
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0


class LabelledPoint(NamedTuple):
    """Point and label of a ray's hit."""

    location: Location
    label: U8


class EnvironmentObject(NamedTuple):
    """A thing of the map."""

    transform: PoseRecord
    bounding_box: BoundingBox
    id: U64
    name: str
    label: U8


class OpendriveParameters(NamedTuple):
    """How CARLA would build a world from a document; the embedded world has one way."""

    vertex_distance: float = 2.0
    max_road_length: float = 50.0
    wall_height: float = 1.0
    additional_width: float = 0.6
    smooth_junctions: bool = True
    enable_mesh_visibility: bool = True
    enable_pedestrian_navigation: bool = True


class BatchCommand(NamedTuple):
    """One command of a batch: its number and its fields."""

    command: tuple[int, list[Any]]


class Label:
    """Semantic labels of 0.9.14 and newer."""

    NONE, ROADS, SIDEWALKS, BUILDINGS, WALLS, FENCES, POLES, TRAFFIC_LIGHT, TRAFFIC_SIGNS, VEGETATION = range(10)
    TERRAIN, SKY, PEDESTRIANS, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE, STATIC, DYNAMIC = range(10, 22)
    OTHER, WATER, ROAD_LINES, GROUND, BRIDGE, RAIL_TRACK, GUARD_RAIL = range(22, 29)
    ANY = 255


class SensorType:
    """Numbers of the sensors in the header of a message."""

    COLLISION, DEPTH, NORMALS, DVS, GNSS, IMU, LANE_INVASION, OBSTACLE, OPTICAL_FLOW, RADAR = range(10)
    SEMANTIC_LIDAR, LIDAR, RSS, RGB, SEMANTIC, INSTANCE, COSMOS, WORLD = range(10, 18)


WORLD_STREAM = 1
"""Number of the stream of snapshots."""
