# SPDX-License-Identifier: Apache-2.0
"""Finds publishers that do not belong to a run: every topic that matters has its owners."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from td3_driving.doctor.status import ERROR, OK, Status

NAME = "graph: writers"
LEASE = 30.0
"""Wall time for which a node that died may still be seen beside the one started in its place [s]."""

NAMELESS = 5.0
"""Wall time after which a publisher without a name is a stranger; a node's name comes after its publishers [s]."""
MOST_FOUND = 64
"""Strangers on one topic that another node may add."""
NO_NAME = "_NODE_NAME_UNKNOWN_"
"""What ROS 2 calls a node whose publisher was seen before its name."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A publisher, or a server of a service.

    Attributes:
        node: with its namespace.
        guid: of the endpoint; "" where ROS does not tell.
    """

    node: str
    guid: str

    @property
    def bytes(self) -> bytes:
        """The GUID as it comes with a message."""
        return bytes.fromhex(self.guid.replace(".", ""))


def unnamed(writer: Writer) -> bool:
    """Whether the name of ``writer`` has not come yet."""
    return writer.node.endswith(NO_NAME)


@dataclass
class _Topic:
    """What is known of one topic."""

    owners: frozenset[str] | None
    shared: bool = False
    names: dict[str, str] = field(default_factory=dict)
    nameless_since: dict[str, float] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    doubled_since: dict[str, float] = field(default_factory=dict)


class Writers:
    """Keeps every publisher that was on a topic without being one of its owners, until a reset.

    Args:
        owners: topic -> full names of the nodes that may publish there, one publisher each; ``None``: whoever is seen
            first.
        shared: topics on which several nodes of an owner's name may publish.

    Attributes:
        found: topic -> strangers' names with their GUIDs.
    """

    def __init__(self, owners: Mapping[str, Iterable[str] | None], shared: Collection[str] = ()) -> None:
        self._topics = {
            topic: _Topic(None if names is None else frozenset(names), topic in shared)
            for topic, names in owners.items()
        }
        self.found: dict[str, list[str]] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """What to look at."""
        return tuple(self._topics)

    def see(self, topic: str, endpoints: Iterable[Writer], now: float) -> list[str]:
        """Take the publishers of ``topic`` at wall time ``now`` [s]; returns strangers that were not known yet."""
        about = self._topics[topic]
        endpoints = self._named(about, list(endpoints), now)
        known = [end.node for end in endpoints if not unnamed(end)]
        if about.owners is None and known:
            about.owners = frozenset(known[:1])
        fresh = [end for end in endpoints if end.node not in (about.owners or ()) or self._doubled(about, end, now)]
        present = {end.guid for end in endpoints}
        about.known = {node: guid for node, guid in about.known.items() if guid in present}
        names = [f"{end.node} (GUID {end.guid})" if end.guid else end.node for end in fresh]
        new = [name for name in names if name not in self.found.get(topic, ())]
        if new:
            self.found.setdefault(topic, []).extend(new)
        return new

    def note(self, topic: str, name: str) -> bool:
        """Another node of the run found ``name``, with its GUID, on ``topic``; returns whether that is news."""
        known = self.found.setdefault(topic, [])
        guid = name.partition("(GUID ")[2]
        news = len(known) < MOST_FOUND and name not in known and not (guid and any(guid in other for other in known))
        if news:
            known.append(name)
        elif not known:
            del self.found[topic]
        return news

    def reset(self) -> None:
        """Forget what was found; who is still there is found again."""
        self.found = {}

    def text(self) -> str:
        """Who was where, in a sentence; empty if nobody was."""
        return "; ".join(f"{', '.join(names)} published on {topic}" for topic, names in sorted(self.found.items()))

    def status(self) -> Status:
        """The status ``graph: writers``."""
        values = {topic: ", ".join(names) for topic, names in sorted(self.found.items())}
        text = self.text()
        return Status(NAME, ERROR if text else OK, text or "every topic has its owner alone", values)

    @staticmethod
    def _named(about: _Topic, endpoints: list[Writer], now: float) -> list[Writer]:
        """``endpoints`` without those whose name may still come; with those that left before theirs came.

        A node that leaves may lose its name before its publishers, so a publisher keeps the name that it had. Where
        several nodes come and go, one may do so before its name has made its way; there the seals alone tell.
        """
        endpoints = [
            Writer(about.names.get(end.guid, end.node), end.guid) if unnamed(end) else end for end in endpoints
        ]
        about.names = {end.guid: end.node for end in endpoints if not unnamed(end)}
        since = about.nameless_since
        waits = {end.guid: since.get(end.guid, now) for end in endpoints if unnamed(end)}
        present = {end.guid for end in endpoints}
        left = [Writer(NO_NAME, guid) for guid in since if guid not in present and not about.shared]
        about.nameless_since = waits
        return [end for end in endpoints if now - waits.get(end.guid, -NAMELESS) >= NAMELESS] + left

    @staticmethod
    def _doubled(about: _Topic, endpoint: Writer, now: float) -> bool:
        """Whether an owner's name has been there twice for longer than a dead node can be seen."""
        first = about.known.setdefault(endpoint.node, endpoint.guid)
        if about.shared or first == endpoint.guid:
            return False
        since = about.doubled_since.setdefault(endpoint.guid, now)
        return now - since > LEASE
