# SPDX-License-Identifier: Apache-2.0
"""Settings of what the policy sees, and the cameras and elements of the state vector that a user adds to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from td3_driving.bounded import Bounded, SettingsError, choice, import_paths, number, plugins
from td3_driving.plugins import PluginError, load

FARTHEST = 10.0
"""Greatest distance of a camera from the vehicle's origin along an axis [m]."""


@dataclass(frozen=True, slots=True)
class MountedCamera:
    """Where a camera sits and looks, in the vehicle frame (x forward, y left, z up).

    All cameras of a policy have the size of image, the field of view, the crop and the colour that the settings say.

    Attributes:
        name: a lower-case identifier; the images are on ``carla/ego_vehicle/<name>/image``.
        x, y, z: place [m]; the origin is on the ground, between the rear and the front axle.
        yaw: direction, left positive [rad]; 0 looks ahead.
    """

    name: str
    x: float
    y: float
    z: float
    yaw: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether name and place can be those of a camera."""
        near = all(abs(value) <= FARTHEST for value in (self.x, self.y, self.z))
        return self.name.isidentifier() and self.name.islower() and near and abs(self.yaw) <= math.tau


FRONT = MountedCamera("rgb_front", 2.0, 0.0, 2.0)


@dataclass(frozen=True, slots=True)
class StateElement:
    """One element of a vector.

    Attributes:
        name: what it is, with its sign.
        unit: of the quantity before it is scaled.
        scale: what the quantity is divided by.
        source: the sensor or topic that it comes from.
    """

    name: str
    unit: str
    scale: float
    source: str


@dataclass(frozen=True, slots=True)
class OwnElement:
    """An element of a user's: its row in the table, and where its number comes from.

    Attributes:
        element: name, unit, scale and source.
        value: from a :class:`td3_driving.driving.state_vector.Sensed` to the quantity in ``element.unit``; must depend
            on its argument alone.
    """

    element: StateElement
    value: Callable[[Any], float]


@dataclass(frozen=True)
class ObservationSettings(Bounded):
    """What the policy sees: the contract between camera, policy and vehicle."""

    state: str = choice(
        "sensors", ("sensors", "map"), "sensors: what a vehicle without exact localisation knows; map: the exact lane"
    )
    frame_height: int = number(84, 24, 256, "rows of the frame", "px")
    frame_width: int = number(84, 24, 256, "columns of the frame", "px")
    colour: str = choice("grey", ("grey", "colour"), "grey: one plane; colour: red, green and blue")
    crop_top: float = number(0.0, 0.0, 0.8, "share of the camera image that is cut off at the top")
    crop_bottom: float = number(0.0, 0.0, 0.8, "share of the camera image that is cut off at the bottom")
    stack: int = number(4, 1, 8, "frames stacked into one observation")
    stack_stride: int = number(1, 1, 20, "frames from one frame of the stack to the next")
    route_points: int = number(10, 1, 50, "state map: route points ahead of the vehicle")
    route_spacing: float = number(2.0, 0.5, 20.0, "state map: distance between two route points", "m")
    waypoints: int = number(3, 1, 20, "state sensors: waypoints ahead of the vehicle")
    waypoint_spacing: float = number(20.0, 10.0, 100.0, "state sensors: distance between two waypoints", "m")
    elements: str = plugins("import paths of own elements of the state vector, behind those of the package")
    cameras: str = plugins("import paths of own cameras beside the front one; their planes follow its planes")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop_top + self.crop_bottom > 0.9:
            raise SettingsError(
                f"ObservationSettings: crop_top {self.crop_top} and crop_bottom {self.crop_bottom}"
                " leave less than 0.1 of the image"
            )
        own_elements(self.elements)
        own_cameras(self.cameras)


@cache
def own_elements(paths: str) -> tuple[OwnElement, ...]:
    """What the import ``paths`` of ``observation.elements`` lead to.

    Raises:
        PluginError: a path leads to nothing, or to something that is no :class:`OwnElement` of a positive scale.
    """
    found = []
    for path in import_paths(paths):
        own = load(path, role="observation.elements")
        if not isinstance(own, OwnElement) or not 0.0 < own.element.scale < math.inf:
            raise PluginError(f"observation.elements: {path!r} is no OwnElement with a positive scale")
        found.append(own)
    return tuple(found)


@cache
def own_cameras(paths: str) -> tuple[MountedCamera, ...]:
    """What the import ``paths`` of ``observation.cameras`` lead to.

    Raises:
        PluginError: a path leads to nothing, to no :class:`MountedCamera`, or two cameras have one name.
    """
    found: list[MountedCamera] = []
    for path in import_paths(paths):
        camera = load(path, role="observation.cameras")
        if not isinstance(camera, MountedCamera) or not camera.usable:
            raise PluginError(
                f"observation.cameras: {path!r} is no MountedCamera with a lower-case name, within {FARTHEST:g} m"
            )
        if camera.name in (FRONT.name, *(other.name for other in found)):
            raise PluginError(f"observation.cameras: {path!r}: there is a camera {camera.name} already")
        found.append(camera)
    return tuple(found)
