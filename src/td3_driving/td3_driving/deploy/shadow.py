# SPDX-License-Identifier: Apache-2.0
"""Records the driver in charge, for a policy in shadow mode."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.action import ACTION_DIM

KEPT = 64
"""Commands kept: more than a second of a gate at 50 Hz."""
COUNTS_FOR = 1.0
"""Wall time after which a command is stale [s]."""


class DriverInCharge:
    """The commands of the driver in charge, by their stamps.

    A command may be heard before or after the frame that it answers, so stamps decide, not the order of arrival.
    """

    def __init__(self) -> None:
        self._heard: deque[tuple[int, NDArray[np.float32], float]] = deque(maxlen=KEPT)

    def forget(self) -> None:
        """Forget all commands."""
        self._heard.clear()

    def hear(self, stamp_ns: int, action: NDArray[np.float32], now: float) -> None:
        """Take an action (2,) stamped ``stamp_ns`` [ns], received at wall time ``now`` [s]; drop it unless finite."""
        if np.isfinite(action).all():
            self._heard.append((stamp_ns, action, now))

    def before(self, stamp_ns: int, now: float) -> NDArray[np.float32]:
        """The last action before a frame; zeros where there is none, as at the start of an episode."""
        for stamp, action, heard_at in reversed(self._heard):
            if stamp < stamp_ns and now - heard_at < COUNTS_FOR:
                return action
        return np.zeros(ACTION_DIM, dtype=np.float32)

    def answer_to(self, stamp_ns: int) -> NDArray[np.float32] | None:
        """The first action at or after a frame; None where it has not been heard."""
        return next((action for stamp, action, _ in self._heard if stamp >= stamp_ns), None)
