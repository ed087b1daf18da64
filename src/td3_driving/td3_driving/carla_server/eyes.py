# SPDX-License-Identifier: Apache-2.0
"""Camera sensors at any pose: colour images, label images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from td3_driving.carla_server.actors import Solid, Thing, Walker
from td3_driving.carla_server.axes import to_map
from td3_driving.carla_server.blueprints import BODIES, LABELS, PROP, PROPS, WALKER
from td3_driving.carla_server.records import Label, WeatherParameters
from td3_driving.carla_server.rpc import CallError
from td3_driving.sim.appearance import Appearance
from td3_driving.sim.camera import Camera, CarClass
from td3_driving.sim.frame import Vehicles
from td3_driving.sim.land import Land
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.surfaces import SURFACES, Light, Look

MOST_PIXELS = 2**22
"""Most pixels of one camera."""
MOST_SIZES = 8
"""Different sizes and fields of view of cameras at one time."""
FAR_AWAY = 1e6
"""The x coordinate at which a hidden vehicle is put [m]."""
CLASSES: tuple[CarClass, ...] = tuple(
    (name, body.length, body.width, body.height)
    for name, body in [*BODIES.items(), ("walker", WALKER), *((name, PROP) for name in PROPS)]
)
PLACES = {name: index for index, (name, *_) in enumerate(CLASSES)}


def _label(surface: str) -> int:
    """The semantic label of a surface of the scenery."""
    first = surface.partition("_")[0]
    named = {
        "asphalt": Label.ROADS, "gutter": Label.ROADS, "white": Label.ROAD_LINES, "yellow": Label.ROAD_LINES,
        "paving": Label.SIDEWALKS, "kerb": Label.SIDEWALKS, "grass": Label.TERRAIN, "near": Label.TERRAIN,
        "far": Label.TERRAIN, "hills": Label.TERRAIN, "wall": Label.BUILDINGS, "roof": Label.BUILDINGS,
        "trunk": Label.VEGETATION, "leaves": Label.VEGETATION, "haze": Label.SKY, "low": Label.SKY,
        "high": Label.SKY, "zenith": Label.SKY, "shadow": Label.ROADS,
    }  # fmt: skip
    return named.get(first, Label.CAR)


SURFACE_LABELS = np.array([_label(name) for name in SURFACES], dtype=np.uint8)


@dataclass(frozen=True)
class LabelLook(Look):
    """Every surface shows its label in red, whatever the light."""

    def of(self, surface: np.ndarray, tone: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Colours (n, 4, 3), blue and green 0: the label of a quad's first corner over 255."""
        colours = np.zeros((*surface.shape, 3))
        colours[..., 0] = SURFACE_LABELS[surface[:, :1]] / 255.0
        return colours


class LabelCamera(Camera):
    """A camera whose red channel is the semantic label, green and blue the number of the actor."""

    first_appearance = Appearance(look=LabelLook())

    def enter(self, roads: RoadMap) -> None:
        """Show another road network."""
        self._root.setTextureOff(100)
        super().enter(roads)

    def colour(self, labels: list[int], numbers: list[int]) -> None:
        """Give the vehicles their labels and numbers; shadows are none of theirs."""
        for node, label, number in zip(self._cars, labels, numbers):
            # The renderer cuts off what is behind the point, so each value is set half a step higher.
            red, green, blue = ((value + 0.5) / 255.0 for value in (label, number & 255, number >> 8))
            node.setColor(red, green, blue, 1.0, 1)
            for child in node.getChildren():
                child.hide()

    def shown(self, vehicles: Vehicles) -> None:
        """Make the nodes of these vehicles, so that they can be coloured."""
        self._move_cars(vehicles, 0.0, 0.0)


def look_of(weather: WeatherParameters) -> Look:
    """The light that a weather makes: where the sun is, how much of it the clouds take, how dark the night is."""
    azimuth, height = math.radians(weather.sun_azimuth_angle), math.radians(weather.sun_altitude_angle)
    level = math.cos(height)
    overcast = min(max(weather.cloudiness / 100.0, 0.0), 1.0)
    nominal = Light()
    day = min(max((weather.sun_altitude_angle + 10.0) / 25.0, 0.15), 1.0)
    light = Light(
        sun=(level * math.cos(azimuth), -level * math.sin(azimuth), max(math.sin(height), 0.0)),
        ambient=nominal.ambient + 0.6 * overcast * nominal.direct,
        direct=(1.0 - overcast) * nominal.direct,
        upward=nominal.upward,
    )
    return Look(light=light, brightness=day)


