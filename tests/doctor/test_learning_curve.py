# SPDX-License-Identifier: Apache-2.0
"""The classes of learning: each with a curve that belongs to it, and one that just does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.doctor.learning_curve import Curve, Learned, constant, levels, monotone, shape

POINTS = 200
SHARE = np.linspace(0.0, 1.0, POINTS)
STEPS = 200.0 * np.arange(1, POINTS + 1)


def noise(seed=0, points=POINTS):
    return np.random.default_rng(seed).normal(size=points)


def kind(values, single=True, before=0):
    found = shape(Curve("return", STEPS[: len(values)], np.asarray(values, dtype=float), single, before))
    return None if found is None else found[0]


def rise(low, high, middle=0.4, width=0.05):
    return low + (high - low) / (1.0 + np.exp((middle - SHARE) / width))


RISEN = {Learned.LEARNED, Learned.RISING}


@pytest.mark.parametrize("seed", range(5))
class TestClasses:
    def test_learned(self, seed):
        assert kind(rise(-1300, -150) + 100 * noise(seed)) is Learned.LEARNED

    def test_learned_within_the_first_block(self, seed):
        assert kind(rise(-1300, -150, 0.03, 0.005) + 60 * noise(seed)) is Learned.LEARNED

    def test_still_rising(self, seed):
        assert kind(20 + 500 * SHARE + 20 * noise(seed)) is Learned.RISING

    def test_learned_and_lost(self, seed):
        assert kind(rise(20, 500) - rise(0, 450, 0.7) + 30 * noise(seed)) is Learned.LOST

    def test_a_dip_that_comes_back_is_no_loss(self, seed):
        dip = 400 * np.exp(-(((SHARE - 0.6) / 0.05) ** 2))
        assert kind(rise(20, 500, 0.3) - dip + 30 * noise(seed)) in RISEN

    def test_a_third_lost_is_still_learned(self, seed):
        assert kind(rise(20, 500) - rise(0, 130, 0.7) + 30 * noise(seed)) in RISEN

    def test_flat(self, seed):
        assert kind(-1250 + 150 * noise(seed)) is Learned.FLAT

    def test_late_is_not_flat(self, seed):
        assert kind(rise(20, 300, 0.75, 0.02) + 10 * noise(seed)) in RISEN

    def test_worse(self, seed):
        assert kind(rise(-200, -900) + 80 * noise(seed)) is Learned.WORSE

    def test_a_little_better_is_neither(self, seed):
        assert kind(rise(-1000, -850) + 20 * noise(seed), single=False) is Learned.UNKNOWN

    def test_zero_and_one(self, seed):
        drawn = np.random.default_rng(seed).random(POINTS)
        assert kind(drawn < rise(0.02, 0.85)) in RISEN
        assert kind(drawn < 0.05) in (Learned.FLAT, Learned.UNKNOWN)

    def test_slow_wandering_of_a_running_mean_is_no_rise(self, seed):
        single = -1200 + 300 * np.random.default_rng(seed).normal(size=POINTS + 99)
        assert kind(np.convolve(single, np.ones(100) / 100, "valid"), single=False) is Learned.FLAT


def test_few_points_with_one_clear_step():
    values = [-1349, -1777, -1277, -1333, -1307, -502, -238, -121, -166, -200]
    assert kind(values, single=False) in RISEN


def test_too_few_points():
    assert kind([1, 2, 3, 4, 500]) is None


def test_the_random_phase_is_the_start_where_it_is_known():
    values = np.concatenate([np.full(20, 10.0) + noise()[:20], np.full(180, 100.0) + noise(1)[:180]])
    found = levels(Curve("return", STEPS, values, True, 20))
    assert found.start == pytest.approx(10.0, abs=1.0)
    assert found.end == pytest.approx(100.0, abs=1.0)


CURVES = {
    "learned": rise(-1300, -150) + 60 * noise(),
    "lost": rise(20, 500) - rise(0, 450, 0.7) + 20 * noise(1),
    "flat": -1250 + 150 * noise(2),
    "worse": rise(-200, -900) + 80 * noise(3),
}


@pytest.mark.parametrize("name", CURVES)
@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-6, 1e6))
def test_scale_does_not_matter(name, scale):
    assert kind(scale * CURVES[name]) is kind(CURVES[name])


@pytest.mark.parametrize("name", CURVES)
def test_the_axis_does_not_matter(name):
    curve = Curve("return", 1e-3 * STEPS, CURVES[name])
    assert shape(curve)[0] is kind(CURVES[name])


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_monotone_is_the_nearest_rising_curve(values):
    values = np.array(values)
    fit = monotone(values)
    assert np.all(np.diff(fit) >= -1e-9)
    assert fit.sum() == pytest.approx(values.sum(), abs=1e-6)
    assert np.sum((values - fit) ** 2) <= np.sum((values - values.mean()) ** 2) + 1e-6


def test_monotone_by_hand():
    assert monotone(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]


def test_constant():
    assert constant(np.full(5, 0.1 + 0.2))
    assert constant(np.zeros(3))
    assert not constant(np.array([1.0, 1.00001]))


def test_an_early_dip_does_not_hide_a_rise():
    values = [-1039, -1485, -1375, -1064, -1403, -1607, -1535, -1250, -1400, -776, -801, -1522, -935, -812, -391, -4]
    values += [-115, -126, -243, -126, -126, -125, -130, -2, -120, -240, -125, -118, -126, -244, -3, -125]
    assert kind(values, single=False) in {Learned.LEARNED, Learned.RISING, Learned.UNKNOWN}


def test_a_few_epochs_that_rise_and_fall():
    assert kind([2, -1, 176, 180, 183, 184, 183, -3, -7, -7, -7, -7], single=False) is Learned.LOST


def test_one_dip_among_few_means_does_not_hide_a_rise():
    steps = np.array([600.0, *range(1000, 5000, 500)])
    values = np.array([1.9, 22.3, 179.3, 64.9, 180.5, 182.4, 181.8, 183.7, 183.3])
    assert shape(Curve("mean return", steps, values, single=False))[0] is Learned.LEARNED
