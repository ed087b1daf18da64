# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.event_file import _checked, masked_crc32c, read_scalars
from td3_driving.doctor.examine import examine
from td3_driving.doctor.report_json import as_mapping
from td3_driving.doctor.scalars import ReadReport, Scalar

FLOATS = st.floats(width=32, allow_nan=False)
SAMPLES = st.lists(
    st.builds(
        Scalar,
        tag=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20),
        step=st.integers(-(2**40), 2**62),
        value=FLOATS,
        wall=st.floats(0, 2e9),
    ),
    max_size=20,
)
REUSE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read(path: Path) -> tuple[list[Scalar], ReadReport]:
    report = ReadReport(str(path))
    return list(read_scalars(path, report)), report


def test_the_checksum_is_the_published_one():
    # CRC-32C of "123456789" is 0xE3069283; TFRecord's mask rotates it right by 15 and adds a constant.
    crc = 0xE3069283
    assert masked_crc32c(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@REUSE
@given(SAMPLES, st.sampled_from(["scalar", "tensor"]))
def test_what_was_written_is_read(tmp_path, encode, file_version, samples, kind):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(file_version + b"".join(encode[kind](sample) for sample in samples))
    found, report = read(path)
    assert found == samples
    assert report.damage == ""


def test_a_real_writer_is_read(tmp_path):
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer").EventFileWriter(str(tmp_path))
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
    for step in range(3):
        value = summary_pb2.Summary.Value(tag="train/actor_loss", simple_value=-0.5 * step)
        writer.add_event(event_pb2.Event(step=step, wall_time=7.0, summary=summary_pb2.Summary(value=[value])))
    writer.close()
    found, _ = read(next(tmp_path.iterdir()))
    assert found == [Scalar("train/actor_loss", step, -0.5 * step, 7.0) for step in range(3)]


def test_a_half_written_tail_costs_only_itself(tmp_path, encode, file_version):
    samples = [Scalar("a", step, float(step), 1.0) for step in range(5)]
    records = [encode["scalar"](sample) for sample in samples]
    whole = file_version + b"".join(records)
    path = tmp_path / "events.out.tfevents.1"
    for cut in range(len(file_version), len(whole)):
        path.write_bytes(whole[:cut])
        found, report = read(path)
        complete = (cut - len(file_version)) // len(records[0])
        assert found == samples[:complete]
        assert bool(report.damage) == bool((cut - len(file_version)) % len(records[0]))


@REUSE
@given(st.binary(max_size=400))
def test_random_bytes_are_refused(tmp_path, content):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(content)
    with pytest.raises(Unusable):
        read(path)


def test_every_flipped_byte_is_said_and_no_value_of_it_is_believed(tmp_path, encode, file_version):
    samples = [Scalar("tag", step, float(step), 2.0) for step in range(4)]
    records = [encode["scalar"](sample) for sample in samples]
    whole = file_version + b"".join(records)
    path = tmp_path / "events.out.tfevents.1"
    for place in range(len(file_version), len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        found, report = read(path)
        hit, offset = divmod(place - len(file_version), len(records[0]))
        # Behind a damaged length nothing is read; a damaged payload costs itself alone.
        assert found == samples[:hit] + (samples[hit + 1 :] if offset >= 12 else []), place
        assert report.damage or report.wrong, place


def test_checksums_side_by_side_are_those_of_each(encode):
    rng = np.random.default_rng(0)
    pieces = [rng.bytes(int(size)) for size in rng.integers(0, 300, 200)]
    crcs = [masked_crc32c(piece) for piece in pieces]
    wrong = set(rng.choice(200, 20, replace=False).tolist())
    ends = [struct.pack("<I", crc ^ (number in wrong)) for number, crc in enumerate(crcs)]
    lengths = np.array([len(piece) for piece in pieces])
    starts = np.concatenate([[0], np.cumsum(lengths + 4)[:-1]])
    right = _checked(b"".join(piece + end for piece, end in zip(pieces, ends)), starts, lengths)
    assert set(np.flatnonzero(~right).tolist()) == wrong


@REUSE
@given(st.data())
def test_damage_in_the_middle_never_raises(tmp_path, encode, file_version, data):
    body = bytearray(b"".join(encode["scalar"](Scalar("tag", step, 1.0, 2.0)) for step in range(20)))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(file_version + bytes(body))
    found, _ = read(path)
    assert len(found) <= 20


def test_texts_are_kept_and_other_tensors_passed_over(tmp_path, encode, file_version):
    vector = b"\x08\x01" + encode["blob"](4, struct.pack("<3f", 1, 2, 3))
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(
        file_version
        + encode["text"]("config/text_summary", "learning.gamma: 0.9")
        + encode["event"](encode["blob"](1, b"histogram") + encode["blob"](8, vector), 1, 0.0)
    )
    found, report = read(path)
    assert found == []
    assert report.texts == {"config": "learning.gamma: 0.9"}


@pytest.mark.parametrize(("dtype", "code", "value"), [(2, "d", 0.1), (3, "i", -5), (9, "q", 7), (23, "Q", 9)])
def test_tensors_of_other_types(tmp_path, encode, file_version, dtype, code, value):
    tensor = bytes([8, dtype]) + encode["blob"](4, struct.pack("<" + code, value))
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(file_version + encode["event"](encode["blob"](1, b"x") + encode["blob"](8, tensor), 3, 0.0))
    assert read(path)[0] == [Scalar("x", 3, float(value), 0.0)]


def test_progress_counts_every_byte(tmp_path, encode, file_version):
    rng = random.Random(0)
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(
        file_version + b"".join(encode["scalar"](Scalar("t", i, rng.random(), 0.0)) for i in range(60_000))
    )
    counted: list[int] = []
    total = sum(1 for _ in read_scalars(path, ReadReport(""), counted.append))
    assert total == 60_000
    assert sum(counted) == path.stat().st_size
    assert len(counted) > 1


def test_a_file_that_is_cut_short_is_told_as_that(tmp_path, write_events, healthy, samples):
    """Tag by tag, as some tools export: the cut takes the losses away, and only them."""
    found = sorted(samples(healthy()), key=lambda sample: "loss" in sample.tag or "value" in sample.tag)
    left_out = ("agent/", "debug/", "run/finished", "train/episode_reward")
    found = [sample for sample in found if not sample.tag.startswith(left_out)]
    path = write_events(tmp_path / "events.out.tfevents.1", found)
    lost = sum("loss" in sample.tag or "value" in sample.tag for sample in found)
    kept = write_events(tmp_path / "kept", found[: len(found) - lost]).stat().st_size
    path.write_bytes(path.read_bytes()[: kept + 7])
    report = as_mapping(examine(path))
    assert report["verdict"] == "INSUFFICIENT"
    assert [cause["cause"] for cause in report["causes"]] == ["run_incomplete"]
    assert report["run"]["damage"].startswith("cut short: ")
    coverage = report["coverage"]["q_values"]
    assert coverage["q1"]["status"] == coverage["critic_loss"]["status"] == "cut short"
    (alive,) = [item for item in report["rules"] if item["rule"] == "learning-alive"]
    assert (alive["status"], alive["reason"]) == ("not judged", "the losses may lie in the part that is lost")
    # The same series without a cut: nothing was ever learned.
    whole = as_mapping(examine(tmp_path / "kept"))
    assert whole["causes"][0]["cause"] == "learning_not_started"
    assert whole["coverage"]["q_values"]["q1"]["status"] == "missing"
