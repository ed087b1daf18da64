# SPDX-License-Identifier: Apache-2.0
"""From the policy's action to the vehicle's pedals and wheel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ACTION_DIM = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A vehicle command in CARLA's meaning: throttle and brake in [0, 1], steer in [-1, 1] with right positive."""

    throttle: float
    brake: float
    steer: float


FULL_STOP = Command(throttle=0.0, brake=1.0, steer=0.0)


def to_command(action: NDArray[np.float32]) -> Command:
    """The command of an action (2,): steer, and one axis that is throttle when positive, brake when negative.

    Raises:
        ValueError: the action has another shape or is not finite.
    """
    if np.shape(action) != (ACTION_DIM,) or not all(map(math.isfinite, action)):
        raise ValueError(f"action {action!r} is not a finite vector of {ACTION_DIM}")
    steer, drive = (min(max(float(value), -1.0), 1.0) for value in action)
    return Command(throttle=max(drive, 0.0), brake=max(-drive, 0.0), steer=steer)
