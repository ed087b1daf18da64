# SPDX-License-Identifier: Apache-2.0
"""What the doctor's tests share: a writer of event files, samples of a healthy run, published runs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from td3_driving.doctor.engine import Engine
from td3_driving.doctor.event_file import masked_crc32c
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.scalars import Scalar

AUTHOR_RUNS = Path(__file__).resolve().parents[2] / "../shared/data/author_runs"

Columns = dict[str, list[tuple[int, float]]]


def varint(value: int) -> bytes:
    """Base-128 integer; negative ones as 64-bit two's complement."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def blob(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def record(payload: bytes) -> bytes:
    """One TFRecord."""
    head = struct.pack("<Q", len(payload))
    checks = struct.pack("<I", masked_crc32c(head)), struct.pack("<I", masked_crc32c(payload))
    return head + checks[0] + payload + checks[1]


def event(summary_value: bytes, step: int, wall: float) -> bytes:
    """A record with one summary value."""
    return record(b"\x09" + struct.pack("<d", wall) + b"\x10" + varint(step) + blob(5, blob(1, summary_value)))


def scalar_event(sample: Scalar) -> bytes:
    """A record as most writers make it: ``simple_value``."""
    return event(blob(1, sample.tag.encode()) + b"\x15" + struct.pack("<f", sample.value), sample.step, sample.wall)


def tensor_event(sample: Scalar) -> bytes:
    """A record as newer writers make it: a float tensor with raw content."""
    tensor = b"\x08\x01" + blob(2, b"") + blob(4, struct.pack("<f", sample.value))
    return event(blob(1, sample.tag.encode()) + blob(8, tensor), sample.step, sample.wall)


def text_event(tag: str, text: str) -> bytes:
    """A text summary."""
    return event(blob(1, tag.encode()) + blob(8, b"\x08\x07" + blob(8, text.encode())), 0, 0.0)


FILE_VERSION = record(b"\x09" + struct.pack("<d", 0.0) + blob(3, b"brain.Event:2"))


@pytest.fixture
def encode() -> dict[str, Callable[..., bytes]]:
    """The encoders by name, for tests that build files by hand."""
    return {
        "scalar": scalar_event,
        "tensor": tensor_event,
        "text": text_event,
        "event": event,
        "record": record,
        "blob": blob,
    }


@pytest.fixture
def file_version() -> bytes:
    """What every event file begins with."""
    return FILE_VERSION


@pytest.fixture
def write_events() -> Callable[..., Path]:
    """``write_events(path, samples, texts={})``: an event file."""

    def write(path: Path, samples: Iterable[Scalar], texts: dict[str, str] | None = None) -> Path:
        content = FILE_VERSION + b"".join(text_event(tag, text) for tag, text in (texts or {}).items())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content + b"".join(scalar_event(sample) for sample in samples))
        return path

    return write


def samples_of(columns: Columns) -> list[Scalar]:
    """Samples by tag as one stream in the order of steps; wall time is a tenth of the step."""
    rows: dict[int, list[Scalar]] = {}
    for tag, points in columns.items():
        for step, value in points:
            rows.setdefault(step, []).append(Scalar(tag, step, value, 0.1 * step))
    return [sample for step in sorted(rows) for sample in rows[step]]


@pytest.fixture
def samples() -> Callable[[Columns], list[Scalar]]:
    """``samples({tag: [(step, value), …]})`` as one stream."""
    return samples_of


@pytest.fixture
def examined() -> Callable[..., Engine]:
    """``examined(columns, key=value, …)``: an engine that was fed ``columns``, with what was asked of the run."""

    def make(columns: Columns, **asked: float | str) -> Engine:
        engine = Engine(Expectations(asked, "test"))
        for sample in samples_of(columns):
            engine.feed(*sample)
        engine.history.flush()
        return engine

    return make