@dataclass(frozen=True, slots=True)
class Lens:
    """Size of an image [px] and horizontal field of view [deg]."""

    width: int
    height: int
    fov: float

    @classmethod
    def of(cls, sensor: Thing) -> Lens:
        """The lens of a camera."""
        return cls(
            int(sensor.value("image_size_x", 800.0)),
            int(sensor.value("image_size_y", 600.0)),
            sensor.value("fov", 90.0),
        )

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            CallError: the image is too large or has no pixels, or the angle is not one.
        """
        if not (1 <= self.width <= 8192 and 1 <= self.height <= 8192 and self.width * self.height <= MOST_PIXELS):
            raise CallError(f"an image of {self.width} x {self.height} is not possible; up to {MOST_PIXELS} pixels are")
        if not 1.0 <= self.fov <= 170.0:
            raise CallError(f"a field of view of {self.fov:g} degrees is not in 1 .. 170")


class Renderers:
    """Cameras by size and kind, made when they are first needed."""

    def __init__(self) -> None:
        self._made: dict[tuple[Lens, bool], Camera] = {}
        self._weather: dict[tuple[Lens, bool], WeatherParameters] = {}
        self._lands: dict[bool, dict[str, Land]] = {False: {}, True: {}}

    def open(self, roads: RoadMap) -> None:
        """Draw a map, so that the first camera on it need not wait for that; forget the maps before."""
        for key in list(self._made):
            self._drop(key)
        self._lands = {False: {}, True: {}}
        self._camera(roads, Lens(32, 32, 90.0), labels=False)

    def prepare(self, roads: RoadMap, lens: Lens, type_id: str) -> None:
        """Make what a camera needs.

        Raises:
            CallError: see :meth:`Lens.check`.
        """
        lens.check()
        if not type_id.endswith("depth"):
            self._camera(roads, lens, labels=not type_id.endswith("rgb"))

    def photo(
        self, roads: RoadMap, lens: Lens, weather: WeatherParameters, scene: SeenScene, sensor: Thing
    ) -> np.ndarray:
        """The image (height, width, 4) uint8, blue-green-red-alpha."""
        camera = self._camera(roads, lens, labels=False)
        if self._weather.get((lens, False)) != weather:
            camera.dress(Appearance(look=look_of(weather)))
            self._weather[lens, False] = weather
        return camera.view(*eye_of(sensor), scene.seen_by(sensor))

    def labels(self, roads: RoadMap, lens: Lens, scene: SeenScene, sensor: Thing) -> np.ndarray:
        """The same with labels in red, and numbers of actors in green and blue."""
        camera = self._camera(roads, lens, labels=True)
        assert isinstance(camera, LabelCamera)
        vehicles = scene.seen_by(sensor)
        camera.shown(vehicles)
        camera.colour(scene.labels, scene.numbers)
        return camera.view(*eye_of(sensor), vehicles)

    def _camera(self, roads: RoadMap, lens: Lens, labels: bool) -> Camera:
        key = lens, labels
        if key not in self._made:
            if len(self._made) >= MOST_SIZES:
                self._drop(next(iter(self._made)))
            kind = LabelCamera if labels else Camera
            self._made[key] = kind(roads, lens.width, lens.height, lens.fov, CLASSES, self._lands[labels])
        camera = self._made[key]
        camera.enter(roads)
        return camera

    def _drop(self, key: tuple[Lens, bool]) -> None:
        self._made.pop(key).close()
        self._weather.pop(key, None)


def eye_of(sensor: Thing) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Place, and heading, pitch and roll, of a sensor for :meth:`Camera.view`."""
    (x, y, z), (pitch, yaw, roll) = sensor.transform
    return (x, -y, z), (-yaw, pitch, roll)


class SeenScene:
    """The moving objects of one tick as input of the cameras."""

    def __init__(self, solids: list[Solid]) -> None:
        self.solids = solids
        poses = np.array([to_map(solid.transform) for solid in solids]).reshape(-1, 3)
        bodies = np.array([(s.body.length, s.body.width, s.body.height) for s in solids]).reshape(-1, 3)
        still = np.zeros(len(solids))
        kinds = np.array([_place(solid) for solid in solids], dtype=np.int64)
        ids = np.array([solid.id for solid in solids], dtype=np.int64)
        x, y, yaw = poses.T
        self._vehicles = Vehicles(ids, x, y, yaw, still, still, kinds, *bodies.T)
        self.labels = [LABELS.get(solid.body.kind, Label.DYNAMIC) for solid in solids]
        self.numbers = [solid.id & 0xFFFF for solid in solids]

    def seen_by(self, sensor: Thing) -> Vehicles:
        """All but what the sensor is inside of."""
        inside = [index for index, solid in enumerate(self.solids) if _within(solid, sensor)]
        if not inside:
            return self._vehicles
        x = self._vehicles.x.copy()
        x[inside] = FAR_AWAY
        v = self._vehicles
        return Vehicles(v.ids, x, v.y, v.yaw, v.speed, v.acceleration, v.kind, v.length, v.width, v.height)


def _place(solid: Solid) -> int:
    return PLACES["walker"] if isinstance(solid, Walker) else PLACES[solid.type_id]


def _within(solid: Solid, sensor: Thing) -> bool:
    """A camera inside of a vehicle's outline, or on its bonnet, does not see it from inside."""
    x, y, yaw = to_map(solid.transform)
    at = sensor.transform.location
    dx, dy = at.x - x, -at.y - y
    along, across = dx * math.cos(yaw) + dy * math.sin(yaw), dy * math.cos(yaw) - dx * math.sin(yaw)
    body = solid.body
    above = at.z - solid.transform.location.z
    return abs(along) < body.length / 2.0 and abs(across) < body.width / 2.0 and above < body.height + 1.5
