# SPDX-License-Identifier: Apache-2.0
"""The smallest settings that learn from pictures, which many tests add their own to."""

from __future__ import annotations

from typing import Any

from td3_driving.settings import Settings, from_flat

NETWORK = {
    "observation.frame_height": 36,
    "observation.frame_width": 36,
    "network.encoder": "small",
    "network.features": 16,
    "network.hidden": 16,
}
LEARNER = {
    **NETWORK,
    "learning.batch_size": 8,
    "learning.threads": 1,
    "replay.on_disk": False,
    "replay.capacity": 200,
}
CAMERA = {"simulator.camera_width": 64, "simulator.camera_height": 36}
SMALL = {
    **LEARNER,
    "observation.stack": 3,
    "pacing.learning_starts": 20,
    "pacing.train_freq": 5,
    "pacing.gradient_steps": 2,
    "pacing.checkpoint_period": 10**9,
    "run.steps": 60,
    "run.log_period": 10,
}


def small_settings(**changes: Any) -> Settings:
    """Settings of a tiny learner that runs for 60 steps; keyword ``group__name`` overrides ``group.name``."""
    return from_flat(SMALL | {key.replace("__", "."): value for key, value in changes.items()})
