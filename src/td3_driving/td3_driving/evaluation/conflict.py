# SPDX-License-Identifier: Apache-2.0
"""Time to collision, if every vehicle keeps its velocity and its heading.

A surrogate measure after Hayward 1972 for two dimensions: the time until the oriented boxes of the ego and of another
vehicle overlap. Looked for in steps of 0.1 s up to a horizon; the time of the first overlapping step is given.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.collision import Box, overlaps

HORIZON = 5.0
"""A conflict later than this is none [s]."""
STEP = 0.1
"""Resolution [s]."""
THRESHOLDS = (1.0, 1.5, 2.0)
"""Times for which the share of the steps below is reported [s]."""


def time_to_collision(ego: Box, speed: float, boxes: NDArray[np.float64], speeds: NDArray[np.float64]) -> float:
    """Least time to collision of the ego with any other vehicle [s]; infinite if none comes within the horizon.

    Args:
        ego: of the ego, and its speed along its heading [m/s].
        boxes: (N, 5) of the others, rows like :data:`~td3_driving.sim.collision.Box`.
        speeds: (N,) of the others along their heading [m/s].
    """
    velocity = np.array([math.cos(ego[2]), math.sin(ego[2])]) * speed
    others = np.stack((np.cos(boxes[:, 2]), np.sin(boxes[:, 2])), axis=1) * speeds[:, None]
    near = _may_meet(np.array(ego), velocity, boxes, others)
    boxes, relative = boxes[near], others[near] - velocity
    for step in range(round(HORIZON / STEP) + 1 if len(boxes) else 0):
        moved = boxes.copy()
        moved[:, :2] += relative * (step * STEP)
        if overlaps(ego, moved).any():
            return step * STEP
    return math.inf


def _may_meet(
    ego: NDArray[np.float64], velocity: NDArray[np.float64], boxes: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(N,) bool: whose circumscribed circle meets the ego's within the horizon; the others cannot touch it."""
    offset, relative = boxes[:, :2] - ego[:2], others - velocity
    reach = 0.5 * (math.hypot(ego[3], ego[4]) + np.hypot(boxes[:, 3], boxes[:, 4]))
    square = np.maximum((relative**2).sum(axis=1), 1e-12)
    nearest = np.clip(-(offset * relative).sum(axis=1) / square, 0.0, HORIZON)
    gap = offset + relative * nearest[:, None]
    return np.asarray(np.hypot(gap[:, 0], gap[:, 1]) < reach)
