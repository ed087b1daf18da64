# SPDX-License-Identifier: Apache-2.0
"""Which actors of a run over several machines take part, what each has done, and when an absent one is given up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

JOINING = 3600.0
"""Wall time within which the first step must come: somebody starts the actors by hand [s]."""
SETTLED = 3.0
"""Wall time without a further step after which all that an absent actor sent is counted [s]; statuses come each 1 s."""


@dataclass(frozen=True, slots=True)
class ActorSteps:
    """What the learner has of the newest session of an actor.

    Attributes:
        steps: of that session.
        begun: those of them that it had when it was started.
    """

    actor: str
    session: int
    steps: int
    begun: int = 0


@dataclass
class RollEntry:
    """One actor.

    Attributes:
        present: it takes part.
        session: the newest that the learner knows.
        closed: steps of its sessions before that.
        inserted: steps of that session.
        before: steps that the learner had of that first session when the run began.
        since: wall time of its last step, or of its leaving [s].
    """

    present: bool = False
    session: int = 0
    closed: int = 0
    inserted: int = 0
    before: int = 0
    since: float = 0.0

    @property
    def done(self) -> int:
        """Steps of it since the run began."""
        return self.closed + self.inserted - self.before

    def take(self, session: int, inserted: int, now: float) -> None:
        """The learner has ``inserted`` steps of ``session``."""
        if session != self.session:
            self.session, self.closed, self.inserted = session, self.closed + self.inserted, 0
        if inserted != self.inserted:
            self.inserted, self.since = inserted, now


class Roll:
    """Keeps who is there, and what the learner has of everybody. All times are monotonic wall times [s].

    Args:
        actors: names of the actors of the run.
        patience: time without a step after which the run gives an absent actor up.

    Attributes:
        begun_at: steps that the run had when it was started or continued; ``None`` before the first status.
    """

    def __init__(self, actors: Sequence[str], patience: float, now: float) -> None:
        self.records = {name: RollEntry(since=now) for name in actors}
        self.begun_at: int | None = None
        self._patience, self._steps, self._since = patience, 0, now

    def see(self, there: Collection[str], now: float) -> list[str]:
        """Take who is there; returns a sentence for everybody who came or left."""
        said = []
        for name, record in self.records.items():
            if record.present != (name in there):
                record.present, record.since, self._since = name in there, now, now
                said.append(f"{name} takes part" if record.present else f"{name} has left, or its link has")
        return said

    def take(self, inserted: int, streams: Iterable[ActorSteps], now: float, begun_at: int) -> None:
        """The learner has ``inserted`` steps, and had ``begun_at`` when it was started.

        Actors beside the learner may have driven before its first status came: what counts is what it began with.
        """
        streams = list(streams)
        for stream in streams:
            if stream.actor in self.records:
                self.records[stream.actor].take(stream.session, stream.steps, now)
        if self.begun_at is None:
            self.begun_at = begun_at
            for record in self.records.values():
                record.closed = 0
            for stream in streams:
                if stream.actor in self.records:
                    self.records[stream.actor].before = stream.begun
        if inserted != self._steps:
            self._steps, self._since = inserted, now

    def free(self, name: str, now: float) -> bool:
        """Whether ``name`` can be taken: nobody has it, and all that was sent under it is counted."""
        record = self.records[name]
        return not record.present and now - record.since >= SETTLED

    @property
    def absent(self) -> str:
        """Actors that do not take part; "" where all do."""
        return ", ".join(name for name, record in self.records.items() if not record.present)

    def overdue(self, now: float) -> str:
        """Why the run is given up: somebody is absent and no step has come for too long; "" where it goes on."""
        moved = self._steps > (self.begun_at or 0)
        patience = self._patience if moved else max(JOINING, self._patience)
        if not self.absent or now - self._since <= patience:
            return ""
        return f"no step came for {now - self._since:.0f} s, and {self.absent} take no part"
