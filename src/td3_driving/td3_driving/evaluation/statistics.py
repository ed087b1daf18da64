# SPDX-License-Identifier: Apache-2.0
"""Interquartile mean and stratified bootstrap intervals, as Agarwal et al. 2021 define them.

Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021, sections 4.1 and 4.3; the same
definitions as in rliable. Scores are arrays (runs, tasks): a run is one training seed, a task one scenario or map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of the scores with its confidence interval."""

    value: float
    low: float
    high: float


def interquartile_mean(scores: NDArray[np.float64]) -> float:
    """Mean of the middle half of all scores: a quarter of them, rounded down, is cut off at each end.

    Raises:
        ValueError: there are no scores, or one is not finite.
    """
    values = np.sort(_checked(scores), axis=None)
    cut = len(values) // 4
    return float(values[cut : len(values) - cut].mean())


def bootstrap(
    scores: NDArray[np.float64],
    generator: np.random.Generator,
    statistic: Statistic = interquartile_mean,
    confidence: float = 0.95,
    repetitions: int = 2000,
) -> Estimate:
    """``statistic`` of ``scores`` with its percentile bootstrap interval, stratified by task.

    Within each task the runs are drawn with replacement, independently of the other tasks.

    Args:
        scores: (runs, tasks), or (runs,) for a single task.
        generator: of the draws.
        confidence: share of the bootstrap distribution inside the interval, in (0, 1).
        repetitions: resamples, at least 1.

    Raises:
        ValueError: an argument is outside its range.
    """
    table = _checked(scores)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2:
        raise ValueError(f"scores of shape {table.shape}, (runs, tasks) is needed")
    if not 0.0 < confidence < 1.0 or repetitions < 1:
        raise ValueError(f"confidence {confidence} must lie in (0, 1) and repetitions {repetitions} be at least 1")
    columns = np.arange(table.shape[1])
    draws = [statistic(table[generator.integers(len(table), size=table.shape), columns]) for _ in range(repetitions)]
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(draws, [tail, 100.0 - tail])
    return Estimate(statistic(table), float(low), float(high))


def probability_of_improvement(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Chance that a run of ``ours`` beats a run of ``theirs``, ties counting half, averaged over the tasks.

    Args:
        ours, theirs: (runs, tasks) or (runs,); the numbers of runs may differ.

    Raises:
        ValueError: the numbers of tasks differ, or there are no scores.
    """
    first, second = (np.atleast_2d(_checked(scores).T).T for scores in (ours, theirs))
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"{first.shape[1]} tasks cannot be compared with {second.shape[1]}")
    difference = first[:, None, :] - second[None, :, :]
    return float(np.mean((difference > 0.0) + 0.5 * (difference == 0.0)))


def _checked(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"scores of shape {values.shape} are empty or not finite")
    return values
