"""The memory against a reference that keeps full chains and looks every stack up frame by frame."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import PLANES, FrameStack
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.replay import Batch, ReplayMemory
from td3_driving.learning.replay_store import ReplayError
from td3_driving.settings import Settings

Make = Callable[..., Settings]
Message = Callable[..., Experience]
Row = tuple[tuple[float, ...], float, float, bool, float, tuple[float, ...]]
STATE_DIM = 3


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
    for i in range(len(batch.actions)):
        assert (batch.frames[i] == batch.frames[i][:, :1, :1]).all()
        assert (batch.privileged[i] == batch.states[i, 0] + 0.5).all()
        assert (batch.next_privileged[i] == batch.next_states[i, 0] + 0.5).all()
        np.testing.assert_array_equal(batch.teacher_actions[i], shown(int(batch.states[i, 0])))
        yield (
            tuple(batch.frames[i, :, 0, 0].tolist()),
            float(batch.states[i, 0]),
            float(batch.rewards[i]),
            bool(batch.terminated[i]),
            float(batch.discounts[i]),
            tuple(batch.next_frames[i, :, 0, 0].tolist()),
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
        self._clocks = {f"actor{i}": [0, 0, 0] for i in range(actors)}

    def messages(self, count: int) -> Iterator[tuple[Experience, int, bool]]:
        """(message, tag, lost) ``count`` times."""
        for _ in range(count):
            actor = f"actor{self._rng.integers(len(self._clocks))}"
            sequence, episode, step = self._clocks[actor]
            tag = int(self._rng.integers(0, 2**20))
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
                reward=float(self._rng.normal()),
                teacher_action=None if tag % 3 == 0 else np.array(shown(tag), np.float32),
            )
            yield experience, tag, lost


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    actors=st.integers(1, 3),
    stack=st.integers(1, 4),
    stride=st.integers(1, 4),
    colour=st.sampled_from(["grey", "colour"]),
    capacity=st.integers(100, 150),
    n_step=st.integers(1, 4),
    count=st.integers(1, 260),
    reopen_at=st.integers(0, 260),
)
def test_holds_exactly_what_a_naive_memory_holds(
    small: Make, message: Message, seed: int, actors: int, stack: int, stride: int, colour: str, capacity: int,
    n_step: int, count: int, reopen_at: int,
) -> None:  # fmt: skip
    settings = small(
        observation__stack=stack,
        observation__stack_stride=stride,
        observation__colour=colour,
        learning__n_step=n_step,
        replay__capacity=capacity,
    )
    reference = Reference(settings)
    with tempfile.TemporaryDirectory() as folder:
        memory = ReplayMemory(settings, STATE_DIM, Path(folder))
        intake = ExperienceIntake(settings, STATE_DIM, memory)
        for number, (experience, tag, lost) in enumerate(Drive(settings, message, seed, actors).messages(count)):
            if number == reopen_at:
                memory = ReplayMemory(settings, STATE_DIM, Path(folder))
                intake = ExperienceIntake(settings, STATE_DIM, memory)
            if lost:
                reference.lose(experience.actor_id)
                continue
            outcome = intake.accept(experience)
            assert outcome.inserted, outcome.reason
            reference.add(experience, tag)
        assert everything(memory) == reference.transitions()
        assert everything(ReplayMemory(settings, STATE_DIM, Path(folder))) == reference.transitions()


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize(("stack", "stride"), [(4, 1), (4, 5), (1, 3), (3, 2)])
def test_a_sampled_stack_is_what_the_policy_saw(
    small: Make, message: Message, stack: int, stride: int, n_step: int
) -> None:
    """Episodes of colour frames of noise: each stack of the memory equals the one that the pilot's stack gave out."""
    settings = small(
        observation__stack=stack,
        observation__stack_stride=stride,
        observation__colour="colour",
        learning__n_step=n_step,
    )
    memory, eyes, rng = (
        ReplayMemory(settings, STATE_DIM, None),
        FrameStack(settings.observation),
        np.random.default_rng(0),
    )
    seen: dict[int, np.ndarray] = {}
    for number in range(75):
        episode, step = divmod(number, 25)
        frames = rng.integers(0, 256, (2, 3, 36, 36), dtype=np.uint8)
        if step == 0:
            eyes.clear()
        seen[2 * number] = eyes.push(frames[0])
        ending = {"truncated": True, "final": True} if step == 24 else {}
        sent = message(settings, number, 2 * number, episode_id=episode, step_index=step, frame=frames[0], **ending)
        if ending:
            sent = replace(sent, final_frame=frames[1])
            seen[2 * number + 1] = eyes.push(frames[1])
        memory.append(sent, linked=step > 0)
    batch = memory.gather(memory.sampleable_slots())
    assert len(batch.actions) == 75
    for i in range(75):
        np.testing.assert_array_equal(batch.frames[i], seen[int(batch.states[i, 0])])
        np.testing.assert_array_equal(batch.next_frames[i], seen[int(batch.next_states[i, 0])])


