# SPDX-License-Identifier: Apache-2.0
"""A run on a disk that fills up: one sentence, it goes on, and goes on writing once there is space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from td3_driving.learning.checkpoint import load_checkpoint
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.trainer import Trainer
from td3_driving.monitor import event_writer
from td3_driving.monitor.event_log import EventLog
from td3_driving.monitor.event_writer import EventWriter
from td3_driving.settings import Settings

from ..shared.full_disk import empty, fill, small_disk
from ..shared.replay_reference import Message

Make = Callable[..., Settings]
STATE_DIM = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def points(folder: Path) -> list[int]:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return [event.step for event in accumulator.Scalars("a")]


def test_an_event_file_keeps_its_points_until_there_is_space(disk: Path) -> None:
    said: list[str] = []
    log = EventLog(disk, said.append)
    log.scalars({"a": 1.0}, 1)
    log.flush()
    fill(disk)
    for step in range(2, 600):
        log.scalars({"a": float(step)}, step)
        log.flush()
    assert len(said) == 1 and "the event file cannot be written: No space left on device" in said[0]
    assert log.fault == said[0]
    kept = points(disk)
    assert kept == list(range(1, len(kept) + 1)), "the file holds whole records alone"
    assert len(kept) < 599
    empty(disk)
    log.flush()
    assert len(said) == 2 and "can be written again" in said[1] and log.fault == ""
    log.close()
    assert points(disk) == list(range(1, 600))


def test_a_record_that_the_disk_takes_in_part_is_taken_back(disk: Path) -> None:
    """Records of 46 bytes, none of which ends with a block of 4096."""
    writer = EventWriter(disk)
    writer.add(bytes(30))
    writer.flush()
    fill(disk)
    (file,) = disk.glob("events.*")
    for _ in range(88):
        writer.add(bytes(30))
        writer.flush()
    writer.add(bytes(30))
    with pytest.raises(OSError, match="No space left"):
        writer.flush()
    assert file.stat().st_size == 89 * 46 == 4094
    empty(disk)
    writer.flush()
    assert file.stat().st_size == 90 * 46
    writer.close()


def test_points_beyond_what_memory_holds_are_counted(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_writer, "MOST_WAITING", 1000)
    log = EventLog(disk, lambda _: None)
    fill(disk)
    for step in range(400):
        log.scalars({"a": 1.0}, step)
        log.flush()
    empty(disk)
    log.close()
    assert "point(s) are lost" in log.fault
    assert len(points(disk)) + int(log.fault.split()[1]) == 400


def test_a_learner_goes_on_without_checkpoints_and_writes_them_again(small: Make, disk: Path) -> None:
    settings = small(replay__on_disk=True, pacing__checkpoint_period=4)
    trainer = Trainer(settings, disk, STATE_DIM)
    news = []
    for number, experience in enumerate(made_up_experience(settings, STATE_DIM, 60), start=1):
        if number == 31:
            fill(disk)
            before = trainer.updates
        if number == 52:
            assert trainer.updates > before, "it learns on"
            assert "No space left" in trainer.disk_fault
            kept = load_checkpoint(disk / "checkpoints", settings.digest())
            assert kept is not None and kept.state["updates"] == before and not kept.passed_over
            assert [path.name for path in (disk / "checkpoints").iterdir() if path.name.startswith(".")] == []
            empty(disk)
        trainer.receive(experience)
        while sentence := trainer.pop_news():
            news.append((number, sentence))
    assert [number >= 52 for number, _ in news] == [False, True], news
    assert "the checkpoint cannot be written" in news[0][1] and "can be written again" in news[1][1]
    newest = load_checkpoint(disk / "checkpoints", settings.digest())
    assert newest is not None and newest.state["updates"] == trainer.updates == 16
    assert ReplayMemory(settings, STATE_DIM, disk / "replay").faults.sentence() == ""


def test_a_checkpoint_that_found_no_space_is_written_with_the_next_log_point(small: Make, disk: Path) -> None:
    """Updates 8 and 16 have a checkpoint, after the steps 40 and 60; step 50 is a log point, after 12 updates."""
    settings = small(replay__on_disk=True, pacing__checkpoint_period=8, run__log_period=50)
    trainer = Trainer(settings, disk, STATE_DIM)
    for number, experience in enumerate(made_up_experience(settings, STATE_DIM, 55), start=1):
        if number == 39:
            fill(disk)
        if number == 45:
            assert trainer.disk_fault and load_checkpoint(disk / "checkpoints", settings.digest()) is None
            empty(disk)
        trainer.receive(experience)
    newest = load_checkpoint(disk / "checkpoints", settings.digest())
    assert newest is not None and newest.state["updates"] == 12 and trainer.disk_fault == ""


def test_the_name_of_an_actor_is_written_with_the_next_checkpoint(small: Make, message: Message, disk: Path) -> None:
    settings = small(replay__on_disk=True, run__num_actors=2)
    trainer = Trainer(settings, disk, STATE_DIM)
    trainer.receive(message(settings, 0))
    fill(disk)
    assert trainer.receive(message(settings, 0, actor_id="actor_1")).inserted
    empty(disk)
    trainer.save()
    assert ("actor_1", 1) in ReplayMemory(settings, STATE_DIM, disk / "replay").stream_ends()


def test_steps_of_an_actor_that_a_full_disk_cannot_name_are_kept(small: Make, message: Message, disk: Path) -> None:
    settings = small(replay__on_disk=True)
    memory = ReplayMemory(settings, STATE_DIM, disk / "replay")
    memory.append(message(settings, 0, 0, actor_id="early"), linked=False)
    fill(disk)
    memory.append(message(settings, 0, 1, actor_id="late"), linked=False)
    with pytest.raises(OSError, match="No space left"):
        memory.write_names()
    assert len(ReplayMemory(settings, STATE_DIM, disk / "replay").stream_ends()) == 2
    empty(disk)
    memory.write_names()
    assert ("late", 1) in ReplayMemory(settings, STATE_DIM, disk / "replay").stream_ends()
