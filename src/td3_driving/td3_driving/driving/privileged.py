# SPDX-License-Identifier: Apache-2.0
"""What the critic learns in training and the policy never does: the exact lane and the vehicles around.

An asymmetric critic (Pinto et al. 2018, Asymmetric Actor Critic for Image-Based Robot Learning) learns values from the
state of the simulator, while the actor learns from what a vehicle senses.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import NOBODY, Neighbours, Situation
from td3_driving.driving.reward import others_judged
from td3_driving.driving.state_vector import STATE_BOUND, StateElement, encode_map, state_elements
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings, Settings

LANE_VIEW = ObservationSettings(state="map")
"""The critic sees the lane as the ``map`` contract describes it, whatever the policy sees."""
NEAREST = 5
"""Vehicles that the critic sees, the nearest first."""
RANGE = 50.0
"""The critic sees no vehicle beyond this distance [m]."""
SPEED_SCALE = 10.0
WHO_NEEDS_OTHERS = "network.critic=privileged, learning.teacher or a term of the reward"
"""What :func:`others_needed` asks about, for messages."""
_OBJECTS = "objects and odometry"


def privileged_elements() -> tuple[StateElement, ...]:
    """The elements of the privileged vector in their order."""
    leader = (
        StateElement("gap to the next vehicle on the route", "m", RANGE, _OBJECTS),
        StateElement("closing speed to it, approaching positive", "m/s", SPEED_SCALE, _OBJECTS),
    )
    return (*state_elements(LANE_VIEW), *leader, *(part for i in range(1, NEAREST + 1) for part in _vehicle(i)))


def _vehicle(index: int) -> tuple[StateElement, ...]:
    return (
        StateElement(f"vehicle {index} is there", "0 or 1", 1.0, _OBJECTS),
        StateElement(f"vehicle {index}, forward", "m", RANGE, _OBJECTS),
        StateElement(f"vehicle {index}, left", "m", RANGE, _OBJECTS),
        StateElement(f"vehicle {index}, speed forward less the own", "m/s", SPEED_SCALE, _OBJECTS),
        StateElement(f"vehicle {index}, speed left", "m/s", SPEED_SCALE, _OBJECTS),
    )


def privileged_dim(settings: Settings) -> int:
    """Length of the privileged vector; 0 where the critic looks through the camera as the actor does."""
    return len(privileged_elements()) if settings.network.critic == "privileged" else 0


def others_needed(settings: Settings) -> bool:
    """Whether a training must be told where the other vehicles are: for its critic, its teacher or its reward."""
    return privileged_dim(settings) > 0 or settings.learning.teacher != "none" or others_judged(settings.reward)


def encode_privileged(situation: Situation, last_action: NDArray[np.float32]) -> NDArray[np.float32]:
    """The privileged vector (privileged_dim,) float32, scaled by its elements and clipped to ±5.

    Args:
        last_action: (2,) steer, drive before this instant.
    """
    vehicle = situation.vehicle
    lane = encode_map(vehicle, situation.place, situation.route, last_action, LANE_VIEW)
    gap, speed = situation.leader
    leader = (min(gap, RANGE) / RANGE, (vehicle.speed - speed) / SPEED_SCALE if gap < RANGE else 0.0)
    values = np.concatenate((lane, leader, _around(vehicle, situation.neighbours or NOBODY).ravel()))
    return np.minimum(np.maximum(values, -STATE_BOUND), STATE_BOUND).astype(np.float32)


def _around(vehicle: VehicleState, neighbours: Neighbours) -> NDArray[np.float64]:
    """(NEAREST, 5): there, forward, left, relative speed forward, speed left; zeros where there is no vehicle."""
    rows = np.zeros((NEAREST, 5))
    offset_x, offset_y = neighbours.x - vehicle.x, neighbours.y - vehicle.y
    distance = np.hypot(offset_x, offset_y)
    nearest = np.argsort(distance, kind="stable")[:NEAREST]
    nearest = nearest[distance[nearest] < RANGE]
    cosine, sine = math.cos(vehicle.yaw), math.sin(vehicle.yaw)
    x, y = offset_x[nearest], offset_y[nearest]
    turned = neighbours.yaw[nearest] - vehicle.yaw
    speed = neighbours.speed[nearest]
    there = rows[: len(nearest)]
    there[:, 0] = 1.0
    there[:, 1], there[:, 2] = (x * cosine + y * sine) / RANGE, (y * cosine - x * sine) / RANGE
    there[:, 3] = (speed * np.cos(turned) - vehicle.speed) / SPEED_SCALE
    there[:, 4] = speed * np.sin(turned) / SPEED_SCALE
    return rows
