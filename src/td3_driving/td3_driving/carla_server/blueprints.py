# SPDX-License-Identifier: Apache-2.0
"""The blueprints: CARLA's type ids, with the attributes that its programs read and set."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from td3_driving.carla_server.records import ATTRIBUTE_KINDS, ActorAttribute, ActorDefinition, Label, SensorType

Attributes = dict[str, bool | int | float | str]
"""Names and first values of attributes."""


class Body(NamedTuple):
    """A vehicle: sizes [m], mass [kg], kind, and the generation of its model."""

    length: float
    width: float
    height: float
    mass: float
    kind: str = "car"
    generation: int = 1
    wheels: int = 4


BODIES = {
    "vehicle.tesla.model3": Body(4.79, 2.16, 1.49, 1845.0),
    "vehicle.audi.a2": Body(3.70, 1.79, 1.55, 1000.0),
    "vehicle.audi.tt": Body(4.18, 1.99, 1.38, 1300.0),
    "vehicle.audi.etron": Body(4.86, 2.03, 1.65, 2490.0),
    "vehicle.bmw.grandtourer": Body(4.61, 2.24, 1.67, 1570.0),
    "vehicle.chevrolet.impala": Body(5.36, 2.03, 1.41, 1700.0),
    "vehicle.citroen.c3": Body(3.99, 1.85, 1.62, 1040.0),
    "vehicle.dodge.charger_2020": Body(5.01, 1.88, 1.54, 1920.0, generation=2),
    "vehicle.dodge.charger_police": Body(4.97, 2.04, 1.55, 1920.0),
    "vehicle.ford.ambulance": Body(6.37, 2.35, 2.43, 4500.0, "van", 2),
    "vehicle.ford.crown": Body(5.37, 1.80, 1.57, 1900.0, generation=2),
    "vehicle.ford.mustang": Body(4.72, 1.89, 1.30, 1700.0),
    "vehicle.jeep.wrangler_rubicon": Body(3.87, 1.91, 1.88, 1900.0),
    "vehicle.lincoln.mkz_2017": Body(4.90, 1.86, 1.49, 1690.0),
    "vehicle.lincoln.mkz_2020": Body(4.89, 1.84, 1.49, 1690.0, generation=2),
    "vehicle.mercedes.coupe": Body(5.03, 2.15, 1.64, 1800.0),
    "vehicle.mercedes.coupe_2020": Body(4.67, 1.82, 1.44, 1800.0, generation=2),
    "vehicle.mercedes.sprinter": Body(5.92, 1.99, 2.56, 2600.0, "van", 2),
    "vehicle.micro.microlino": Body(2.21, 1.48, 1.38, 513.0),
    "vehicle.mini.cooper_s": Body(3.81, 1.97, 1.48, 1150.0),
    "vehicle.mini.cooper_s_2021": Body(4.55, 2.10, 1.77, 1250.0, generation=2),
    "vehicle.mitsubishi.fusorosa": Body(10.27, 3.94, 4.25, 6300.0, "bus", 2),
    "vehicle.nissan.micra": Body(3.63, 1.85, 1.50, 1000.0),
    "vehicle.nissan.patrol": Body(4.60, 1.93, 1.87, 2100.0),
    "vehicle.nissan.patrol_2021": Body(5.57, 2.15, 2.05, 2300.0, generation=2),
    "vehicle.seat.leon": Body(4.19, 1.82, 1.47, 1350.0),
    "vehicle.toyota.prius": Body(4.51, 2.01, 1.52, 1350.0),
    "vehicle.volkswagen.t2": Body(4.48, 1.80, 2.04, 1300.0, "van"),
    "vehicle.carlamotors.carlacola": Body(5.20, 2.61, 2.47, 5500.0, "truck"),
    "vehicle.carlamotors.firetruck": Body(8.47, 2.89, 3.83, 9000.0, "truck", 2),
    "vehicle.tesla.cybertruck": Body(6.27, 2.39, 2.10, 2900.0, "truck"),
    "vehicle.bh.crossbike": Body(1.49, 0.86, 1.62, 90.0, "bicycle", 1, 2),
    "vehicle.diamondback.century": Body(1.64, 0.37, 1.56, 90.0, "bicycle", 1, 2),
    "vehicle.gazelle.omafiets": Body(1.84, 0.60, 1.73, 100.0, "bicycle", 1, 2),
    "vehicle.harley-davidson.low_rider": Body(2.35, 0.76, 1.63, 380.0, "motorcycle", 1, 2),
    "vehicle.kawasaki.ninja": Body(2.03, 0.80, 1.52, 270.0, "motorcycle", 1, 2),
    "vehicle.vespa.zx125": Body(1.80, 0.78, 1.51, 190.0, "motorcycle", 1, 2),
    "vehicle.yamaha.yzf": Body(2.21, 0.87, 1.53, 270.0, "motorcycle", 1, 2),
}
"""Every vehicle, after CARLA's catalogue."""
WALKER = Body(0.38, 0.38, 1.86, 80.0, "walker")
WALKERS = 49
"""CARLA's pedestrians are numbered from 0001; all have the same box here."""
LABELS = {
    "car": Label.CAR,
    "van": Label.CAR,
    "truck": Label.TRUCK,
    "bus": Label.BUS,
    "motorcycle": Label.MOTORCYCLE,
    "bicycle": Label.BICYCLE,
    "walker": Label.PEDESTRIANS,
}
COLOURS = ("17,37,103", "66,65,65", "140,140,140", "137,0,0", "255,255,255")

