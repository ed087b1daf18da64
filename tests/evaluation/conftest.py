# SPDX-License-Identifier: Apache-2.0
"""Made-up episodes for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import Settings, from_flat

from ..shared import tiny

DT = 0.05
EMPTY = {
    "simulator.map": "straight",
    "simulator.vehicles": 0,
    **tiny.CAMERA,
    **tiny.LEARNER,
}


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests of this folder."""


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """Settings of an empty straight road and a tiny network; keyword ``group__name`` overrides ``group.name``."""

    def make(**changes: Any) -> Settings:
        return from_flat(EMPTY | {key.replace("__", "."): value for key, value in changes.items()})

    return make


@pytest.fixture(scope="session")
def along() -> Callable[..., VehicleState]:
    """A vehicle on the x axis at frame ``index``."""

    def make(index: int, x: float, y: float = 0.0, speed: float = 10.0, yaw: float = 0.0) -> VehicleState:
        return VehicleState(round(index * DT * 1e9), x, y, 0.0, yaw, speed, 0.0, 0.0)

    return make


@pytest.fixture(scope="session")
def straight() -> Callable[[float], Route]:
    """A route along the x axis of a given length [m]."""

    def make(length: float) -> Route:
        points: Sequence[tuple[float, float]] = [(x, 0.0) for x in np.linspace(0.0, length, round(length) + 1)]
        return Route(np.array(points))

    return make
