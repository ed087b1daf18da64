# SPDX-License-Identifier: Apache-2.0
"""Pictures of the embedded simulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.camera import Camera
from td3_driving.sim.world import World


def shot(world: World, camera: Camera) -> NDArray[np.uint8]:
    """The next frame of the world (H, W, 4), blue first."""
    frame = world.tick()
    return np.array(camera.render(frame.ego, frame.vehicles))
