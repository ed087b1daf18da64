# SPDX-License-Identifier: Apache-2.0
"""The rules about damaged files and dead cameras, and damaged runs as a whole: none of them is GO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.examine import examine
from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay_files import ReplayError
from td3_driving.learning.trainer import Trainer
from td3_driving.monitor.event_log import EventLog
from td3_driving.runs.checksums import sealed
from td3_driving.settings import from_flat

from .lane_course import STEPS, Course
from .rule_harness import every, found, severities

MORE = 150
"""Steps that a continued course drives beyond those of its first part."""


class TestRules:
    def test_damaged_files_are_counted_from_the_first_point(self, examined):
        columns = {"replay/left_out": every(lambda step: 39.0 if step >= 2000 else 0.0)}
        (finding,) = found(examined(columns), "damaged-files")
        assert finding.severity.value == "insufficient" and finding.first_step == 2000
        assert "39 frame(s) of the replay memory left out" in finding.evidence

    def test_whole_files_and_passed_over_checkpoints(self, examined):
        whole = {"replay/left_out": every(0), "agent/checkpoints_passed_over": every(0)}
        assert severities(examined(whole), "damaged-files") == []
        columns = whole | {"agent/checkpoints_passed_over": every(1)}
        assert severities(examined(columns), "damaged-files") == ["insufficient"]

    def test_steps_lost_for_good(self, examined):
        columns = {"replay/left_out": every(0), "replay/gone": every(lambda step: 2.0 if step >= 1000 else 0.0)}
        (finding,) = found(examined(columns), "damaged-files")
        assert finding.severity.value == "insufficient" and finding.first_step == 1000
        assert "2 step(s) lost for good" in finding.evidence

    @pytest.mark.parametrize(("black", "severity"), [(30, "critical"), (15, "critical"), (14, "insufficient")])
    def test_black_images(self, examined, black, severity):
        columns = {"observation/uniform_share": every(lambda step: float(step <= 100 * black))}
        assert severities(examined(columns), "blind-images") == [severity]

    def test_a_single_uniform_frame_in_a_window_is_nothing(self, examined):
        assert severities(examined({"observation/uniform_share": every(0.01)}), "blind-images") == []

    @pytest.mark.parametrize(("speed", "severities_of"), [(20.0, ["critical"]), (0.2, [])])
    def test_an_image_that_stands_still_counts_while_the_vehicle_drives(self, examined, speed, severities_of):
        columns = {"observation/uniform_share": every(0), "observation/repeated_share": every(1)}
        columns["progress/speed_kmh"] = every(speed)
        assert severities(examined(columns), "blind-images") == severities_of

    @pytest.mark.parametrize(("length", "expected"), [(2, []), (3, ["insufficient"])])
    def test_two_windows_of_equal_images_happen_on_a_straight_road(self, examined, length, expected):
        columns = {"observation/uniform_share": every(0), "progress/speed_kmh": every(20)}
        columns["observation/repeated_share"] = every(lambda step: float(1000 <= step < 1000 + 100 * length))
        assert severities(examined(columns), "blind-images") == expected


class ContinuedCourse(Course):
    """A course that stops, and goes on for longer in its folder after something happened to it."""

    def drive(self, folder: Path, between: Callable[[Path], None] = lambda folder: None) -> Diagnosis:
        self.news: list[str] = []
        self._part(folder, self.make_trainer(folder), STEPS)
        between(folder)
        self.settings = from_flat(self.settings.flat() | {"run.steps": STEPS + MORE})
        trainer = self.make_trainer(folder)
        while sentence := trainer.pop_news():
            self.news.append(sentence)
        self._part(folder, trainer, STEPS + MORE)
        return examine(folder)

    def _part(self, folder: Path, trainer: Trainer, last: int) -> None:
        log = EventLog(folder)
        flat = self.settings.flat() | {"run.steps": STEPS + MORE}
        log.text("config", "\n".join(f"    {key}: {value}" for key, value in flat.items()))
        if last == STEPS:
            self._steps(trainer, self.make_doctor(), log)
        else:
            self._go_on(trainer, log)
            log.scalars({"run/finished": 1.0}, last)
        trainer.save()
        log.close()

    def _go_on(self, trainer: Trainer, log: EventLog) -> None:
        for experience in made_up_experience(self.settings, 2, MORE):
            trainer.receive(replace(experience, session_id=2))
            while (point := trainer.pop_log_point()) is not None:
                log.scalars(point.values, point.step)


@pytest.fixture
def course(one_thread: None) -> ContinuedCourse:
    return ContinuedCourse(replay__on_disk=True, run__steps=STEPS, pacing__checkpoint_period=100)


def cut(folder: Path, name: str, size: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:size])


def flip(folder: Path, name: str, offsets: list[int]) -> None:
    data = bytearray((folder / name).read_bytes())
    for offset in offsets:
        data[offset] ^= 0x40
    (folder / name).write_bytes(data)


def test_flipped_records_are_found_said_and_no_go(course: ContinuedCourse, tmp_path: Path) -> None:
    size = 0

    def damage(folder: Path) -> None:
        nonlocal size
        size = (folder / "replay/records.bin").stat().st_size // course.settings.replay.capacity
        flip(folder, "replay/records.bin", [200 * size + 24, 301 * size + 70])

    diagnosis = course.drive(tmp_path, damage)
    assert any("2 of its" in sentence and "2 damaged" in sentence for sentence in course.news), course.news
    assert diagnosis.verdict is Verdict.INSUFFICIENT
    assert "2 frame(s) of the replay memory left out" in "; ".join(diagnosis.insufficient)


def test_frames_cut_to_1000_bytes_never_resume_black(course: ContinuedCourse, tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"cannot go on: 0 of 450 transitions are left.* had 1,000 bytes") as caught:
        course.drive(tmp_path, lambda folder: cut(folder, "replay/frames.u8", 1000))
    assert "\n" not in str(caught.value)
    assert examine(tmp_path).verdict is Verdict.INSUFFICIENT


def test_a_truncated_newest_checkpoint_resumes_from_the_one_before_and_is_no_go(
    course: ContinuedCourse, tmp_path: Path
) -> None:
    def damage(folder: Path) -> None:
        newest = sorted(path for path in (folder / "checkpoints").iterdir() if path.name.isdigit())[-1]
        tensors = newest / "tensors.safetensors"
        tensors.write_bytes(tensors.read_bytes()[:5000])

    diagnosis = course.drive(tmp_path, damage)
    assert any("resumes from step 350 (update 200)" in sentence for sentence in course.news), course.news
    assert diagnosis.verdict is Verdict.INSUFFICIENT
    assert "1 damaged checkpoint(s) passed over" in "; ".join(diagnosis.insufficient)


def test_no_checkpoint_left_is_one_sentence(course: ContinuedCourse, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        for tensors in (folder / "checkpoints").glob("0*/tensors.safetensors"):
            tensors.write_bytes(b"")

    with pytest.raises(CheckpointError, match="no checkpoint is left that is not damaged") as caught:
        course.drive(tmp_path, damage)
    assert "\n" not in str(caught.value)


def test_a_poisoned_memory_resumes_without_its_rows_and_is_no_go(course: ContinuedCourse, tmp_path: Path) -> None:
    """As a run that believed a reward of 1e300 left it: the row's checksum is right."""

    def damage(folder: Path) -> None:
        memory = course.make_trainer(folder).memory
        record = memory._store.records
        position = memory._store.begin(1)[0]
        record["position"][position], record["reward"][position], record["previous"][position] = position, 1e300, 400
        memory._store._seal(position, np.zeros(memory._store.frames.shape[1:], np.uint8))
        memory._store.commit()

    diagnosis = course.drive(tmp_path, damage)
    assert any("1 out of range" in sentence for sentence in course.news), course.news
    assert diagnosis.verdict is Verdict.INSUFFICIENT
    assert "1 frame(s) of the replay memory left out" in "; ".join(diagnosis.insufficient)


