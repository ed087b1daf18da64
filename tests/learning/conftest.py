# SPDX-License-Identifier: Apache-2.0
"""Small settings and made-up messages for the tests of the learning core."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import pytest

from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import frame_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.settings import Settings

STATE_DIM = 3


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests of this folder."""


@pytest.fixture(scope="session")
def message() -> Callable[..., Experience]:
    """A valid message whose frame, state and privileged vector are derived from ``tag``."""

    def make(settings: Settings, sequence: int, tag: int = 0, final: bool = False, **changes: Any) -> Experience:
        shape, privileged = frame_shape(settings.observation), privileged_dim(settings)
        reward = float(changes.pop("reward", tag / 1000))
        values: dict[str, Any] = {
            "actor_id": "actor_0",
            "session_id": 1,
            "sequence": sequence,
            "episode_id": 0,
            "step_index": sequence,
            "config_hash": settings.digest(),
            "policy_version": 0,
            "frame": np.full(shape, tag % 251, np.uint8),
            "state": np.full(STATE_DIM, tag, np.float32),
            "action": np.zeros(2, np.float32),
            "reward": reward,
            "reward_terms": np.array([reward, 0.0, 0.0, 0.0, 0.0]),
            "privileged": np.full(privileged, tag + 0.5, np.float32),
        }
        if final:
            values |= {
                "final_frame": np.full(shape, (tag + 1) % 251, np.uint8),
                "final_state": np.full(STATE_DIM, tag + 1, np.float32),
                "final_privileged": np.full(privileged, tag + 1.5, np.float32),
            }
        return Experience(**(values | changes))

    return make
