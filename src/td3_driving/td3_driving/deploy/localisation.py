# SPDX-License-Identifier: Apache-2.0
"""Bounds on position jumps and on the distance from the route, given the localisation error of training.

A policy of state ``sensors`` was trained with position errors (``localisation.*``): a deviation that such an error
explains is no reason to stop or to restart. A policy of state ``map`` was trained with exact positions.
"""

from __future__ import annotations

import math

from td3_driving.driving.state_vector import LATERAL_SCALE, STATE_BOUND
from td3_driving.settings import LocalisationSettings

MAP_FARTHEST = LATERAL_SCALE * STATE_BOUND
"""Distance from the route beyond which the ``map`` state saturates [m]."""
MAP_JUMP = 3.0
"""Distance by which an exact pose may differ from what the speed explains [m]."""
LANE = 2.0
"""Distance from the route within which a policy is trained [m]."""
DEVIATIONS = 4.0
"""Standard deviations of the error that a distance from the route may have beyond the lane."""
JUMP_PROBABILITY = 1e-9
"""Probability that noise alone exceeds :func:`longest_jump`: once in 14,000 hours at 20 Hz."""


def farthest_from_route(error: LocalisationSettings | None) -> float:
    """Distance from the route beyond which the policy does not drive [m]; ``None`` stands for exact positions.

    Within it the vehicle may be in its lane, and the error of training explains the rest: noise and bias of both axes
    add up to a standard deviation of ``hypot(noise, bias)`` across the route.
    """
    if error is None:
        return MAP_FARTHEST
    explained = DEVIATIONS * math.hypot(error.position_noise, error.position_bias)
    return round(max(MAP_FARTHEST, LANE + explained), 3)


def longest_jump(error: LocalisationSettings | None) -> float:
    """Greatest jump between two positions, beyond the driven distance, that noise explains [m].

    Two positions whose axes have independent errors of standard deviation ``sigma`` lie farther than ``d`` from one
    another with the probability ``p = exp(-d^2 / (4 sigma^2))`` (Rayleigh distribution of scale ``sqrt(2) sigma``), so
    ``d = 2 sigma sqrt(-ln p)``. Errors that change slowly jump less; a bias does not jump at all.
    """
    if error is None:
        return MAP_JUMP
    return round(max(MAP_JUMP, 2.0 * error.position_noise * math.sqrt(-math.log(JUMP_PROBABILITY))), 3)
