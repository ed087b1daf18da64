# SPDX-License-Identifier: Apache-2.0
"""The replay memory stores every frame once and puts stacks and next observations together when it samples.

A slot holds one frame with its state; the slots of an episode are linked, so several actors may write in turns. The
message that closes an episode takes a second slot for its final frame. A transition can be sampled when the frames of
its stack and its successor are all there: not overwritten, not lost on the way, not closed without a final frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import frame_shape, stack_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.driving.reward import greatest_reward
from td3_driving.learning.batch import Batch
from td3_driving.learning.replay_check import SlotFaults
from td3_driving.learning.replay_files import NO_POSITION, SlotShape
from td3_driving.learning.replay_links import NO_SLOT, Links
from td3_driving.learning.replay_store import ReplayStore, StreamEnd
from td3_driving.settings import Settings


class StoredStep(NamedTuple):
    """What a stored step earned, and whether it closed its episode; ``number`` counts the steps of the run from 1."""

    number: int
    actor_id: str
    reward: float
    closes_episode: bool


class ReplayMemory:
    """A ring of linked frames; it samples uniformly from the transitions that are whole.

    Attributes:
        capacity: slots.
        links: between the slots.
    """

    def __init__(self, settings: Settings, state_dim: int, directory: Path | None) -> None:
        """Open the memory in ``directory`` or make it; ``None`` keeps it in main memory.

        Raises:
            ReplayError: the files belong to another configuration, their header is damaged, or the disk is too small.
        """
        observation = settings.observation
        self._channels, *self._size = stack_shape(observation)
        # Every rank of the learner keeps its share.
        self.capacity = -(-settings.replay.capacity // settings.learning.learners)
        greatest = greatest_reward(settings.reward)
        shape = SlotShape(frame_shape(observation), state_dim, privileged_dim(settings), greatest)
        self._store = ReplayStore(self.capacity, shape, settings.digest(), directory)
        self._frames, self._records = self._store.frames, self._store.records
        self.links = Links(settings, self._records)
        self._previous, self._next = self.links.previous, self.links.next
        self._sampleable = np.zeros(self.capacity, bool)
        self._sampleable_count = 0
        self._newest: dict[tuple[str, int], int] = {}
        self._shown = self._store.committed
        self._relink()

    @property
    def store(self) -> ReplayStore:
        """Frames and records by slot, to be read only."""
        return self._store

    @property
    def inserted(self) -> int:
        """Number of the newest transition ever appended, counted from 1 over the run."""
        return self._store.inserted

    @property
    def faults(self) -> SlotFaults:
        """What was wrong with the files when they were opened."""
        return self._store.faults

    @property
    def used(self) -> int:
        """Slots in use, 0 .. capacity."""
        return min(self._shown, self.capacity)

    @property
    def sampleable(self) -> int:
        """Transitions that can be sampled now."""
        return self._sampleable_count

    @property
    def reserved_bytes(self) -> int:
        """Bytes that the full memory takes; on disk they are allocated from the start."""
        return self._store.nbytes + self._previous.nbytes + self._next.nbytes + self._sampleable.nbytes

    def stream_ends(self) -> dict[tuple[str, int], StreamEnd]:
        """The newest stored step of each (actor, session) that still has one."""
        return self._store.stream_ends()

    def append(self, experience: Experience, linked: bool, number: int | None = None) -> None:
        """Store one step.

        Args:
            experience: checked, see :mod:`td3_driving.learning.intake`.
            linked: the step before it in its episode is the newest one of this actor and session in the memory;
                ``False`` for the first step of an episode and after a gap.
            number: of the step in the run, counted from 1, where other ranks store steps too.
        """
        self.show(self.inserted)
        key = (experience.actor_id, experience.session_id)
        final = experience.closes_episode and experience.final_frame is not None
        positions = self._store.begin(2 if final else 1, number)
        for position in positions:
            self._evict(position)
        newest = self._newest.pop(key, NO_POSITION)
        previous = self._predecessor(positions[0], newest, experience, linked)
        self._store.write_step(positions[0], previous, experience)
        if final:
            self._store.write_final(positions[1], positions[0], experience)
        self._store.commit()
        self._shown = self._store.committed
        self._link(previous, positions[0])
        if final:
            self._link(positions[0], positions[1])
        if not experience.closes_episode:
            self._newest[key] = positions[0]

    def rewind(self, inserted: int) -> None:
        """Hide all steps of a reopened memory but the first ``inserted``, until :meth:`show` brings them back.

        Does nothing where steps were overwritten or left out, because the memory cannot be as it was before them.
        """
        if self._store.begun > self.capacity or self.faults.dropped:
            return
        ordinals = self._records["ordinal"][: self._store.committed]
        self._shown = int(np.searchsorted(ordinals, inserted, side="right"))
        self._relink()

    def show(self, inserted: int) -> list[StoredStep]:
        """Bring back the hidden ones of the first ``inserted`` steps; returns them in their order."""
        if self._shown >= self._store.committed:
            return []
        steps, actors = [], self._store.actors()
        while self._shown < self._store.committed and self._records["ordinal"][self._shown] <= inserted:
            record, position = self._records[self._shown], self._shown
            self._shown += 1
            self._link(int(record["previous"]), position)
            if not record["final"]:
                closed = bool(record["terminated"] or record["truncated"])
                actor = actors.get(int(record["stream"]), "")
                steps.append(StoredStep(int(record["ordinal"]), actor, float(record["reward"]), closed))
        return steps

    def sample(self, size: int, generator: np.random.Generator) -> Batch:
        """``size`` transitions, uniformly and independently from all that are whole.

        Raises:
            ValueError: there is none.
        """
        return self.gather(self.draw(size, generator))

    def gather(self, slots: NDArray[np.int64]) -> Batch:
        """The transitions that start at ``slots`` (B,), all of them sampleable."""
        at, records = self.links.locate(slots), self._records
        return Batch(
            window=self._frames[at.window].reshape(len(slots), -1, *self._size),
            channels=self._channels,
            states=records["state"][slots],
            privileged=records["privileged"][slots],
            actions=records["action"][slots],
            rewards=at.rewards,
            discounts=at.discounts,
            terminated=at.terminated,
            next_states=records["state"][at.ends],
            next_privileged=records["privileged"][at.ends],
            teacher_actions=records["teacher"][slots],
        )

    def sampleable_slots(self) -> NDArray[np.int64]:
        """Slots of all transitions that can be sampled, ascending."""
        return np.flatnonzero(self._sampleable)

    def write_names(self) -> None:
        """Write the names of the actors that a full disk has kept out of their file; raises OSError."""
        self._store.write_names()

    def flush(self) -> None:
        """Write the files out to the disk."""
        self._store.flush()

    def draw(self, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Slots at which ``size`` transitions start; see :meth:`sample`.

        It draws by rejection while that is cheap; the result depends on the content alone, not on its history.
        """
        if self._sampleable_count == 0:
            raise ValueError(f"none of the {self.inserted} inserted transitions can be sampled")
        if 4 * self._sampleable_count < self.used:
            return generator.choice(self.sampleable_slots(), size)
        chosen = np.empty(0, np.int64)
        while len(chosen) < size:
            drawn = generator.integers(0, self.used, 2 * size)
            chosen = np.concatenate([chosen, drawn[self._sampleable[drawn]]])
        return chosen[:size]

    def _predecessor(self, position: int, newest: int, experience: Experience, linked: bool) -> int:
        """The position whose frame comes before this one in the stack; its own for the first step of an episode."""
        if experience.step_index == 0:
            return position
        return newest if linked else NO_POSITION

    def _link(self, previous: int, position: int) -> None:
        """``position`` has become readable and follows ``previous``, which is now whole if its stack is."""
        if previous == NO_POSITION:
            return
        earlier, later = previous % self.capacity, position % self.capacity
        self._previous[later] = earlier
        if earlier != later:
            self._next[earlier] = later
            self._mark(earlier, self._has_stack(earlier))

    def _has_stack(self, slot: int) -> bool:
        for _ in range(self.links.before):
            before = int(self._previous[slot])
            if before == NO_SLOT:
                return False
            if before == slot:
                return True
            slot = before
        return True

    def _evict(self, position: int) -> None:
        """Forget what lies where ``position`` is about to be written, and the stacks of the steps that need it."""
        slot = position % self.capacity
        self._newest = {key: newest for key, newest in self._newest.items() if newest % self.capacity != slot}
        follower = int(self._next[slot])
        self._mark(slot, False)
        self._previous[slot] = self._next[slot] = NO_SLOT
        if follower != NO_SLOT:
            self._previous[follower] = NO_SLOT
        for _ in range(self.links.before):
            if follower == NO_SLOT:
                return
            self._mark(follower, False)
            follower = int(self._next[follower])

    def _mark(self, slot: int, sampleable: bool) -> None:
        self._sampleable_count += int(sampleable) - int(self._sampleable[slot])
        self._sampleable[slot] = sampleable

    def _relink(self) -> None:
        """Rebuild links and flags of a reopened memory; what precedes a step may be overwritten or left out."""
        self._previous[:] = self._next[:] = NO_SLOT
        positions = self._store.readable()
        positions = positions[positions < self._shown]
        slots = positions % self.capacity
        previous = self._records["previous"][slots]
        linked = np.isin(previous, positions)
        self._previous[slots[linked]] = previous[linked] % self.capacity
        follows = linked & (previous != positions)
        self._next[previous[follows] % self.capacity] = slots[follows]
        reached = np.arange(self.capacity)
        for _ in range(self.links.before):
            reached = np.where(reached == NO_SLOT, NO_SLOT, self._previous[reached])
        self._sampleable = (self._next != NO_SLOT) & (reached != NO_SLOT)
        self._sampleable_count = int(self._sampleable.sum())
        # What was left out may be of any stream, and nothing links across it.
        gap = int(self._store.left_out().max(initial=NO_POSITION))
        ends = self._store.stream_ends().items()
        self._newest = {key: end.position for key, end in ends if not end.closed and end.position > gap}