def test_sampling_is_uniform_over_what_is_whole(small: Make, message: Message) -> None:
    settings = small(replay__capacity=100)
    memory = filled(settings, message, 30)
    drawn = memory.sample(29_000, np.random.default_rng(0)).states[:, 0]
    counts = np.bincount(drawn.astype(int), minlength=30)
    assert counts[29] == 0  # the newest has no successor yet
    assert np.abs(counts[:29] - 1000).max() < 160  # five standard deviations


def test_sampling_few_out_of_many(small: Make, message: Message) -> None:
    """Nearly all closed without a final frame: the draw must not loop for ever, and never give a broken one."""
    settings = small(replay__capacity=100, observation__stack=1)
    memory = ReplayMemory(settings, STATE_DIM, None)
    for i in range(50):
        memory.append(message(settings, i, i, final=i == 20, step_index=0, episode_id=i, truncated=True), linked=False)
    assert memory.sampleable == 1
    assert set(memory.sample(40, np.random.default_rng(0)).states[:, 0]) == {20.0}


def test_an_empty_memory_says_so(small: Make) -> None:
    with pytest.raises(ValueError, match="none of the 0 inserted"):
        ReplayMemory(small(), STATE_DIM, None).sample(1, np.random.default_rng(0))


def test_reward_clip_bounds_each_step_before_the_sum(small: Make, message: Message) -> None:
    settings = small(learning__n_step=2, learning__reward_clip=1.0, learning__gamma=0.5)
    batch = filled(settings, message, 5).gather(np.array([2]))  # rewards 2 and 3, each clipped to 1
    assert batch.rewards[0] == pytest.approx(1.0 + 0.5 * 1.0)
    assert batch.discounts[0] == pytest.approx(0.25)


def test_the_same_generator_state_gives_the_same_batch_after_reopening(
    small: Make, message: Message, tmp_path: Path
) -> None:
    settings = small()
    first = filled(settings, message, 250, tmp_path).sample(32, np.random.default_rng(7))
    again = ReplayMemory(settings, STATE_DIM, tmp_path).sample(32, np.random.default_rng(7))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.next_states, again.next_states)


def test_a_process_killed_while_writing_leaves_all_other_steps(small: Make, message: Message, tmp_path: Path) -> None:
    settings = small()
    memory = filled(settings, message, 230, tmp_path)
    before = everything(memory)
    # What a kill leaves between announcing a slot and counting it: the slot of the oldest step is half written.
    position = memory._store.begin(1)[0]
    memory._store.frames[position % settings.replay.capacity] = 255
    memory._store.records["state"][position % settings.replay.capacity] = np.nan
    reopened = ReplayMemory(settings, STATE_DIM, tmp_path)
    after = everything(reopened)
    assert reopened.inserted == 230
    assert not after - before
    # Positions 30 .. 229 were there; 30 and 31 had no stack any more, and of the others only 32 needs the torn 30.
    assert [row[1] for row in before - after] == [32.0]


def test_foreign_files_are_refused(small: Make, tmp_path: Path) -> None:
    ReplayMemory(small(), STATE_DIM, tmp_path)
    with pytest.raises(ReplayError, match=r"another run: config_hash"):
        ReplayMemory(small(learning__gamma=0.5), STATE_DIM, tmp_path)
    with pytest.raises(ReplayError, match="state_dim is 3"):
        ReplayMemory(small(), STATE_DIM + 1, tmp_path)
    (tmp_path / "header.json").write_text("{")
    with pytest.raises(ReplayError, match="not readable"):
        ReplayMemory(small(), STATE_DIM, tmp_path)


def test_a_disk_that_is_too_small_shows_before_the_start(small: Make, tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"needs .* GB in .* are free"):
        ReplayMemory(
            small(replay__capacity=10**8, observation__frame_height=256, observation__frame_width=256),
            STATE_DIM,
            tmp_path,
        )
    assert not (tmp_path / "header.json").exists()


def test_disk_is_really_reserved_and_within_the_bound_per_transition(tmp_path: Path) -> None:
    settings = Settings()
    memory = ReplayMemory(Settings(replay=type(settings.replay)(capacity=1000)), 26, tmp_path)
    allocated = sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir())
    assert allocated >= 1000 * 84 * 84
    assert memory.reserved_bytes / 1000 <= 7500


def test_header_is_plain_text(small: Make, tmp_path: Path) -> None:
    ReplayMemory(small(), STATE_DIM, tmp_path)
    header = json.loads((tmp_path / "header.json").read_text())
    assert header["config_hash"] == small().digest()
    assert header["frame"] == [36, 36]


def filled(settings: Settings, message: Message, steps: int, directory: Path | None = None) -> ReplayMemory:
    """A memory with one open episode whose tags are 0, 1, 2 …"""
    memory = ReplayMemory(settings, STATE_DIM, directory)
    for i in range(steps):
        teacher = None if i % 3 == 0 else np.array(shown(i), np.float32)
        memory.append(message(settings, i, i, teacher_action=teacher), linked=i > 0)
    return memory
