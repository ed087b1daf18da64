# SPDX-License-Identifier: Apache-2.0
"""A memory that keeps full chains and looks every stack up frame by frame, and courses of messages to fill it with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import PLANES
from td3_driving.learning.batch import Batch
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

from . import batches

Message = Callable[..., Experience]
Row = tuple[tuple[float, ...], float, float, bool, float, tuple[float, ...]]


@dataclass
class Reference:
    """Chains of unbroken messages; a frame is known by the tag it was made from."""

    settings: Settings
    written: int = 0
    chains: list[list[tuple[int, Experience | None, int]]] = field(default_factory=list)
    open: dict[str, list[tuple[int, Experience | None, int]]] = field(default_factory=dict)

    def add(self, experience: Experience, tag: int) -> None:
        chain = self.open.get(experience.actor_id)
        if chain is None or experience.step_index == 0:
            chain = self.open[experience.actor_id] = []
            self.chains.append(chain)
        self._write(chain, experience, tag)
        if experience.closes_episode:
            if experience.final_frame is not None:
                self._write(chain, None, tag + 1)
            del self.open[experience.actor_id]

    def lose(self, actor: str) -> None:
        self.open.pop(actor, None)

    def transitions(self) -> Counter[Row]:
        return Counter(row for chain in self.chains for at in range(len(chain)) if (row := self._row(chain, at)))

    def _write(self, chain: list[tuple[int, Experience | None, int]], experience: Experience | None, tag: int) -> None:
        chain.append((self.written, experience, tag))
        self.written += 1

    def _stack(self, chain: list[tuple[int, Experience | None, int]], at: int) -> tuple[float, ...] | None:
        starts_episode = chain[0][1] is not None and chain[0][1].step_index == 0
        seen, tags = self.settings.observation, list[float]()
        for index in range(at - (seen.stack - 1) * seen.stack_stride, at + 1, seen.stack_stride):
            if index < 0 and not starts_episode:
                return None
            position, _, tag = chain[max(index, 0)]
            if position < self.written - self.settings.replay.capacity:
                return None
            tags += [tag % 251] * PLANES[seen.colour]
        return tuple(tags)

    def _row(self, chain: list[tuple[int, Experience | None, int]], at: int) -> Row | None:
        first = chain[at][1]
        stack = self._stack(chain, at)
        if first is None or stack is None or at + 1 >= len(chain):
            return None
        total, factor, end, terminated = 0.0, 1.0, at, False
        while end < at + self.settings.learning.n_step and end + 1 < len(chain) and not terminated:
            step = chain[end][1]
            assert step is not None
            total, factor, end, terminated = (
                total + factor * step.reward,
                factor * self.settings.learning.gamma,
                end + 1,
                step.terminated,
            )
        beyond = self._stack(chain, end)
        assert beyond is not None
        return (
            stack,
            float(chain[at][2]),
            float(np.float32(total)),
            terminated,
            0.0 if terminated else float(np.float32(factor)),
            beyond,
        )


def rows(batch: Batch) -> Iterator[Row]:
    """Rows of a batch in the form of :meth:`Reference.transitions`."""
    frames, next_frames = batches.frames(batch), batches.next_frames(batch)
    for i in range(len(batch.actions)):
        assert (frames[i] == frames[i][:, :1, :1]).all()
        assert (batch.privileged[i] == batch.states[i, 0] + 0.5).all()
        assert (batch.next_privileged[i] == batch.next_states[i, 0] + 0.5).all()
        np.testing.assert_array_equal(batch.teacher_actions[i], shown(int(batch.states[i, 0])))
        yield (
            tuple(frames[i, :, 0, 0].tolist()),
            float(batch.states[i, 0]),
            float(batch.rewards[i]),
            bool(batch.terminated[i]),
            float(batch.discounts[i]),
            tuple(next_frames[i, :, 0, 0].tolist()),
        )


def shown(tag: int) -> tuple[float, float]:
    """What the teacher did at a step; there was none at every third."""
    return (math.nan, math.nan) if tag % 3 == 0 else (tag % 5 / 8.0, -(tag % 7) / 8.0)


def everything(memory: ReplayMemory) -> Counter[Row]:
    slots = memory.sampleable_slots()
    assert len(slots) == memory.sampleable
    return Counter(rows(memory.gather(slots)) if len(slots) else ())


class Drive:
    """A random course of several actors: episodes of random length, lost messages, every way to end."""

    def __init__(self, settings: Settings, message: Message, seed: int, actors: int) -> None:
        self._settings, self._message, self._rng = settings, message, np.random.default_rng(seed)
        self._clocks = {f"actor_{i}": [0, 0, 0] for i in range(actors)}

    def messages(self, count: int) -> Iterator[tuple[Experience, int, bool]]:
        """(message, tag, lost) ``count`` times."""
        for _ in range(count):
            actor = f"actor_{self._rng.integers(len(self._clocks))}"
            sequence, episode, step = self._clocks[actor]
            tag = int(self._rng.integers(0, 900))
            closing = self._rng.random() < 0.15
            terminated = bool(closing and self._rng.random() < 0.5)
            final = bool(closing and self._rng.random() < 0.8)
            lost = bool(self._rng.random() < 0.05)
            self._clocks[actor] = [sequence + 1, episode + 1, 0] if closing else [sequence + 1, episode, step + 1]
            experience = self._message(
                self._settings,
                sequence,
                tag,
                final,
                actor_id=actor,
                episode_id=episode,
                step_index=step,
                terminated=terminated,
                truncated=closing and not terminated,
                reward=float(self._rng.uniform(-1.0, 1.0)),
                teacher_action=None if tag % 3 == 0 else np.array(shown(tag), np.float32),
            )
            yield experience, tag, lost
