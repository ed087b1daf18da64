# SPDX-License-Identifier: Apache-2.0
"""The sensors that a policy looks through, and what becomes of their images before the policy sees them."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.driving.cameras import FRONT, MountedCamera, cameras
from td3_driving.driving.observation import ENCODINGS, kept_rows
from td3_driving.settings import Settings


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor of the observation contract.

    Attributes:
        name: what it is.
        role: of its topic.
        encodings: of its images that can be used.
        width, height, fov_deg: of its images in training [px, px, deg]; others of the same shape are scaled alike.
        crop_top, crop_bottom: rows of such an image that are cut off [px].
        colour: ``grey`` or ``colour``, see :data:`td3_driving.driving.observation.PLANES`.
        frame_width, frame_height: of what is left, as the policy sees it [px].
        rate_hz: images per second.
        stack, stride: frames that the policy sees at a time, and images from one of them to the next.
    """

    name: str
    role: str
    encodings: tuple[str, ...]
    width: int
    height: int
    fov_deg: float
    crop_top: int
    crop_bottom: int
    colour: str
    frame_width: int
    frame_height: int
    rate_hz: float
    stack: int
    stride: int


def sensors(settings: Settings) -> tuple[Sensor, ...]:
    """The sensors in the order in which their planes lie in a frame."""
    return tuple(_camera(camera, settings) for camera in cameras(settings.observation))


def _camera(camera: MountedCamera, settings: Settings) -> Sensor:
    simulator, seen = settings.simulator, settings.observation
    first, last = kept_rows(simulator.camera_height, seen)
    return Sensor(
        name="front camera" if camera is FRONT else camera.name,
        role="camera",
        encodings=tuple(ENCODINGS),
        width=simulator.camera_width,
        height=simulator.camera_height,
        fov_deg=simulator.camera_fov,
        crop_top=first,
        crop_bottom=simulator.camera_height - last,
        colour=seen.colour,
        frame_width=seen.frame_width,
        frame_height=seen.frame_height,
        rate_hz=round(1.0 / simulator.fixed_delta, 6),
        stack=seen.stack,
        stride=seen.stack_stride,
    )
