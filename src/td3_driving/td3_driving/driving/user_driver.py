# SPDX-License-Identifier: Apache-2.0
"""A driver from outside the package, and what its actions must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from td3_driving.plugins import PluginFault

if TYPE_CHECKING:
    from td3_driving.driving.drivers import Driver, Situation


class UserDriver:
    """A user's driver of one episode. Its actions are looked at before anybody drives or learns by them.

    Args:
        who: names it in errors.

    Raises:
        PluginFault: ``driver`` is none.
    """

    def __init__(self, who: str, driver: Driver) -> None:
        if not callable(getattr(driver, "act", None)):
            raise PluginFault(f"{who}: make returned {driver!r}, which has no method act")
        self._who, self._driver = who, driver

    def act(self, situation: Situation) -> NDArray[np.float32]:
        """The driver's action (2,) float32.

        Raises:
            PluginFault: it is no pair of numbers in -1 .. 1.
        """
        given = self._driver.act(situation)
        try:
            action = np.asarray(given, dtype=np.float32)
        except (ValueError, TypeError):
            action = np.zeros(0, dtype=np.float32)
        if action.shape != (2,) or not (np.abs(action) <= 1.0).all():
            raise PluginFault(f"{self._who}: act returned {given!r}, not (steer, drive), each in -1 .. 1")
        return action
