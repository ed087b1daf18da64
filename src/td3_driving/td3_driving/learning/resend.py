# SPDX-License-Identifier: Apache-2.0
"""The last steps of an actor, to be sent again where one was lost."""

from __future__ import annotations

from collections import deque

KEPT_BYTES = 64 * 2**20
BATCH = 500
"""Steps that are sent again at a time: fewer than a publisher keeps for a subscriber."""
PATIENCE = 1.9
"""Wall time that the learner must have waited for one and the same step [s]; its status comes once a second."""


class SentSteps:
    """Keeps what was sent, and finds out what the learner still waits for.

    Args:
        most: bytes to keep.

    Attributes:
        sent: steps that were sent; the sequence number of the next one.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._kept: deque[bytes] = deque()
        self._most, self._bytes = most, 0
        self.sent = 0
        self._asked: tuple[int, float] | None = None

    @property
    def oldest(self) -> int:
        """Sequence number of the oldest step that is kept."""
        return self.sent - len(self._kept)

    def keep(self, data: bytes) -> None:
        """Keep the step that was sent last."""
        self._kept.append(data)
        self._bytes += len(data)
        self.sent += 1
        while self._bytes > self._most and len(self._kept) > 1:
            self._bytes -= len(self._kept.popleft())

    def due(self, expected: int, idle: bool, now: float) -> list[bytes]:
        """The steps to send again; from the oldest one that is kept where those before it are gone.

        Args:
            expected: sequence number that the learner expects next.
            idle: it has no updates left to do, so it takes what comes.
            now: wall time [s].
        """
        if not idle or expected >= self.sent:
            self._asked = None
            return []
        if self._asked is None or self._asked[0] != expected:
            self._asked = (expected, now)
            return []
        if now - self._asked[1] < PATIENCE:
            return []
        self._asked = (expected, now)
        first = max(expected - self.oldest, 0)
        return list(self._kept)[first : first + BATCH]
