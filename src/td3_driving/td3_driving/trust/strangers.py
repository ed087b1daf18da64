# SPDX-License-Identifier: Apache-2.0
"""The account of messages that were not believed."""

from __future__ import annotations

from collections import Counter

MOST_SENDERS = 64
"""Senders that are counted by name; the rest counts as one, so that no flood of names fills the memory."""
OTHERS = "others"


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
