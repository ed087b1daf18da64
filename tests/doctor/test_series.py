# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.doctor.series import Series

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300)


@given(VALUES, st.integers(4, 32))
def test_what_is_promised_to_be_exact_is_exact(values, capacity):
    series = Series(capacity)
    for step, value in enumerate(values):
        series.add(step, value, 0.5 * step)
    assert series.count == len(values)
    assert series.first.value == values[0]
    assert series.last == (len(values) - 1, values[-1], 0.5 * (len(values) - 1))
    assert (series.lowest.value, series.lowest.step) == (min(values), values.index(min(values)))
    assert (series.highest.value, series.highest.step) == (max(values), values.index(max(values)))
    assert series.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
    assert series.std == pytest.approx(np.std(values), rel=1e-6, abs=1e-5)


@given(VALUES, st.integers(4, 32))
def test_the_stored_points_are_bounded_real_and_in_order(values, capacity):
    series = Series(capacity)
    for step, value in enumerate(values):
        series.add(step, value, float(step))
    steps, stored, _ = series.columns()
    assert len(steps) <= capacity + 3
    assert np.all(np.diff(steps) > 0)
    assert [values[int(step)] for step in steps] == list(stored)
    assert {max(values), min(values), values[-1]} <= set(stored)
    if len(values) <= capacity:
        assert list(stored) == values


def test_thinning_is_even():
    series = Series(64)
    for step in range(10_000):
        series.add(step, math.sin(step), float(step))
    gaps = np.diff(series.steps())
    assert gaps.max() <= 2 * 10_000 / 32


def test_non_finite_values_are_counted_and_left_out():
    series = Series()
    for value in (1.0, math.nan, math.inf, 3.0):
        series.add(0, value, 0.0)
    assert (series.count, series.nonfinite, series.mean) == (2, 2, 2.0)


def test_an_empty_series_has_no_mean():
    assert math.isnan(Series().mean)
    assert math.isnan(Series().median())


def test_too_small_a_capacity_is_refused():
    with pytest.raises(ValueError, match="capacity 3 is below 4"):
        Series(3)
