# SPDX-License-Identifier: Apache-2.0
"""How much work a run does for messages that it does not believe."""

from __future__ import annotations

from collections.abc import Hashable

PER_SECOND = 200
"""Messages per second of one sender whose seals are computed while none of them was genuine.

It bounds the work and no honest sender's speed: an actor that lives through a new start of the run may send faster,
and its messages are of the start before until it hears of the new one.
"""
MOST_SENDERS = 256
"""Senders that are kept apart; with more, all of them start anew."""


class Budget:
    """Counts what senders have sent that was not believed; one that ever sent a genuine message has no limit.

    A sender may spend the seals of a second at once. Then they come back one by one, so that of a sender that goes on
    faster every few messages one is read, and the first genuine one is found soon.
    """

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._most = per_second
        self._proven: set[Hashable] = set()
        self._left: dict[Hashable, tuple[float, float]] = {}

    def exhausted(self, sender: Hashable, now: float) -> bool:
        """Whether a message of ``sender`` that came at ``now`` [s] is to be refused unread."""
        if sender is None or sender in self._proven:
            return False
        at, left = self._left.get(sender, (now, float(self._most)))
        left = min(left + self._most * (now - at), float(self._most))
        if sender not in self._left and len(self._left) >= MOST_SENDERS:
            self._left.clear()
        read = left >= 1.0
        self._left[sender] = (now, left - read)
        return not read

    def prove(self, sender: Hashable) -> None:
        """``sender`` has sent a genuine message."""
        if sender is not None and sender not in self._proven:
            self._proven.add(sender)
            self._left.pop(sender, None)
