# SPDX-License-Identifier: Apache-2.0
"""Interquartile mean and stratified bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from td3_driving.evaluation.statistics import bootstrap, interquartile_mean, probability_of_improvement

FINITE = st.floats(-1e6, 1e6)


def test_interquartile_mean_cuts_a_quarter_at_each_end() -> None:
    assert interquartile_mean(np.arange(1.0, 9.0)) == 4.5
    assert interquartile_mean(np.array([100.0, 0.0, 1.0, 3.0, 2.0])) == 2.0
    assert interquartile_mean(np.array([[0.0, 4.0], [100.0, 6.0]])) == 5.0
    assert interquartile_mean(np.array([7.0])) == 7.0


@given(st.lists(FINITE, min_size=1, max_size=40))
def test_interquartile_mean_is_the_trimmed_mean(values: list[float]) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(trim_mean(values, 0.25), rel=1e-9, abs=1e-6)


def test_interval_of_two_runs_by_hand() -> None:
    """Of two draws from {0, 1} the mean is 0, 1/2, 1 with the chances 1/4, 1/2, 1/4."""
    generator = np.random.default_rng(0)
    wide = bootstrap(np.array([0.0, 1.0]), generator, confidence=0.95)
    assert (wide.value, wide.low, wide.high) == (0.5, 0.0, 1.0)
    narrow = bootstrap(np.array([0.0, 1.0]), generator, confidence=0.4)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_runs_are_drawn_within_their_task() -> None:
    """Every run of a task has the same score, so nothing varies unless scores are moved between tasks."""
    estimate = bootstrap(np.array([[0.0, 10.0]] * 3), np.random.default_rng(0))
    assert estimate.low == estimate.high == estimate.value == 5.0


def test_tasks_are_drawn_independently() -> None:
    """With one draw for both tasks the mean of (0, 1) and (1, 0) would always be 1/2."""
    estimate = bootstrap(np.array([[0.0, 1.0], [1.0, 0.0]]), np.random.default_rng(0), np.mean)
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_the_generator_decides_the_draws() -> None:
    scores = np.random.default_rng(1).normal(size=(5, 3))
    estimates = [bootstrap(scores, np.random.default_rng(seed), repetitions=50) for seed in (2, 2, 3)]
    assert estimates[0] == estimates[1] != estimates[2]


@given(st.lists(FINITE, min_size=1, max_size=8), st.integers(0, 99))
def test_the_interval_stays_within_the_scores(values: list[float], seed: int) -> None:
    estimate = bootstrap(np.array(values), np.random.default_rng(seed), repetitions=20)
    slack = 1e-6
    assert min(values) - slack <= estimate.low <= estimate.high <= max(values) + slack


def test_probability_of_improvement_counts_pairs() -> None:
    assert probability_of_improvement(np.array([1.0, 3.0]), np.array([2.0, 2.0, 2.0])) == 0.5
    assert probability_of_improvement(np.array([3.0, 2.0]), np.array([2.0])) == 0.75
    assert probability_of_improvement(np.array([[3.0, 0.0]]), np.array([[2.0, 1.0]])) == 0.5


@pytest.mark.parametrize("scores", [np.array([]), np.array([1.0, np.nan])])
def test_scores_that_are_no_numbers_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="empty or not finite"):
        interquartile_mean(scores)


def test_arguments_out_of_range_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="confidence 1"):
        bootstrap(np.ones(3), generator, confidence=1.0)
    with pytest.raises(ValueError, match="2 tasks cannot be compared with 3"):
        probability_of_improvement(np.ones((4, 2)), np.ones((4, 3)))
