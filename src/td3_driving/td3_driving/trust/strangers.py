# SPDX-License-Identifier: Apache-2.0
"""The account of messages that were not believed."""

from __future__ import annotations

from collections import Counter

MOST_SENDERS = 64
"""Senders that are counted by name; the rest counts as one, so that no flood of names fills the memory."""
OTHERS = "others"
PATIENCE = 120.0
"""Wall time that a process has to go over to a new start of its run [s].

It hears of the start from a learner that loads its memory first, and a link may be cut meanwhile.
"""
TOPICS_OF_AN_ACTOR = 4
"""Topics on which an actor's messages belong to one start: reward, episode, evaluation, refusals."""
PROCESS = 12
"""Bytes of a GUID that the publishers of one process share."""


class Strangers:
    """Counts messages that were not believed, by topic and sender.

    Attributes:
        last: the sender of the last one in words; "" if there was none.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.last = ""

    @property
    def total(self) -> int:
        """Messages that were not believed."""
        return self._counts.total()

    def note(self, sender: str, count: int = 1) -> None:
        """Count ``count`` messages of ``sender``."""
        known = sender in self._counts or len(self._counts) < MOST_SENDERS
        self._counts[sender if known else OTHERS] += count
        self.last = sender

    def by_sender(self) -> dict[str, int]:
        """Messages per sender, the most first."""
        return dict(self._counts.most_common())


class Latecomers:
    """Senders of messages that an earlier start of the run has sealed.

    A process that lived through the start sends such messages until it hears of it. A sender from which no message of
    this start follows repeats what it recorded: it is a stranger.

    Args:
        actors: of the run; as many may go over at a time.
    """

    def __init__(self, actors: int = 1) -> None:
        self._most = MOST_SENDERS + TOPICS_OF_AN_ACTOR * actors
        self._waiting: dict[tuple[str, bytes | None], tuple[float, int]] = {}

    def note(self, topic: str, sender: bytes | None, now: float) -> bool:
        """Count a message that came at ``now`` [s]; returns whether its sender is to be waited for."""
        since, count = self._waiting.get((topic, sender), (now, 0))
        if not count and len(self._waiting) >= self._most:
            return False
        self._waiting[topic, sender] = (since, count + 1)
        return True

    def repeats(self, topic: str, sender: bytes | None) -> bool:
        """Count a message that nobody has read, if its sender is waited for; returns whether it is."""
        since, count = self._waiting.get((topic, sender), (0.0, 0))
        if count:
            self._waiting[topic, sender] = (since, count + 1)
        return bool(count)

    def clear(self, topic: str, sender: bytes | None) -> None:
        """``sender`` has sent a message of this start, so its process has gone over; some topics are seldom written.

        Where ROS 2 tells no GUID, all senders of a topic are one.
        """
        if sender is None:
            self._waiting.pop((topic, None), None)
            return
        for key in [key for key in self._waiting if key[1] is not None and key[1][:PROCESS] == sender[:PROCESS]]:
            del self._waiting[key]

    def overdue(self, now: float) -> list[tuple[str, bytes | None, int]]:
        """Topic, sender and messages of those that were waited for in vain; they are forgotten."""
        found = [(key, count) for key, (since, count) in self._waiting.items() if now - since >= PATIENCE]
        for key, _ in found:
            del self._waiting[key]
        return [(topic, sender, count) for (topic, sender), count in found]
