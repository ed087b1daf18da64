# SPDX-License-Identifier: Apache-2.0
"""How much work a run does for messages that it does not believe."""

from __future__ import annotations

from collections.abc import Hashable

PER_SECOND = 200
"""Messages per second of one sender whose seals are computed while none of them was genuine."""
MOST_SENDERS = 256
"""Senders that are kept apart; with more, all of them start anew."""


class Budget:
    """Counts what senders have sent that was not believed; one that ever sent a genuine message has no limit."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._most = per_second
        self._proven: set[Hashable] = set()
        self._spent: dict[Hashable, tuple[float, int]] = {}

    def exhausted(self, sender: Hashable, now: float) -> bool:
        """Whether a message of ``sender`` that came at ``now`` [s] is to be refused unread."""
        if sender is None or sender in self._proven:
            return False
        since, count = self._spent.get(sender, (now, 0))
        if now - since >= 1.0:
            since, count = now, 0
        if sender not in self._spent and len(self._spent) >= MOST_SENDERS:
            self._spent.clear()
        self._spent[sender] = (since, count + 1)
        return count >= self._most

    def prove(self, sender: Hashable) -> None:
        """``sender`` has sent a genuine message."""
        if sender is not None and sender not in self._proven:
            self._proven.add(sender)
            self._spent.pop(sender, None)
