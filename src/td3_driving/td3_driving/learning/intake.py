# SPDX-License-Identifier: Apache-2.0
"""Checks every message from an actor, keeps the account of what came, and puts the good ones into the memory.

A message counts for its stream, one (actor, session), only after all checks: configuration, actor, session and sequence
number, the bounds of every field, and its place in the episode. A refused message moves nothing but its own count.

Account, true after every message: ``sent = received + lost`` and ``received = inserted + duplicate + rejected``.

* A jump ahead in the sequence numbers counts the numbers in between as lost, but for those that came and were refused.
* A number that was stored or passed before is a duplicate: DDS delivers the last messages again to a learner that was
  started anew.
* A number that was counted as lost and arrives after all counts as rejected instead: its place in the episode has
  passed, and runs are repeatable only while the order of insertion is.

Without healing, a lost or refused message breaks the chain: no stack and no next observation reaches across it. With
healing, a message that comes before one that is missing counts as a duplicate and is left out: the actor sends all from
the missing one on again (:meth:`ExperienceIntake.expected` names it), and the memory gets every step in its order. The
first message that the actor still has says so (:attr:`Experience.after_gap`) where those before it are lost for good.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from typing import Any

from td3_driving.driving.experience import Experience
from td3_driving.learning.bounds import ExperienceBounds
from td3_driving.learning.ranks.divided_memory import StepMemory
from td3_driving.settings import Settings

MAX_MISSING_RANGES = 1000
MAX_REFUSED = 1000
"""Refused numbers that a stream remembers."""
MAX_EARLY = 4000
"""Messages that may come before a missing one until it is given up: the actor has had its chances to send it again."""


class IntakeVerdict(enum.Enum):
    """What became of a message."""

    INSERTED = "inserted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class IntakeOutcome:
    """What became of a message, and why if it was not stored."""

    verdict: IntakeVerdict
    reason: str = ""

    @property
    def inserted(self) -> bool:
        return self.verdict is IntakeVerdict.INSERTED


@dataclass
class IntakeCounters:
    """Messages by what became of them, over all actors and sessions.

    ``lost`` counts messages, and one may be sent again; ``gone`` counts steps that the memory will never have.
    """

    received: int = 0
    inserted: int = 0
    duplicate: int = 0
    rejected: int = 0
    lost: int = 0
    last_rejection: str = ""
    gone: int = 0

    @property
    def sent(self) -> int:
        """Messages that the actors must have sent, repeated deliveries counted each time."""
        return self.received + self.lost


@dataclass
class ActorStream:
    """One (actor, session).

    Attributes:
        expected: the sequence number that comes next.
        missing: ranges ``[start, end)`` of numbers that were passed over, oldest first.
        previous: (episode_id, step_index, closed) of the message before, ``None`` when it is lost or was rejected.
        episode_floor: least episode id that can still come.
        refused: numbers from ``expected`` on whose messages came and were refused.
        early_end: end of the numbers that came before a missing one; those below it are accounted for.
        early: messages that came since then.
        gone: numbers below ``expected`` that the memory will never have.
    """

    expected: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    previous: tuple[int, int, bool] | None = None
    episode_floor: int = 0
    refused: list[int] = field(default_factory=list)
    early_end: int = 0
    early: int = 0
    gone: int = 0

    @property
    def wanted(self) -> int:
        """The number that would be taken next: that of a message that came and was refused would not."""
        number = self.expected
        while number in self.refused:
            number += 1
        return number

    @property
    def never(self) -> int:
        """Numbers below :attr:`wanted` that the memory will never have."""
        return self.gone + self.wanted - self.expected


class ExperienceIntake:
    """Checks messages, counts them, and puts the good ones into the replay memory.

    Args:
        heal: leave out what comes before a missing message, because the actor sends it again.
    """

    def __init__(self, settings: Settings, state_dim: int, memory: StepMemory, heal: bool = False) -> None:
        self._bounds = ExperienceBounds(settings, state_dim)
        self._memory = memory
        self._heal = heal
        self._streams: dict[tuple[str, int], ActorStream] = {}
        self._newest: dict[str, int] = {}
        self.counters = IntakeCounters()
        self._catch_up()

    def accept(self, experience: Experience) -> IntakeOutcome:
        """Check and store ``experience``; never raises for what a message contains."""
        self.counters.received += 1
        key = experience.actor_id, experience.session_id
        stream = self._streams.get(key) or ActorStream()
        foreign = self._bounds.foreign(experience, stream.never) or self._session_fault(experience)
        if foreign:
            return self._reject(foreign)
        if experience.sequence < stream.expected:
            return self._late(stream, experience.sequence)
        fault = self._bounds.fault(experience) or _order_fault(stream, experience)
        self._open(key, stream)
        if fault:
            return self._refuse(stream, experience, fault)
        if self._heal and not experience.after_gap and self._comes_early(stream, experience.sequence):
            reason = f"message {experience.sequence} came before {stream.expected}, which is missing"
            return IntakeOutcome(IntakeVerdict.DUPLICATE, reason)
        gone = self._pass_over(stream, experience.sequence)
        self._memory.append(experience, linked=stream.previous is not None and not stream.previous[2])
        stream.previous = (experience.episode_id, experience.step_index, experience.closes_episode)
        stream.episode_floor = experience.episode_id + int(experience.closes_episode)
        self.counters.inserted += 1
        reason = f"{gone} step(s) of {experience.actor_id} before it are lost for good" if gone else ""
        return IntakeOutcome(IntakeVerdict.INSERTED, reason)

    def expected(self) -> list[tuple[str, int, int, int]]:
        """Actor, its newest session, the sequence number that comes next there, and how many before it never come.

        Every actor of the run has one: a status with empty lists would be serialised with bytes behind its seal.
        """
        newest = [(actor, self._newest.get(actor, 0)) for actor in self._bounds.actors]
        streams = [(actor, session, self._streams.get((actor, session), ActorStream())) for actor, session in newest]
        return [(actor, session, stream.wanted, stream.never) for actor, session, stream in streams]

    def gap(self) -> str:
        """The message that is missing, where others that came after it wait for it; "" where none is."""
        waits = [(actor, self._streams[actor, session]) for actor, session in self._newest.items()]
        return ", ".join(f"message {one.wanted} of {actor}" for actor, one in waits if one.early_end > one.wanted)

    def state(self) -> dict[str, Any]:
        """Counters and streams as plain data for a checkpoint."""
        streams = [[actor, session, asdict(stream)] for (actor, session), stream in self._streams.items()]
        return {"counters": asdict(self.counters), "streams": streams}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`, then count what reached the memory after it was taken."""
        self.counters = IntakeCounters(**state["counters"])
        self._streams, self._newest = {}, {}
        for actor, session, values in state["streams"]:
            previous, missing = values["previous"], [(int(start), int(end)) for start, end in values["missing"]]
            stream = ActorStream(**{**values, "missing": missing, "previous": tuple(previous) if previous else None})
            self._open((actor, session), stream)
        self._catch_up()

    def _catch_up(self) -> None:
        """Count what the memory holds beyond the checkpoint, as after a kill of the learner.

        Messages between two stored ones that are not in the memory count as lost, even if they were rejected.
        """
        unknown = left = self._memory.inserted - self.counters.inserted
        passed = 0
        for key, end in self._memory.stream_ends().items():
            stream = self._streams.get(key) or ActorStream()
            self._open(key, stream)
            if end.sequence >= stream.expected:
                span = end.sequence + 1 - stream.expected
                passed += span
                stream.gone, left = stream.gone + max(span - left, 0), max(left - span, 0)
                stream.expected = end.sequence + 1
                stream.previous = (end.episode_id, end.step_index, end.closed)
                stream.episode_floor = end.episode_id + int(end.closed)
        self.counters.inserted += unknown
        self.counters.received += unknown
        self.counters.lost += max(passed - unknown, 0)
        self.counters.gone += max(passed - unknown, 0)

    def _session_fault(self, experience: Experience) -> str:
        """Why a session cannot be; an actor that starts anew takes a later one, and no two at a time."""
        actor, session = experience.actor_id, experience.session_id
        newest = self._newest.get(actor, -1)
        if session >= newest or (actor, session) in self._streams:
            return ""
        return f"session {session} of {actor} was not known before its session {newest} began"

    def _open(self, key: tuple[str, int], stream: ActorStream) -> None:
        self._streams[key] = stream
        actor, session = key
        self._newest[actor] = max(session, self._newest.get(actor, session))

    def _comes_early(self, stream: ActorStream, sequence: int) -> bool:
        """Whether a number before ``sequence`` is missing and can still be sent again; counts what was lost."""
        if sequence <= stream.wanted or stream.early >= MAX_EARLY:
            return False
        stream.early += 1
        self.counters.lost += self._unaccounted(stream, sequence)
        stream.early_end = max(stream.early_end, sequence + 1)
        self.counters.duplicate += 1
        return True

    def _pass_over(self, stream: ActorStream, sequence: int) -> int:
        """Count the numbers between the expected one and ``sequence`` as lost; returns how many never come."""
        gone = sequence - stream.expected
        stream.gone += gone
        self.counters.gone += gone
        if gone:
            self.counters.lost += self._unaccounted(stream, sequence)
            stream.missing.append((min(max(stream.expected, stream.early_end), sequence), sequence))
            del stream.missing[:-MAX_MISSING_RANGES]
            for number in stream.refused:
                if number < sequence:
                    _strike(stream.missing, number)
            stream.previous = None
        stream.expected, stream.early = sequence + 1, 0
        stream.refused = [number for number in stream.refused if number > sequence]
        return gone

    @staticmethod
    def _unaccounted(stream: ActorStream, sequence: int) -> int:
        """Numbers before ``sequence`` of which no message came."""
        start = max(stream.expected, stream.early_end)
        return max(sequence - start, 0) - sum(start <= number < sequence for number in stream.refused)

    def _late(self, stream: ActorStream, sequence: int) -> IntakeOutcome:
        if _strike(stream.missing, sequence):
            self.counters.lost -= 1
            return self._reject(f"message {sequence} came after its place in the episode had been passed")
        self.counters.duplicate += 1
        return IntakeOutcome(IntakeVerdict.DUPLICATE, f"message {sequence} was received before")

    def _refuse(self, stream: ActorStream, experience: Experience, fault: str) -> IntakeOutcome:
        """Refuse the content of a message; its number is not lost if the stream passes it."""
        known = experience.sequence in stream.refused or experience.sequence < stream.early_end
        if not known and len(stream.refused) < MAX_REFUSED:
            stream.refused.append(experience.sequence)
        return self._reject(f"{experience.actor_id} message {experience.sequence}: {fault}")

    def _reject(self, reason: str) -> IntakeOutcome:
        self.counters.rejected += 1
        self.counters.last_rejection = reason
        return IntakeOutcome(IntakeVerdict.REJECTED, reason)


def _strike(ranges: list[tuple[int, int]], number: int) -> bool:
    """Take ``number`` out of ranges ``[start, end)``; whether it was in one."""
    for index, (start, end) in enumerate(ranges):
        if start <= number < end:
            parts = [(start, number), (number + 1, end)]
            ranges[index : index + 1] = [part for part in parts if part[0] < part[1]]
            return True
    return False


def _order_fault(stream: ActorStream, experience: Experience) -> str:
    """What is wrong with the order of episode and step numbers; empty if nothing is.

    An episode may begin before the last one was closed: a failure of the simulator ends an episode without a message.
    """
    episode, step = experience.episode_id, experience.step_index
    if episode < stream.episode_floor:
        return f"step {step} of episode {episode} cannot come after episode {stream.episode_floor} began or was closed"
    if stream.previous is None or experience.sequence > stream.expected:
        return ""
    before_episode, before_step, closed = stream.previous
    begins = step == 0 and episode > before_episode
    possible = begins or (not closed and (episode, step) == (before_episode, before_step + 1))
    ending = "the end" if closed else f"step {before_step}"
    return "" if possible else f"step {step} of episode {episode} cannot follow {ending} of episode {before_episode}"
