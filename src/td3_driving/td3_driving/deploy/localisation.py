# SPDX-License-Identifier: Apache-2.0
"""How far a vehicle's positions may lie from one another and from the route before they tell something else.

A policy that sees by its ``sensors`` was trained with positions that are wrong (``localisation.*``): what that error
explains is no reason to stop or to forget. A policy of the ``map`` contract was trained with exact ones.
"""

from __future__ import annotations

import math

from td3_driving.driving.state_vector import LATERAL_SCALE, STATE_BOUND
from td3_driving.settings import LocalisationSettings

MAP_FARTHEST = LATERAL_SCALE * STATE_BOUND
"""Distance from the route beyond which the ``map`` state no longer tells how far it is [m]."""
MAP_JUMP = 3.0
"""Distance by which an exact pose may differ from what the speed explains [m]."""
LANE = 2.0
"""Distance from the route within which a policy is trained [m]."""
DEVIATIONS = 4.0
"""Standard deviations of the error that a distance from the route may have beyond the lane."""
JUMP_PROBABILITY = 1e-9
"""That noise alone moves a position farther than :func:`longest_jump`: once in 14,000 hours at 20 Hz."""


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
    """Distance between two positions that motion does not explain, beyond which the vehicle was moved [m].

    Two positions whose axes have independent errors of standard deviation ``sigma`` lie farther than ``d`` from one
    another with the probability ``p = exp(-d^2 / (4 sigma^2))`` (Rayleigh distribution of scale ``sqrt(2) sigma``), so
    ``d = 2 sigma sqrt(-ln p)``. Errors that change slowly jump less; a bias does not jump at all.
    """
    if error is None:
        return MAP_JUMP
    return round(max(MAP_JUMP, 2.0 * error.position_noise * math.sqrt(-math.log(JUMP_PROBABILITY))), 3)
