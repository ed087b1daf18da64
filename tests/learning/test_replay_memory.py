# SPDX-License-Identifier: Apache-2.0
"""The memory against a reference that keeps full chains and looks every stack up frame by frame."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from td3_driving.driving.observation import FrameStack
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

from ..shared import batches
from ..shared.replay_reference import Drive, Message, Reference, everything, shown

Make = Callable[..., Settings]
STATE_DIM = 3


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
        run__num_actors=actors,
        run__steps=1000,
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
    memory, frames_seen, rng = (
        ReplayMemory(settings, STATE_DIM, None),
        FrameStack(settings.observation),
        np.random.default_rng(0),
    )
    seen: dict[int, np.ndarray] = {}
    for number in range(75):
        episode, step = divmod(number, 25)
        frames = rng.integers(0, 256, (2, 3, 36, 36), dtype=np.uint8)
        if step == 0:
            frames_seen.clear()
        seen[2 * number] = frames_seen.push(frames[0])
        ending = {"truncated": True, "final": True} if step == 24 else {}
        sent = message(settings, number, 2 * number, episode_id=episode, step_index=step, frame=frames[0], **ending)
        if ending:
            sent = replace(sent, final_frame=frames[1])
            seen[2 * number + 1] = frames_seen.push(frames[1])
        memory.append(sent, linked=step > 0)
    batch = memory.gather(memory.sampleable_slots())
    assert len(batch.actions) == 75
    for i in range(75):
        np.testing.assert_array_equal(batches.frames(batch)[i], seen[int(batch.states[i, 0])])
        np.testing.assert_array_equal(batches.next_frames(batch)[i], seen[int(batch.next_states[i, 0])])


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


def test_reward_clip_bounds_each_step_before_the_sum(small: Make, message: Message) -> None:
    settings = small(learning__n_step=2, learning__reward_clip=0.001, learning__gamma=0.5)
    batch = filled(settings, message, 5).gather(np.array([2]))  # rewards 0.002 and 0.003, each clipped to 0.001
    assert batch.rewards[0] == pytest.approx(0.001 + 0.5 * 0.001)
    assert batch.discounts[0] == pytest.approx(0.25)


def test_the_same_generator_state_gives_the_same_batch_after_reopening(
    small: Make, message: Message, tmp_path: Path
) -> None:
    settings = small()
    first = filled(settings, message, 250, tmp_path).sample(32, np.random.default_rng(7))
    again = ReplayMemory(settings, STATE_DIM, tmp_path).sample(32, np.random.default_rng(7))
    assert np.array_equal(batches.frames(first), batches.frames(again))
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


def filled(settings: Settings, message: Message, steps: int, directory: Path | None = None) -> ReplayMemory:
    """A memory with one open episode whose tags are 0, 1, 2 …"""
    memory = ReplayMemory(settings, STATE_DIM, directory)
    for i in range(steps):
        teacher = None if i % 3 == 0 else np.array(shown(i), np.float32)
        memory.append(message(settings, i, i, teacher_action=teacher, reward=i % 10), linked=i > 0)
    return memory