LENS: Attributes = {
    "lens_circle_falloff": 5.0,
    "lens_circle_multiplier": 0.0,
    "lens_k": -1.0,
    "lens_kcube": 0.0,
    "lens_x_size": 0.08,
    "lens_y_size": 0.08,
}
CAMERA: Attributes = {"image_size_x": 800, "image_size_y": 600, "fov": 90.0, "sensor_tick": 0.0, **LENS}
PHOTO: Attributes = {
    "enable_postprocess_effects": True,
    "gamma": 2.2,
    "motion_blur_intensity": 0.45,
    "motion_blur_max_distortion": 0.35,
    "motion_blur_min_object_screen_size": 0.1,
    "bloom_intensity": 0.675,
    "lens_flare_intensity": 0.1,
    "exposure_mode": "histogram",
    "exposure_compensation": 0.0,
    "exposure_min_bright": 10.0,
    "exposure_max_bright": 12.0,
    "exposure_speed_up": 3.0,
    "exposure_speed_down": 1.0,
    "shutter_speed": 200.0,
    "iso": 100.0,
    "fstop": 1.4,
    "min_fstop": 1.2,
    "blade_count": 5,
    "focal_distance": 1000.0,
    "blur_amount": 1.0,
    "blur_radius": 0.0,
    "calibration_constant": 16.0,
    "slope": 0.88,
    "toe": 0.55,
    "shoulder": 0.26,
    "black_clip": 0.0,
    "white_clip": 0.04,
    "temp": 6500.0,
    "tint": 0.0,
    "chromatic_aberration_intensity": 0.0,
    "chromatic_aberration_offset": 0.0,
}
BEAMS: Attributes = {
    "channels": 32,
    "range": 10.0,
    "points_per_second": 56000,
    "rotation_frequency": 10.0,
    "upper_fov": 10.0,
    "lower_fov": -30.0,
    "horizontal_fov": 360.0,
    "sensor_tick": 0.0,
}
WEAKENING: Attributes = {
    "atmosphere_attenuation_rate": 0.004,
    "dropoff_general_rate": 0.45,
    "dropoff_intensity_limit": 0.8,
    "dropoff_zero_intensity": 0.4,
    "noise_stddev": 0.0,
    "noise_seed": 0,
}
IMU: Attributes = {
    **{f"noise_{kind}_{axis}": 0.0 for kind in ("accel_stddev", "gyro_stddev", "gyro_bias") for axis in "xyz"},
    "noise_seed": 0,
    "sensor_tick": 0.0,
}
GNSS: Attributes = {
    **{f"noise_{axis}_{kind}": 0.0 for axis in ("alt", "lat", "lon") for kind in ("bias", "stddev")},
    "noise_seed": 0,
    "sensor_tick": 0.0,
}
RADAR: Attributes = {
    "horizontal_fov": 30.0,
    "vertical_fov": 30.0,
    "range": 100.0,
    "points_per_second": 1500,
    "noise_seed": 0,
    "sensor_tick": 0.0,
}
OBSTACLE: Attributes = {
    "distance": 5.0,
    "hit_radius": 0.5,
    "only_dynamics": False,
    "debug_linetrace": False,
    "sensor_tick": 0.0,
}

