# SPDX-License-Identifier: Apache-2.0
"""Which process sent each message of a bag.

The stamps of a simulator that was started anew are those of the one before again, so they do not tell whose a message
is. The publisher's GUID does, and it comes with every message. The recorder notes it in the bag's own description:
per topic, from which message on another process sends.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import Any

PROVENANCE_KEY = "td3_driving/processes"
"""Entry of the bag's custom data that holds the notes."""
UNKNOWN = b""
"""The process of a message whose sender nobody told."""
MAX_NOTES = 16 * 2**20
"""Longest notes that are read [characters]."""
MAX_CHANGES, MAX_PROCESSES = 400_000, 50_000
"""Most changes of sender, and most senders, that a recorder notes: as many as such notes have room for."""


class ProvenanceError(ValueError):
    """Notes are not what a recorder writes."""


class Provenance:
    """The notes of one bag. An empty object is that of a bag without any.

    Attributes:
        complete: whether every message of every topic with notes is known. Where it is not, nothing is told: a part of
            a moment whose sender is unknown would be taken for another simulator's.
    """

    def __init__(self) -> None:
        self.complete = True
        self._noted_changes = 0
        self._processes: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._counts: dict[str, int] = {}
        self._changes: dict[str, list[tuple[int, int]]] = {}

    def note(self, topic: str, process: bytes) -> None:
        """Take down that ``process`` sent the next message on ``topic``.

        Senders that change without end, as two on one topic do, are noted up to :data:`MAX_CHANGES`.
        """
        if self._noted_changes >= MAX_CHANGES or len(self._processes) > MAX_PROCESSES:
            self.complete = False
            return
        number = self._number(process)
        count, changes = self._counts.get(topic, 0), self._changes.setdefault(topic, [])
        if not changes or changes[-1][1] != number:
            changes.append((count, number))
            self._noted_changes += 1
        self._counts[topic] = count + 1

    @property
    def told(self) -> bool:
        """Whether ROS 2 told who sent what, and the notes are of all messages."""
        return self.complete and any(self._processes)

    def process(self, topic: str, index: int) -> bytes:
        """The process that sent message ``index`` (0, 1, 2 …) on ``topic``."""
        changes = self._changes.get(topic, [])
        place = bisect_right(changes, (index, len(self._processes))) - 1
        return self._names[changes[place][1]] if place >= 0 else UNKNOWN

    def text(self) -> str:
        """The notes as :meth:`read` takes them."""
        topics = {name: [self._counts[name], changes] for name, changes in self._changes.items()}
        return json.dumps({"processes": [process.hex() for process in self._processes], "topics": topics})

    @classmethod
    def read(cls, text: str, counts: dict[str, int]) -> Provenance:
        """Take notes from a bag with ``counts`` messages by topic.

        Notes on a topic that holds another number of messages are not of this bag: somebody took messages out of it,
        and the notes are incomplete. A topic without any messages needs none.

        Raises:
            ProvenanceError: a recorder does not write such notes.
        """
        if len(text) > MAX_NOTES:
            raise ProvenanceError(f"the notes have {len(text)} characters, more than {MAX_NOTES}")
        made = cls()
        try:
            document = json.loads(text)
            for name in document["processes"]:
                made._number(bytes.fromhex(name))
            for topic, (count, changes) in document["topics"].items():
                if counts.get(topic, 0) == count:
                    made._changes[topic] = [made._change(*change) for change in changes]
                    made._counts[topic] = int(count)
                elif counts.get(topic, 0):
                    made.complete = False
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ProvenanceError(" ".join(str(error).split())[:200] or type(error).__name__) from error
        if len(made._processes) != len(document["processes"]):
            raise ProvenanceError("one process is named twice")
        return made

    def _number(self, process: bytes) -> int:
        number = self._processes.setdefault(process, len(self._processes))
        if number == len(self._names):
            self._names.append(process)
        return number

    def _change(self, index: Any, number: Any) -> tuple[int, int]:
        if not (isinstance(index, int) and isinstance(number, int) and 0 <= number < len(self._processes)):
            raise ProvenanceError(f"message {index!r} is said to be of process {number!r}")
        return index, number
