# SPDX-License-Identifier: Apache-2.0
"""A reference driver in the place of the policy under training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import Situation
from td3_driving.driving.episode_driver import EpisodeDriver
from td3_driving.driving.observation import Observation
from td3_driving.learning.weights import PolicySnapshot
from td3_driving.settings import Settings


class DriverActionSource:
    """A reference driver; needs no learner.

    Args:
        steps: that it takes; those of the run if left out.
    """

    def __init__(self, settings: Settings, driver: EpisodeDriver, steps: int | None = None) -> None:
        self._driver = driver
        self.steps = settings.run.steps if steps is None else steps
        self.first_step = self.gone = 0
        self.noise = 0.0

    def offer(self, weights: PolicySnapshot) -> None:
        """Does nothing: a reference driver has no weights."""

    def note_gone(self, steps: int) -> None:
        """Does nothing: no learner loses steps of a reference driver."""

    def before_first_step(self) -> str:
        return ""

    def before_publishing(self, published: int) -> str:
        return ""

    def before_acting(self, published: int) -> str:
        return ""

    def begin(self, seed: int) -> None:
        self._driver.begin(seed)

    def choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        return self._driver.act(situation), 0
