# SPDX-License-Identifier: Apache-2.0
"""A reference driver over many episodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import Driver, Situation, reference_driver


class EpisodeDriver:
    """Drives every episode with a driver of its own, so that no integral and no draw reaches from one into the next.

    Args:
        make: the driver of an episode for its seed.
        seed: of the driver before the first episode.
    """

    def __init__(self, make: Callable[[int], Driver], seed: int = 0) -> None:
        self._make = make
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """An episode with this ``seed`` begins."""
        self._driver = self._make(seed)

    def act(self, situation: Situation) -> NDArray[np.float32]:
        """The action of this episode's driver."""
        return self._driver.act(situation)


def episode_driver(name: str, target_speed: float, frame_time: float, seed: int, role: str = "driver") -> EpisodeDriver:
    """The driver called ``name`` for one episode after the other; see :class:`ReferenceDriver`.

    Raises:
        PluginError: there is none.
    """
    made = reference_driver(name, role)
    return EpisodeDriver(lambda episode: made.make(target_speed, frame_time, episode), seed)
