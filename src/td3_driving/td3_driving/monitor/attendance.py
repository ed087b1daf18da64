# SPDX-License-Identifier: Apache-2.0
"""Which nodes of a run are there: those that have said so under its seal, not those that bear their names."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

GRACE = 15.0
"""Wall time for which a publisher that bears a node's name may still say that it is it [s]; all speak each 1 s."""


@dataclass(frozen=True, slots=True)
class _Word:
    """The newest word of a node.

    Attributes:
        number: session and stamp [ns] of it; a recorded word is no newer.
        publisher: the GUID that it came from.
    """

    number: tuple[int, int]
    publisher: Hashable


class Attendance:
    """Keeps the publisher of each node that has spoken, and those that have yet to speak.

    Args:
        nodes: full name of a node -> what it is called here.
    """

    def __init__(self, nodes: Mapping[str, str]) -> None:
        self._nodes = dict(nodes)
        self._words: dict[str, _Word] = {}
        self._first_seen: dict[Hashable, float] = {}

    def hear(self, node: str, session: int, stamp_ns: int, publisher: Hashable) -> bool:
        """Take a genuine word of ``node``; returns whether it was news and not a repetition."""
        number, before = (session, stamp_ns), self._words.get(node)
        if node not in self._nodes or (before is not None and number <= before.number):
            return False
        self._words[node] = _Word(number, publisher)
        return True

    def there(self, publishers: Collection[Hashable]) -> list[str]:
        """What those are called whose publisher is among ``publishers``, the GUIDs that the graph has."""
        return [self._nodes[node] for node, word in self._words.items() if word.publisher in publishers]

    def unheard(self, publishers: Mapping[Hashable, str], now: float) -> list[str]:
        """What nodes are called by whose name somebody publishes since less than :data:`GRACE` and has not spoken.

        Args:
            publishers: GUID -> full name of its node.
            now: wall time [s].
        """
        self._first_seen = {guid: self._first_seen.get(guid, now) for guid in publishers}
        spoken = {word.publisher for word in self._words.values()}
        fresh = [guid for guid in publishers if guid not in spoken and now - self._first_seen[guid] < GRACE]
        return sorted({self._nodes[publishers[guid]] for guid in fresh if publishers[guid] in self._nodes})
