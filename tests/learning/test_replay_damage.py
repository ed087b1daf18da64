# SPDX-License-Identifier: Apache-2.0
"""Damaged files of the replay memory: found when they are opened, said, and only what they held is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.replay_files import ReplayError, steps_in
from td3_driving.settings import Settings

from ..shared import batches
from ..shared.replay_reference import Message

Make = Callable[..., Settings]
STATE_DIM = 3
STEPS, SLOTS, SAMPLEABLE = 90, 112, 89
"""Of the memories below: 22 episodes of four steps, whose last takes two slots, and two steps, the newest of which has
no successor yet."""


@pytest.fixture
def settings(small: Make) -> Settings:
    return small(replay__capacity=120)


@pytest.fixture
def replay(settings: Settings, tmp_path: Path) -> Path:
    """The files of a memory of :data:`STEPS` steps."""
    memory = ReplayMemory(settings, STATE_DIM, tmp_path)
    for experience in made_up_experience(settings, STATE_DIM, STEPS):
        memory.append(experience, linked=experience.step_index > 0)
    return tmp_path


def opened(settings: Settings, folder: Path) -> ReplayMemory:
    return ReplayMemory(settings, STATE_DIM, folder)


def slot_bytes(folder: Path, name: str) -> int:
    return (folder / name).stat().st_size // 120


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def contents(memory: ReplayMemory) -> set[tuple[bytes, ...]]:
    batch = memory.gather(memory.sampleable_slots())
    rows = zip(
        batches.frames(batch), batch.states, batch.actions, batch.rewards, batches.next_frames(batch), strict=True
    )
    return {tuple(np.asarray(part).tobytes() for part in row) for row in rows}


def test_a_whole_memory_has_no_faults(settings: Settings, replay: Path) -> None:
    memory = opened(settings, replay)
    assert memory.faults.sentence() == "" and memory.faults.dropped == 0
    assert memory.inserted == steps_in(replay) == STEPS
    assert memory.sampleable == SAMPLEABLE


@pytest.mark.parametrize("name", ["frames.u8", "records.bin"])
def test_a_flipped_byte_costs_the_transitions_that_need_its_slot_and_no_other(
    settings: Settings, replay: Path, name: str
) -> None:
    before = contents(opened(settings, replay))
    # Step 34 (from 1) is the second of the ninth episode; each of the eight before it took five slots.
    flip(replay / name, 41 * slot_bytes(replay, name) + 7)
    memory = opened(settings, replay)
    after = contents(memory)
    assert memory.faults.damaged == 1 and memory.faults.steps == [(34, 34)]
    assert "1 of its 112 frames are left out" in memory.faults.sentence() and "steps 34" in memory.faults.sentence()
    assert after < before
    # Its own transition, that of the step before, which led to it, and those of the stacks that reach back to it.
    assert len(before - after) == 2 + settings.observation.stack - 1
    assert memory.inserted == STEPS


def test_every_flipped_byte_is_found_or_lies_in_no_slot_that_is_read(settings: Settings, replay: Path) -> None:
    whole = contents(opened(settings, replay))
    draw = random.Random(0)
    for name in ("frames.u8", "records.bin"):
        path, kept = replay / name, (replay / name).read_bytes()
        for _ in range(25):
            offset = draw.randrange(len(kept))
            flip(path, offset)
            memory = opened(settings, replay)
            held = offset // slot_bytes(replay, name) < SLOTS
            assert memory.faults.damaged == int(held)
            assert contents(memory) <= whole
            path.write_bytes(kept)


def test_truncated_frames_never_come_back_black(settings: Settings, replay: Path) -> None:
    size = (replay / "frames.u8").stat().st_size
    before = contents(opened(settings, replay))
    (replay / "frames.u8").write_bytes((replay / "frames.u8").read_bytes()[: size // 2])
    memory = opened(settings, replay)
    # Half of 120 slots: 60 are whole, which is twelve episodes.
    assert memory.faults.damaged == SLOTS - 60
    assert f"had {size // 2:,} bytes instead of {size:,}" in memory.faults.sentence()
    assert "steps 49-90" in memory.faults.sentence()
    assert contents(memory) < before and memory.sampleable == 48
    assert (replay / "frames.u8").stat().st_size == size


def test_a_longer_file_is_cut_and_said(settings: Settings, replay: Path) -> None:
    with open(replay / "records.bin", "ab") as file:
        file.write(b"more")
    memory = opened(settings, replay)
    assert "records.bin had" in memory.faults.sentence() and memory.faults.dropped == 0
    assert memory.sampleable == SAMPLEABLE
    assert opened(settings, replay).faults.sentence() == ""


@pytest.mark.parametrize("byte", range(0, 48, 5))
def test_flipped_counters_are_made_anew_from_the_records(settings: Settings, replay: Path, byte: int) -> None:
    whole = contents(opened(settings, replay))
    flip(replay / "counters.i64", byte)
    memory = opened(settings, replay)
    assert contents(memory) == whole and memory.inserted == STEPS
    assert memory.faults.dropped == 0
    assert opened(settings, replay).faults.sentence() == ""


def test_counters_of_no_bytes_are_made_anew_and_said(settings: Settings, replay: Path) -> None:
    (replay / "counters.i64").write_bytes(b"")
    memory = opened(settings, replay)
    assert memory.inserted == STEPS and "counters.i64 had 0 bytes instead of 48" in memory.faults.sentence()
    assert "counters.i64 was damaged and was made anew" in memory.faults.sentence()


def test_a_kill_between_the_halves_of_the_counters_loses_and_says_nothing(settings: Settings, replay: Path) -> None:
    counters = np.memmap(replay / "counters.i64", np.int64, "r+", shape=(2, 3))
    counters[0] = counters[0] + [1, 0, 0]  # the next slot was announced, its complement not yet written
    counters.flush()
    memory = opened(settings, replay)
    assert memory.faults.sentence() == "" and memory.inserted == STEPS and memory.sampleable == SAMPLEABLE


def test_damaged_names_of_actors_cost_no_step(settings: Settings, replay: Path) -> None:
    (replay / "streams.json").write_text('{"streams": [["a', encoding="utf-8")
    memory = opened(settings, replay)
    assert "not known by name" in memory.faults.sentence() and memory.sampleable == SAMPLEABLE
    # A new actor gets a number of its own, not that of the steps whose actor is forgotten.
    for experience in made_up_experience(settings, STATE_DIM, 2):
        memory.append(experience, linked=experience.step_index > 0)
    assert len(opened(settings, replay).stream_ends()) == 2


def test_a_damaged_number_of_an_actor_names_nobody(settings: Settings, replay: Path) -> None:
    records = opened(settings, replay)._store.records
    records["stream"][7] ^= 2**20
    memory = opened(settings, replay)
    assert memory.faults.damaged == 1
    for experience in made_up_experience(settings, STATE_DIM, 2):
        memory.append(replace(experience, session_id=9), linked=experience.step_index > 0)
    assert (replay / "streams.json").stat().st_size < 1000


def test_a_slot_at_the_place_of_another_is_left_out(settings: Settings, replay: Path) -> None:
    """Its checksum is right."""
    store = opened(settings, replay)._store
    store.frames[40], store.records[40] = store.frames[3], store.records[3]
    memory = opened(settings, replay)
    assert memory.faults.damaged == 1 and memory.sampleable < SAMPLEABLE


def test_a_damaged_header_is_refused_in_one_sentence(settings: Settings, replay: Path) -> None:
    text = (replay / "header.json").read_text(encoding="utf-8")
    (replay / "header.json").write_text(text.replace(settings.digest()[:8], "0" * 8), encoding="utf-8")
    with pytest.raises(ReplayError, match=r"header.json is damaged: its checksum"):
        opened(settings, replay)


@pytest.mark.parametrize(
    "poison",
    [
        {"reward": 1e300},
        {"reward": float("inf")},
        {"state": np.full(STATE_DIM, np.nan, np.float32)},
        {"privileged": np.full(53, np.nan, np.float32)},
        {"action": np.full(2, 1.01, np.float32)},
        {"teacher_action": np.full(2, -1.01, np.float32)},
    ],
)
def test_rows_that_no_step_can_have_are_left_out(
    settings: Settings, replay: Path, message: Message, poison: dict[str, object]
) -> None:
    """Their checksums are right: they were written so."""
    memory = opened(settings, replay)
    memory.append(message(settings, 0, 1, actor_id="stranger", **poison), linked=False)
    memory = opened(settings, replay)
    assert (memory.faults.damaged, memory.faults.out_of_range) == (0, 1)
    assert "1 out of range" in memory.faults.sentence() and f"steps {STEPS + 1}" in memory.faults.sentence()
    assert memory.sampleable == SAMPLEABLE and np.isfinite(memory.gather(memory.sampleable_slots()).rewards).all()


def test_nothing_links_across_what_was_left_out(settings: Settings, message: Message, tmp_path: Path) -> None:
    memory = opened(settings, tmp_path)
    for number in range(10):
        memory.append(message(settings, number, number), linked=number > 0)
    flip(tmp_path / "frames.u8", 9 * slot_bytes(tmp_path, "frames.u8"))
    memory = opened(settings, tmp_path)
    assert memory.sampleable == 8
    memory.append(message(settings, 10, 10), linked=True)
    # Step 11 follows the damaged step 10, not step 9, the newest that is left.
    assert memory.sampleable == 8


def test_a_slot_written_anew_is_whole_again(settings: Settings, replay: Path) -> None:
    flip(replay / "frames.u8", 5)
    memory = opened(settings, replay)
    assert memory.faults.damaged == 1
    for experience in made_up_experience(settings, STATE_DIM, 30):
        memory.append(experience, linked=experience.step_index > 0)
    assert len(memory._store.left_out()) == 0
    assert opened(settings, replay).faults.sentence() == ""
