# SPDX-License-Identifier: Apache-2.0
"""The replay memory of several ranks as rank 0 sees it: one order of steps over all, each whole episode at one rank.

An episode belongs to rank ``(number of its actor + its episode id) mod ranks``. So stacks, n-step returns and next
observations never reach from one rank to another, and an experience has its place whatever came before it. Rank 0
stores one step after the other and waits until it is stored, wherever its place is: what all ranks hold is at any time
the first ``inserted`` steps of the run without a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from td3_driving.driving.experience import Experience
from td3_driving.driving.seeding import actor_names
from td3_driving.learning.batch import Batch
from td3_driving.learning.ranks.messages import RankMessage, of_experience
from td3_driving.learning.replay import ReplayMemory, StoredStep
from td3_driving.learning.replay_check import SlotFaults
from td3_driving.learning.replay_store import StreamEnd
from td3_driving.settings import Settings


class StepMemory(Protocol):
    """A memory that takes the steps of a run in their order."""

    @property
    def inserted(self) -> int:
        """Steps ever appended."""
        ...

    @property
    def capacity(self) -> int:
        """Slots."""
        ...

    @property
    def used(self) -> int:
        """Slots in use."""
        ...

    @property
    def sampleable(self) -> int:
        """Transitions that can be sampled now."""
        ...

    @property
    def faults(self) -> SlotFaults:
        """What was wrong with the files when they were opened."""
        ...

    def append(self, experience: Experience, linked: bool) -> None:
        """Store one step; see :meth:`ReplayMemory.append`."""
        ...

    def rewind(self, inserted: int) -> None:
        """See :meth:`ReplayMemory.rewind`."""
        ...

    def show(self, inserted: int) -> list[StoredStep]:
        """See :meth:`ReplayMemory.show`."""
        ...

    def stream_ends(self) -> dict[tuple[str, int], StreamEnd]:
        """See :meth:`ReplayMemory.stream_ends`."""
        ...

    def write_names(self) -> None:
        """See :meth:`ReplayMemory.write_names`."""
        ...


class Asks(Protocol):
    """Gives a rank an order and waits for the answer."""

    def ask(self, rank: int, order: RankMessage) -> RankMessage:
        """The answer of ``rank``; raises RankLost."""
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """What one rank says of its memory.

    Attributes:
        inserted: number of its newest step, counted over all ranks.
        ends: newest step of each (actor, session): names, then the fields of :class:`StreamEnd`.
        left_out: slots that damage has left out.
        said: what was wrong with the files, in one sentence.
    """

    inserted: int
    used: int
    sampleable: int
    ends: list[list[Any]] = field(default_factory=list)
    left_out: int = 0
    said: str = ""


def share_of(memory: ReplayMemory) -> Share:
    """What a rank says of its memory when it has opened it."""
    ends = [
        [*key, end.position, end.sequence, end.episode_id, end.step_index, end.closed]
        for key, end in memory.stream_ends().items()
    ]
    faults = memory.faults
    return Share(memory.inserted, memory.used, memory.sampleable, ends, faults.dropped, faults.sentence())


def sizes_of(memory: ReplayMemory) -> dict[str, int]:
    """What changes in :class:`Share` while the memory is filled."""
    return {"inserted": memory.inserted, "used": memory.used, "sampleable": memory.sampleable}


def folder_of(run_directory: Path, rank: int) -> Path:
    """Folder of the memory of a rank."""
    return run_directory / (f"rank_{rank}/replay" if rank else "replay")


def kept_in(settings: Settings, run_directory: Path, rank: int) -> Path | None:
    """Where a rank keeps its memory; ``None`` in main memory."""
    return folder_of(run_directory, rank) if settings.replay.on_disk else None


def owner_of(experience: Experience, actors: Sequence[str], size: int) -> int:
    """The rank that stores ``experience``; ``actors`` are those of the run."""
    return (actors.index(experience.actor_id) + experience.episode_id) % size


def batch_of(memory: ReplayMemory, size: int, generator: np.random.Generator) -> Batch:
    """Transitions for an update; any numbers where the memory has none, and the rank then counts nothing."""
    return memory.sample(size, generator) if memory.sampleable else memory.gather(np.zeros(size, np.int64))


class DividedMemory:
    """The memory of all ranks.

    Args:
        own: the share of rank 0.
        shares: what the ranks from 1 on say of theirs.
        ranks: asks them.
        actors: how many the run has.
    """

    def __init__(self, own: ReplayMemory, shares: Sequence[Share], ranks: Asks, actors: int) -> None:
        self._own = own
        self._shares = dict(enumerate(shares, start=1))
        self._ranks = ranks
        self._actors = actor_names(actors)
        self._inserted = self._shown = max(own.inserted, *(share.inserted for share in shares))

    @property
    def inserted(self) -> int:
        return self._inserted

    @property
    def capacity(self) -> int:
        return self._own.capacity * (1 + len(self._shares))

    @property
    def used(self) -> int:
        return self._own.used + sum(share.used for share in self._shares.values())

    @property
    def sampleable(self) -> int:
        return self._own.sampleable + sum(share.sampleable for share in self._shares.values())

    @property
    def faults(self) -> SlotFaults:
        own = self._own.faults
        said = [f"rank {rank}: {share.said}" for rank, share in self._shares.items() if share.said]
        left_out = sum(share.left_out for share in self._shares.values())
        return replace(own, files=own.files + said, damaged=own.damaged + left_out)

    def newest_of(self, rank: int) -> int:
        """Number of the newest step that ``rank`` holds."""
        return self._shares[rank].inserted if rank else self._own.inserted

    def append(self, experience: Experience, linked: bool) -> None:
        number = self._inserted + 1
        rank = owner_of(experience, self._actors, 1 + len(self._shares))
        if rank == 0:
            self._own.append(experience, linked, number)
        else:
            self._order(rank, of_experience(experience, linked=linked, number=number))
        self._inserted = self._shown = number

    def rewind(self, inserted: int) -> None:
        self._own.rewind(inserted)
        for rank in self._shares:
            self._order(rank, RankMessage("rewind", {"inserted": inserted}))
        self._shown = min(inserted, self._inserted)

    def show(self, inserted: int) -> list[StoredStep]:
        if self._shown >= min(inserted, self._inserted):
            return []
        steps = self._own.show(inserted)
        for rank in self._shares:
            answer = self._order(rank, RankMessage("show", {"inserted": inserted}))
            steps += [StoredStep(*step) for step in answer.facts["steps"]]
        self._shown = min(inserted, self._inserted)
        return sorted(steps)

    def stream_ends(self) -> dict[tuple[str, int], StreamEnd]:
        found = [*self._own.stream_ends().items()]
        for share in self._shares.values():
            found += [((str(actor), int(session)), StreamEnd(*end)) for actor, session, *end in share.ends]
        return dict(sorted(found, key=lambda one: one[1].sequence))

    def write_names(self) -> None:
        self._own.write_names()
        for rank in self._shares:
            self._order(rank, RankMessage("names"))

    def _order(self, rank: int, order: RankMessage) -> RankMessage:
        """Give an order that may change a share, and note what the rank says of it then."""
        answer = self._ranks.ask(rank, order)
        self._shares[rank] = replace(self._shares[rank], **answer.facts["sizes"])
        return answer