SENSORS: dict[str, tuple[int, Attributes]] = {
    "sensor.camera.rgb": (SensorType.RGB, {**CAMERA, **PHOTO}),
    "sensor.camera.depth": (SensorType.DEPTH, {**CAMERA}),
    "sensor.camera.semantic_segmentation": (SensorType.SEMANTIC, {**CAMERA}),
    "sensor.camera.instance_segmentation": (SensorType.INSTANCE, {**CAMERA}),
    "sensor.lidar.ray_cast": (SensorType.LIDAR, {**BEAMS, **WEAKENING}),
    "sensor.lidar.ray_cast_semantic": (SensorType.SEMANTIC_LIDAR, {**BEAMS}),
    "sensor.other.radar": (SensorType.RADAR, {**RADAR}),
    "sensor.other.collision": (SensorType.COLLISION, {}),
    "sensor.other.lane_invasion": (SensorType.LANE_INVASION, {}),
    "sensor.other.obstacle": (SensorType.OBSTACLE, {**OBSTACLE}),
    "sensor.other.gnss": (SensorType.GNSS, {**GNSS}),
    "sensor.other.imu": (SensorType.IMU, {**IMU}),
}
"""Every sensor that is served: number in the header of its messages, and attributes."""
CLIENT_SIDE = ("sensor.other.lane_invasion",)
"""Sensors that the client library computes by itself."""
NOT_SERVED = {
    "sensor.camera.dvs": "events of single pixels need frames between the ticks",
    "sensor.camera.optical_flow": "the renderer keeps no motion of pixels",
    "sensor.camera.normals": "the renderer keeps no normals",
    "sensor.camera.cosmos_visualization": "there is nothing of it to show",
    "sensor.other.rss": "the client library on PyPI is built without it",
    "sensor.other.v2x": "messages between vehicles are not simulated",
    "sensor.other.v2x_custom": "messages between vehicles are not simulated",
}
"""Sensors of CARLA that are in the library, because programs look them up, and cannot be spawned here: why."""
PROPS = ("static.prop.trafficcone01", "static.prop.streetbarrier", "static.prop.container", "static.prop.box01")
PROP = Body(0.6, 0.6, 0.9, 10.0, "prop")


def _attribute(
    name: str, value: bool | int | float | str, recommended: tuple[str, ...] = (), kind: str = "", fixed: bool = False
) -> ActorAttribute:
    found = kind or {bool: "bool", int: "int", float: "float", str: "string"}[type(value)]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return ActorAttribute(name, ATTRIBUTE_KINDS.index(found) + 1, text, list(recommended), not fixed, False)


def _vehicle(body: Body) -> list[ActorAttribute]:
    fixed: Attributes = {
        "object_type": "",
        "base_type": body.kind,
        "special_type": "",
        "number_of_wheels": body.wheels,
        "generation": body.generation,
        "has_lights": body.wheels == 4,
        "has_dynamic_doors": False,
    }
    return [
        _attribute("role_name", "autopilot", ("autopilot", "scenario", "ego_vehicle")),
        _attribute("color", COLOURS[0], COLOURS, "colour"),
        _attribute("sticky_control", True),
        _attribute("terramechanics", False),
        *(_attribute(name, value, fixed=True) for name, value in fixed.items()),
    ]


def _walker(number: int) -> list[ActorAttribute]:
    speeds = ("0.0", "1.4", "2.6") if number % 2 else ("0.0", "1.2", "2.2")
    return [
        _attribute("role_name", "pedestrian"),
        _attribute("is_invincible", True),
        _attribute("can_use_wheelchair", False),
        _attribute("use_wheelchair", False),
        _attribute("speed", speeds[1], speeds, "float"),
        _attribute("gender", "male" if number % 2 else "female", fixed=True),
        _attribute("age", "adult" if number % 5 else "child", fixed=True),
        _attribute("generation", 1 + number % 2, fixed=True),
    ]


def _kinds() -> dict[str, list[ActorAttribute]]:
    """Attributes of every type id."""
    found = {name: _vehicle(body) for name, body in BODIES.items()}
    for number in range(1, WALKERS + 1):
        found[f"walker.pedestrian.{number:04d}"] = _walker(number)
    for name, (_, attributes) in SENSORS.items():
        own = [_attribute(key, value) for key, value in attributes.items()]
        found[name] = [_attribute("role_name", "front"), *own]
    for name in NOT_SERVED:
        own = [_attribute(key, value) for key, value in CAMERA.items() if name.startswith("sensor.camera.")]
        found[name] = [_attribute("role_name", "front"), *own]
    for name in PROPS:
        found[name] = [_attribute("role_name", "prop"), _attribute("size", "small", fixed=True)]
    found["controller.ai.walker"] = [_attribute("role_name", "default")]
    return found


@cache
def library() -> dict[str, ActorDefinition]:
    """Every blueprint by its type id."""
    named = _attribute("ros_name", "")
    return {
        type_id: ActorDefinition(uid, type_id, ",".join(type_id.split(".")), [*attributes, named])
        for uid, (type_id, attributes) in enumerate(_kinds().items(), start=1)
    }


def body_of(type_id: str) -> Body | None:
    """Return the sizes of a solid actor; None for sensors and the like."""
    if type_id.startswith("walker."):
        return WALKER
    return PROP if type_id in PROPS else BODIES.get(type_id)
