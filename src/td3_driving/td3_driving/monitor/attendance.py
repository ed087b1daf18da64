# SPDX-License-Identifier: Apache-2.0
"""Which nodes of a run are there: those that have said so under its seal, not those that bear their names."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

GRACE = 15.0
"""Wall time for which a publisher that bears a node's name may still say that it is it [s]; all speak each 1 s."""


MOST_SESSIONS = 64
"""Sessions of a node that are remembered."""


@dataclass(frozen=True, slots=True)
class _Word:
    """The newest word of a node in one session.

    Attributes:
        stamp_ns: of it; a recorded word is no newer.
        publisher: the GUID that it came from.
    """

    stamp_ns: int
    publisher: Hashable


class Attendance:
    """Keeps the publisher of each node that has spoken, and those that have yet to speak.

    Each machine has a clock of its own. So stamps are compared within a session, which one process makes, and the
    sessions of a node are told apart and not put in an order: a node is there as long as one of them has its publisher.

    Args:
        nodes: full name of a node -> what it is called here.
    """

    def __init__(self, nodes: Mapping[str, str]) -> None:
        self._nodes = dict(nodes)
        self._words: dict[str, dict[int, _Word]] = {node: {} for node in nodes}
        self._first_seen: dict[Hashable, float] = {}

    def hear(self, node: str, session: int, stamp_ns: int, publisher: Hashable) -> bool:
        """Take a genuine word of ``node``; returns whether it was news and not a repetition."""
        known = self._words.get(node)
        if known is None or (session in known and stamp_ns <= known[session].stamp_ns):
            return False
        # The session that was heard last stands last.
        known.pop(session, None)
        known[session] = _Word(stamp_ns, publisher)
        for oldest in list(known)[:-MOST_SESSIONS]:
            del known[oldest]
        return True

    def there(self, publishers: Collection[Hashable]) -> list[str]:
        """What those are called whose publisher is among ``publishers``, the GUIDs that the graph has."""
        spoken = {node: [word.publisher for word in words.values()] for node, words in self._words.items()}
        return [self._nodes[node] for node, guids in spoken.items() if any(guid in publishers for guid in guids)]

    def newest_session(self, called: str) -> int:
        """The greatest session that was heard of the node that is called so; 0 where it has not spoken."""
        heard = [words for node, words in self._words.items() if self._nodes[node] == called]
        return max((session for words in heard for session in words), default=0)

    def unheard(self, publishers: Mapping[Hashable, str], now: float) -> list[str]:
        """What nodes are called by whose name somebody publishes since less than :data:`GRACE` and has not spoken.

        Args:
            publishers: GUID -> full name of its node.
            now: wall time [s].
        """
        self._first_seen = {guid: self._first_seen.get(guid, now) for guid in publishers}
        spoken = {word.publisher for words in self._words.values() for word in words.values()}
        fresh = [guid for guid in publishers if guid not in spoken and now - self._first_seen[guid] < GRACE]
        return sorted({self._nodes[publishers[guid]] for guid in fresh if publishers[guid] in self._nodes})
