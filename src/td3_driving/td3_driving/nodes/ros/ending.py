# SPDX-License-Identifier: Apache-2.0
"""Lets a node publish its last messages after a request to end."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any

from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.signals import uninstall_signal_handlers

LAST_WORDS = 0.5
"""Wall time for the last messages of a node to arrive [s]: a listener may be frozen."""


def await_arrival(*publishers: Publisher[Any]) -> None:
    """Wait until every reliable listener has what was published, :data:`LAST_WORDS` at most in all.

    A subscriber loses every message it has not received when the publisher ends.
    """
    deadline = time.monotonic() + LAST_WORDS
    for publisher in publishers:
        publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic())))


class Ending:
    """Tells whether the process was asked to end.

    Attributes:
        asked: SIGINT or SIGTERM came since :meth:`listen`.
    """

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Take both signals from rclpy, which would end the context at once and with it every publisher.

        The handlers stay: a second signal must not cut off the last message.
        """
        uninstall_signal_handlers()
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
