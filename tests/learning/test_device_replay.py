# SPDX-License-Identifier: Apache-2.0
"""Batches for a learner on a device, with the processor as that device: the memory itself is the reference."""

from __future__ import annotations

from dataclasses import fields
from typing import Callable

import numpy as np
import pytest
import torch

from td3_driving.learning.batch import Batch, TensorBatch
from td3_driving.learning.device_replay import CHUNK, DeviceReplay, PinnedReplay, word_type
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings

Make = Callable[..., Settings]
Kind = type[DeviceReplay] | type[PinnedReplay]
STATE_DIM = 3
CPU = torch.device("cpu")
FORMS = (
    {"observation__stack": 1},
    {"observation__stack": 3, "learning__n_step": 3},
    {"observation__stack": 4, "observation__stack_stride": 2, "observation__colour": "colour"},
)


def assert_equal(found: TensorBatch, wanted: Batch, reward_scale: float) -> None:
    names = {field.name for field in fields(Batch)}
    assert names == {field.name for field in fields(TensorBatch)}
    for name in names - {"rewards", "channels"}:
        np.testing.assert_array_equal(getattr(found, name).numpy(), getattr(wanted, name), name)
    np.testing.assert_array_equal(found.rewards.numpy(), wanted.rewards / np.float32(reward_scale))
    assert found.channels == wanted.channels


@pytest.mark.parametrize("kind", [DeviceReplay, PinnedReplay])
@pytest.mark.parametrize("form", FORMS)
def test_equal_slots_give_equal_batches(small: Make, kind: Kind, form: dict[str, object]) -> None:
    """Also of steps that came later, and of slots that were written a second time."""
    settings = small(**form, replay__capacity=100, run__steps=300)
    memory = ReplayMemory(settings, STATE_DIM, None)
    intake = ExperienceIntake(settings, STATE_DIM, memory)
    source, generator = kind(settings, memory, CPU), np.random.default_rng(0)
    checked = 0
    for number, experience in enumerate(made_up_experience(settings, STATE_DIM, 260)):
        intake.accept(experience)
        if number % 37 == 36:
            slots = memory.draw(settings.learning.batch_size, generator)
            source.fetch(memory.links.locate(slots), 2.5)
            assert_equal(source.read(), memory.gather(slots), 2.5)
            checked += 1
    assert checked == 7 and memory.inserted > memory.capacity


def test_more_steps_than_a_chunk_and_than_the_memory_come_over_at_once(small: Make) -> None:
    settings = small(replay__capacity=150, learning__batch_size=100, run__steps=300)
    memory = ReplayMemory(settings, STATE_DIM, None)
    intake = ExperienceIntake(settings, STATE_DIM, memory)
    source = DeviceReplay(settings, memory, CPU)
    for experience in made_up_experience(settings, STATE_DIM, 2 * 150):
        intake.accept(experience)
    assert memory.sampleable > CHUNK
    slots = np.resize(memory.sampleable_slots(), 100)
    source.fetch(memory.links.locate(slots), 1.0)
    assert_equal(source.read(), memory.gather(slots), 1.0)


def test_a_step_that_did_not_come_over_is_missed(small: Make) -> None:
    """The comparison above can fail: without the copy of what is new the batch is another."""
    settings = small()
    memory = ReplayMemory(settings, STATE_DIM, None)
    intake = ExperienceIntake(settings, STATE_DIM, memory)
    source = DeviceReplay(settings, memory, CPU)
    for experience in made_up_experience(settings, STATE_DIM, 40):
        intake.accept(experience)
    source._copied = memory.store.committed
    slots = memory.draw(8, np.random.default_rng(0))
    source.fetch(memory.links.locate(slots), 1.0)
    with pytest.raises(AssertionError):
        assert_equal(source.read(), memory.gather(slots), 1.0)


def test_bytes_are_said(small: Make) -> None:
    """100 frames of 36 x 36 bytes and 3 + 53 + 2 + 2 numbers of 4 bytes; a batch of 8 has 4 frames a row."""
    settings = small(replay__capacity=100, observation__stack=3)
    memory = ReplayMemory(settings, STATE_DIM, None)
    stored = 100 * (36 * 36 + 4 * 60)
    batch, chunk = 8 * (6 * 8 + 3 * 4), CHUNK * (8 + 36 * 36 + 4 * 60)
    on_device = DeviceReplay(settings, memory, CPU)
    assert on_device.nbytes == stored + batch + chunk
    assert f"{on_device.nbytes:,} bytes" in on_device.sentence()
    sent = 8 * (4 * 36 * 36 + 2 * 4 * 60 + 3 * 4)
    sentence = PinnedReplay(settings, memory, CPU).sentence()
    assert "129,600 bytes, stay in the machine's memory" in sentence and f"{sent:,} bytes a batch" in sentence


@pytest.mark.parametrize(("length", "word"), [(16, torch.int64), (12, torch.int32), (7, torch.uint8), (2, torch.uint8)])
def test_the_widest_word_that_divides(length: int, word: torch.dtype) -> None:
    assert word_type(length) is word