def test_an_event_file_cut_to_5_kb_is_said_and_no_go(course: ContinuedCourse, tmp_path: Path) -> None:
    course.drive(tmp_path)
    for path in tmp_path.glob("events.out.tfevents.*"):
        cut(tmp_path, path.name, 5000)
    diagnosis = examine(tmp_path)
    assert diagnosis.verdict is Verdict.INSUFFICIENT
    assert "cut short" in "; ".join(diagnosis.insufficient)
    assert "learning_not_started" not in [cause.cause for cause in diagnosis.causes]


@pytest.mark.parametrize("part", ["payload", "length"])
def test_a_flipped_byte_in_an_event_file_is_said_and_no_go(course: ContinuedCourse, tmp_path: Path, part: str) -> None:
    """In the first file, whose run went on and ended in order: a tag or a value would be another one unseen."""
    course.drive(tmp_path)
    path = min(tmp_path.glob("events.out.tfevents.*"))
    data = path.read_bytes()
    # A tag stands inside a payload; 12 bytes of length and checksum come before the first one.
    flip(tmp_path, path.name, [data.rindex(b"agent/total_iterations") + 3 if part == "payload" else 0])
    if part == "length":
        with pytest.raises(Unusable):
            examine(path)
        return
    diagnosis = examine(tmp_path)
    assert diagnosis.verdict is not Verdict.GO
    (finding,) = [finding for finding in diagnosis.findings if finding.rule == "damaged-files"]
    assert f"1 record(s) of {path} with a wrong checksum were left out" in finding.evidence


@pytest.mark.parametrize("name", ["config.yaml", "manifest.json", "evaluation.json"])
def test_a_changed_small_file_is_said_and_no_go(course: ContinuedCourse, tmp_path: Path, name: str) -> None:
    course.drive(tmp_path)
    with sealed(tmp_path, name):
        (tmp_path / name).write_text("{}")
    assert not [finding for finding in examine(tmp_path).findings if finding.rule == "damaged-files"]
    (tmp_path / name).write_text("{ ")
    diagnosis = examine(tmp_path)
    assert diagnosis.verdict is not Verdict.GO
    (finding,) = [finding for finding in diagnosis.findings if finding.rule == "damaged-files"]
    assert finding.evidence == f"{tmp_path / name} is not as the run wrote it: its SHA-256 is not that in SHA256SUMS"


def test_the_same_course_with_whole_files_has_no_such_finding(course: ContinuedCourse, tmp_path: Path) -> None:
    diagnosis = course.drive(tmp_path)
    assert course.news == []
    rules = {finding.rule for finding in diagnosis.findings}
    assert not rules & {"damaged-files", "blind-images"}, diagnosis.findings
