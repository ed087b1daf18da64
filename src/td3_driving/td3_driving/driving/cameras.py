# SPDX-License-Identifier: Apache-2.0
"""The cameras on the vehicle: the front one, and those of the user's that ``observation.cameras`` names."""

from __future__ import annotations

from td3_driving.settings_observation import FRONT, MountedCamera, ObservationSettings, own_cameras

__all__ = ["FRONT", "MountedCamera", "cameras"]


def cameras(settings: ObservationSettings) -> tuple[MountedCamera, ...]:
    """All cameras in the order in which their planes lie in a frame."""
    return (FRONT, *own_cameras(settings.cameras))
