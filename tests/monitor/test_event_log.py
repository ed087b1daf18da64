# SPDX-License-Identifier: Apache-2.0
"""The event file as TensorBoard's own reader sees it."""

import math
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from td3_driving.monitor.event_log import DASHBOARDS, EventLog


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_scalars_texts_and_layout_are_read_back(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.layout(["efficiency", "own_term"])
    log.text("config", "learning.gamma: 0.99")
    for step in (100, 200):
        log.scalars({"train/q1_value": step / 7.0, "train/actor_loss": math.nan}, step)
    log.scalars({"run/finished": 1.0}, 200)
    log.close()
    events = read(tmp_path)
    assert [(e.step, round(e.value, 4)) for e in events.Scalars("train/q1_value")] == [(100, 14.2857), (200, 28.5714)]
    assert all(math.isnan(e.value) for e in events.Scalars("train/actor_loss"))
    assert [e.step for e in events.Scalars("run/finished")] == [200]
    assert events.Tensors("config")[0].tensor_proto.string_val[0] == b"learning.gamma: 0.99"
    layout = layout_pb2.Layout.FromString(events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    assert [category.title for category in layout.category] == list(DASHBOARDS)
    (terms,) = (chart for category in layout.category for chart in category.chart if chart.title == "reward terms")
    assert list(terms.multiline.tag) == ["reward/efficiency", "reward/own_term", "reward/total"]


def test_a_continued_run_adds_a_file_and_keeps_the_first(tmp_path: Path) -> None:
    for step in (1, 2):
        log = EventLog(tmp_path)
        log.scalars({"a": float(step)}, step)
        log.close()
    assert [e.step for e in read(tmp_path).Scalars("a")] == [1, 2]
