"""For nodes that have something to say after they were asked to end."""

from __future__ import annotations

import signal
from types import FrameType

from rclpy.signals import uninstall_signal_handlers


class Ending:
    """Whether somebody asked for the end.

    Attributes:
        asked: SIGINT or SIGTERM came since :meth:`listen`.
    """

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Take both signals from rclpy, which would end the context at once and with it every publisher.

        They stay taken: a second signal shall not cut off the last message.
        """
        uninstall_signal_handlers()
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
