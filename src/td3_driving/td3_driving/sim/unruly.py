# SPDX-License-Identifier: Apache-2.0
"""Unexpected acts of the traffic's drivers: braking hard, and taking the right of way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HARD_BRAKING = 6.0
"""Deceleration of a vehicle that brakes for no reason [m/s²]."""
BRAKED_SPEED, BRAKING_TIME = 1.5, 2.0
"""Speed at which that ends [m/s], and the time that it takes at most [s]."""


@dataclass(frozen=True, slots=True)
class Unruly:
    """Rates of the unexpected acts.

    Attributes:
        hard_braking: of one vehicle [1/min].
        pushing_in: share of junctions that a vehicle enters although the ego is about to, and should go first.
    """

    hard_braking: float = 0.0
    pushing_in: float = 0.0


ORDERLY = Unruly()


class Whims:
    """The drawn acts of all vehicles of the traffic.

    Attributes:
        pushes: (N,) bool, whether a vehicle pushes in at the next junction.
    """

    def __init__(self, unruly: Unruly) -> None:
        self._unruly = unruly
        self.renew(0, np.random.default_rng(0))

    def renew(self, count: int, rng: np.random.Generator, hard_braking: float = 0.0) -> None:
        """Begin with ``count`` new vehicles that brake hard at least so often [1/min]; ``rng`` draws their acts."""
        self._rng, self._hard_braking = rng, max(self._unruly.hard_braking, hard_braking)
        self._braking = np.zeros(count)
        self.pushes = np.zeros(count, dtype=bool)
        for vehicle in range(count):
            self.choose_again(vehicle)

    def choose_again(self, vehicle: int) -> None:
        """Draw whether a vehicle on a new lane will push in at the next junction."""
        if self._unruly.pushing_in > 0.0:
            self.pushes[vehicle] = self._rng.random() < self._unruly.pushing_in

    def braked(self, acceleration: NDArray[np.float64], speed: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
        """Acceleration (N,) [m/s²] of vehicles at ``speed`` [m/s] in the next ``dt`` [s], where some brake hard."""
        chance = self._hard_braking / 60.0 * dt
        if chance <= 0.0:
            return acceleration
        begins = (self._rng.random(len(speed)) < chance) & (self._braking <= 0.0)
        self._braking = np.where(begins, BRAKING_TIME, np.maximum(self._braking - dt, 0.0))
        self._braking[speed < BRAKED_SPEED] = 0.0
        return np.where(self._braking > 0.0, np.minimum(acceleration, -HARD_BRAKING), acceleration)
