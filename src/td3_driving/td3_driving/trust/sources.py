# SPDX-License-Identifier: Apache-2.0
"""Whether all that comes on a topic comes from one publisher."""

from __future__ import annotations

import enum

PROCESS = 12
"""Bytes of a GUID that tell the process; the rest tells the publisher within it."""
MOST = 64
"""Publishers of one topic that are remembered."""


def process_of(guid: bytes | None) -> bytes:
    """The process whose publisher has this GUID; empty where ROS 2 does not tell: for ``None`` and for zeros."""
    process = (guid or b"")[:PROCESS]
    return process if any(process) else b""


class Whose(enum.Enum):
    """Whose message it is."""

    SAME = "the publisher's"
    CHANGED = "another publisher's"
    STRANGER = "a stranger's"


class TopicSource:
    """The publisher of one topic, by its GUID.

    A publisher that was started anew takes the place of one that has fallen silent. A publisher that came later, while
    the earlier one goes on, is a stranger, whatever its name.
    """

    def __init__(self) -> None:
        self._order: list[bytes] = []
        self._strangers: dict[bytes, None] = {}
        self._fresh: list[bytes] = []

    @property
    def publisher(self) -> bytes | None:
        """The GUID of the publisher; ``None`` before its first message."""
        return self._order[-1] if self._order else None

    def judge(self, guid: bytes | None) -> Whose:
        """Take a message of the publisher ``guid``; ``None`` where ROS 2 does not tell, and then all are one's."""
        if guid is None or (self._order and guid == self._order[-1]):
            return Whose.SAME
        if guid in self._strangers:
            return Whose.STRANGER
        if guid in self._order:
            self._expose(self._order.index(guid) + 1)
            return Whose.SAME
        self._order.append(guid)
        del self._order[:-MOST]
        return Whose.CHANGED if len(self._order) > 1 else Whose.SAME

    def pop_strangers(self) -> list[bytes]:
        """GUIDs of those who turned out to be strangers since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _expose(self, first: int) -> None:
        """All from place ``first`` on came while an earlier publisher was there."""
        self._fresh += self._order[first:]
        self._strangers |= dict.fromkeys(self._order[first:])
        del self._order[first:]
        for guid in list(self._strangers)[:-MOST]:
            del self._strangers[guid]
