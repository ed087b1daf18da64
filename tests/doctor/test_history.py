# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.doctor.engine import Engine
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.history import EpisodeClock

LENGTHS = st.lists(st.integers(2, 1000), min_size=2, max_size=50)


@given(LENGTHS)
def test_numbered_episodes_are_dated_by_their_lengths(lengths):
    clock = EpisodeClock()
    ends = [clock.end_of(number, float(length), 0.0) for number, length in enumerate(lengths)]
    assert clock.numbered
    assert ends == list(np.cumsum(lengths))


@given(LENGTHS, st.sampled_from([0, -1]))
def test_dated_episodes_keep_their_steps(lengths, offset):
    clock = EpisodeClock()
    ends = [int(end) + offset for end in np.cumsum(lengths)]
    assert [clock.end_of(end, float(length), 0.0) for end, length in zip(ends, lengths)] == ends


def feed(columns):
    engine = Engine(Expectations())
    for tag, step, value in columns:
        engine.feed(tag, step, value, 0.0)
    engine.history.flush()
    return engine.history


def test_every_series_of_a_numbered_episode_gets_its_date():
    rows = [
        ("train/episode_reward", 0, 5.0),
        ("train/episode_length", 0, 50.0),
        ("train/episode_reward", 1, 6.0),
        ("train/episode_length", 1, 30.0),
    ]
    history = feed(rows)
    assert list(history.get("episode_return").steps()) == [50, 80]
    assert list(history.episodes().start) == [0, 50]


def test_learning_start_is_counted_back_from_the_updates():
    history = feed([("agent/total_iterations", 1100, 2.0), ("agent/total_iterations", 1200, 4.0)])
    assert history.learning_start == 1000


def test_learning_start_without_a_counter_is_the_first_loss():
    assert feed([("losses/qf1_loss", 25_100, 1.0)]).learning_start == 25_100


def test_regimes_are_split_at_learning_start_and_evaluations():
    rows = [("losses/actor_loss", step, 1.0) for step in range(1000, 3001, 500)]
    history = feed([*rows, ("eval/mean_reward", 2000, 1.0)])
    assert history.phases() == [
        ("before learning", 0.0, 1000.0),
        ("learning", 1000.0, 2000.0),
        ("after the evaluation at 2,000", 2000.0, 3000.0),
    ]


def test_the_first_tag_of_a_quantity_is_used():
    history = feed([("train/q1_value", 1, 2.0), ("debug/q1_pred_mean", 1, 9.0)])
    assert history.tags["q1"] == "train/q1_value"
    assert history.get("q1").count == 1


def test_unknown_tags_are_kept_apart():
    history = feed([("somebody/else", 1, 2.0), ("somebody/else", 2, math.nan)])
    assert list(history.unknown) == ["somebody/else"]
    assert history.nonfinite == {"somebody/else": 2.0}


@pytest.mark.parametrize(("step", "value"), [(1100, 3.0), (1500, None)])
def test_a_recent_value_stands_in_for_a_missing_one(step, value):
    history = feed([("train/q1_value", 900, 1.0), ("train/q1_value", 1000, 3.0)])
    assert history.near("q1", step) == value
