# SPDX-License-Identifier: Apache-2.0
"""Bundles of three policies, a straight road, and what a vehicle on it sees."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from td3_driving.deploy.bundle import read_bundle
from td3_driving.deploy.driver import DeployedDriver, TimedFrame
from td3_driving.deploy.runtime import Loaded, start
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState

from ..nodes.policy_bundle import make_bundle, small_settings

FRAME_NS = 50_000_000
SETTINGS = {
    "sensors": small_settings(),
    "map": small_settings(observation__state="map"),
    "colour": small_settings(observation__colour="colour", observation__stack_stride=4),
}
"""Of three policies with different eyes."""
LOADED, OTHER = start(read_bundle(make_bundle())), start(read_bundle(make_bundle(seed=1)))
STRAIGHT = Route(np.array([(0.0, 0.0), (1000.0, 0.0)]))
RANDOM = np.random.default_rng(0)


def state_at(number: int, x: float = 5.0, speed: float = 0.0, **changes: Any) -> VehicleState:
    still = VehicleState(10**9 + number * FRAME_NS, x, 0.0, 0.0, 0.0, speed, 0.0, 0.0)
    return replace(still, **changes)


def timed_frame() -> TimedFrame:
    return TimedFrame(RANDOM.integers(0, 256, (36, 36), dtype=np.uint8), 0.0)


@cache
def loaded(name: str) -> Loaded:
    return start(read_bundle(make_bundle(SETTINGS[name])))


def driver_of(name: str) -> DeployedDriver:
    driver = DeployedDriver(loaded(name))
    driver.take_route(STRAIGHT)
    return driver
