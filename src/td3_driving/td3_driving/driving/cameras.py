# SPDX-License-Identifier: Apache-2.0
"""The cameras on the vehicle: the front one, and those of the user's that ``observation.cameras`` names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from td3_driving.bounded import import_paths
from td3_driving.plugins import PluginError, load
from td3_driving.settings import ObservationSettings

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


def cameras(settings: ObservationSettings) -> tuple[MountedCamera, ...]:
    """All cameras in the order in which their planes lie in a frame."""
    return (FRONT, *own_cameras(settings.cameras))


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
