# SPDX-License-Identifier: Apache-2.0
"""Waits of a node: each has a reason, is reported after a while, and is given up in the end."""

from __future__ import annotations

REPORT_AFTER = 2.0
"""A wait longer than this is reported with its reason [s]."""


class Waiting:
    """What a node is waiting for right now.

    Args:
        timeout: wall time after which a wait is given up [s].
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.reason = ""
        self._since = 0.0
        self._reported = False

    def begin(self, reason: str, now: float) -> None:
        """Wait for ``reason``; a wait that goes on for the same reason keeps its start."""
        if reason != self.reason:
            self.reason, self._since, self._reported = reason, now, False

    def end(self) -> None:
        """End the wait: what it was for has come."""
        self.reason = ""

    def age(self, now: float) -> float:
        """How long the wait has lasted [s]; 0 without one."""
        return now - self._since if self.reason else 0.0

    def report(self, now: float) -> str:
        """The reason of a long wait, once per wait; else an empty text."""
        if not self.reason or self._reported or self.age(now) < REPORT_AFTER:
            return ""
        self._reported = True
        return f"waiting for {self.reason} ({self.age(now):.1f} s so far, gives up after {self.timeout:.0f} s)"

    def expired(self, now: float) -> bool:
        """Whether the wait must be given up."""
        return self.age(now) > self.timeout