@pytest.fixture
def healthy() -> Callable[..., Columns]:
    """Columns of a healthy run in the manner of our own: 6,000 steps, learning from 1,000, an update every 4 steps."""

    def make(seed: int = 0, steps: int = 6000) -> Columns:
        rng = np.random.default_rng(seed)
        points = list(range(1100, steps + 1, 100))
        growth = [10.0 * (1.0 - np.exp(-(step - 1000) / 3000.0)) for step in points]
        q = [value + rng.normal(0.0, 0.2) for value in growth]
        aq = [value * rng.uniform(0.95, 1.1) for value in q]
        noise = [float(rng.normal()) for _ in points]
        columns: dict[str, list[float]] = {
            "train/actor_loss": [-value for value in aq],
            "debug/q1_for_actor_mean": aq,
            "train/q1_value": q,
            "train/q2_value": [value + 0.05 for value in q],
            "train/critic_loss": [1.0 + 0.1 * abs(value) for value in noise],
            "agent/total_iterations": [(step - 1000) / 4 for step in points],
            "agent/updates_per_step": [0.25 for _ in points],
            "agent/is_training": [1.0 for _ in points],
            "agent/actor_param_mean": [1e-3 + 1e-6 * step for step in points],
            "agent/actor_param_std": [3e-2 + 1e-6 * step for step in points],
            "agent/actor_lr": [1e-3 for _ in points],
            "gradients/actor_mlp_norm": [0.3 + 0.02 * abs(value) for value in noise],
            "gradients/actor_cnn_norm": [0.1 + 0.02 * abs(value) for value in noise],
            "gradients/actor_norm_pre_clip": [0.4 + 0.03 * abs(value) for value in noise],
            "gradients/actor_norm_post_clip": [0.4 + 0.03 * abs(value) for value in noise],
            "gradients/critic_mlp_norm": [2.0 + abs(value) for value in noise],
            "gradients/critic_cnn_norm": [1.0 + abs(value) for value in noise],
            "action/steer_mean": [0.1 * value for value in noise],
            "action/steer_std": [0.3 for _ in points],
            "action/throttle_mean": [0.5 for _ in points],
            "action/throttle_std": [0.3 for _ in points],
            "alerts/q_ratio": [0.0 for _ in points],
        }
        run: Columns = {tag: list(zip(points, values)) for tag, values in columns.items()}
        return {**run, **_driving(rng, steps)}

    return make


def _driving(rng: np.random.Generator, steps: int) -> Columns:
    run: Columns = {"train/episode_length": [], "train/episode_reward": [], "train/lane_invasions_per_episode": []}
    step = 0
    while True:
        length = int(rng.integers(40, 90) * (1.0 if step < 1000 else 1.5 + step / 3000.0))
        step += length
        if step > steps:
            break
        run["train/episode_length"].append((step, float(length)))
        run["train/episode_reward"].append((step, 0.3 * length - 10.0))
        run["train/lane_invasions_per_episode"].append((step, 0.5))
    log = list(range(100, steps + 1, 100))
    parts = {
        name: [float(rng.uniform(0.0, 0.2)) for _ in log]
        for name in ("efficiency", "lane_keeping", "comfort", "progress")
    }
    parts["safety"] = [-0.15 for _ in log]
    for name, values in parts.items():
        run[f"reward/{name}"] = list(zip(log, values))
    run["reward/total"] = [
        (at, float(np.float32(sum(values[i] for values in parts.values())))) for i, at in enumerate(log)
    ]
    run["progress/speed_kmh"] = [(at, float(rng.uniform(5.0, 30.0))) for at in log]
    run["progress/current_reward"] = [(at, float(rng.uniform(-0.5, 2.0))) for at in log]
    run["run/finished"] = [(steps, 1.0)]
    return run


@pytest.fixture
def author_run() -> Callable[[str], Path]:
    """``author_run(name)``: folder of one of the published runs; skips without them."""

    def find(name: str) -> Path:
        folder = AUTHOR_RUNS / name
        if not folder.is_dir():
            pytest.skip("the published runs are not on this machine")
        return folder

    return find
