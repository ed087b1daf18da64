# SPDX-License-Identifier: Apache-2.0
"""Measures of lane keeping, comfort and smoothness."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from td3_driving.evaluation.motion import (
    comfortable_windows,
    departures,
    motion,
    percentile,
    rms,
    saturated_share,
    savitzky_golay,
    steer_change,
)

DT = 0.05


def test_simple_measures_by_hand() -> None:
    assert rms(np.array([3.0, -4.0])) == math.sqrt(12.5)
    assert percentile(-np.arange(101.0), 95.0) == 95.0
    assert steer_change(np.array([[0.0, 9.0], [0.5, 0.0], [0.25, 0.0]])).tolist() == [0.5, 0.25]
    assert saturated_share(np.array([[1.0, 0.0], [0.5, -0.99]])) == 0.5
    assert math.isnan(rms(np.array([]))) and math.isnan(saturated_share(np.zeros((0, 2))))


def test_departures_count_the_times_the_lane_was_left() -> None:
    lateral = np.array([0.0, 2.0, 2.5, 1.0, -2.0, 1.75, 1.8])
    assert departures(lateral, np.full(7, 1.75)) == 3
    assert departures(np.array([2.0, 2.0]), np.full(2, 1.75)) == 1


@given(st.lists(st.floats(-100.0, 100.0), min_size=7, max_size=60), st.booleans())
def test_filter_is_the_one_of_scipy(values: list[float], derivative: bool) -> None:
    ours = savitzky_golay(np.array(values), 0.1, derivative)
    np.testing.assert_allclose(ours, savgol_filter(values, 7, 2, deriv=int(derivative), delta=0.1), atol=1e-6)


def test_filter_keeps_a_parabola_and_knows_its_slope() -> None:
    time = np.arange(20) * 0.1
    np.testing.assert_allclose(savitzky_golay(time**2, 0.1), time**2, atol=1e-12)
    np.testing.assert_allclose(savitzky_golay(time**2, 0.1, derivative=True), 2.0 * time, atol=1e-12)
    with pytest.raises(ValueError, match="6 samples, 7 is the least"):
        savitzky_golay(np.zeros(6), 0.1)


def test_constant_acceleration_has_no_jerk() -> None:
    moved = motion(np.arange(401) * DT * 2.0, np.zeros(401), DT)
    assert moved is not None
    assert len(moved.jerk) == 200
    np.testing.assert_allclose(moved.longitudinal_acceleration, 2.0)
    np.testing.assert_allclose(moved.longitudinal_jerk, 0.0, atol=1e-9)


def test_constant_jerk_is_found() -> None:
    """v = t^2 is differenced over 0.1 s to a = 2 t - 0.1, a straight line of slope 2."""
    time = np.arange(401) * DT
    moved = motion(time**2, np.zeros(401), DT)
    assert moved is not None
    np.testing.assert_allclose(moved.longitudinal_jerk, 2.0, atol=1e-9)


def test_steady_cornering() -> None:
    moved = motion(np.full(101, 5.0), np.full(101, 0.5), DT)
    assert moved is not None
    np.testing.assert_allclose(moved.lateral_acceleration, 2.5)
    np.testing.assert_allclose(moved.yaw_acceleration, 0.0, atol=1e-12)
    assert comfortable_windows(moved).all()


def test_windows_are_two_seconds_each_bound_counts_and_the_rest_is_dropped() -> None:
    """Braking at 5 m/s^2 from 6 s on: the windows 0 .. 4 s keep every bound, the one of 4 .. 6 s knows the jerk."""
    time = np.arange(0.0, 10.5, DT)
    speed = np.where(time < 6.0, 30.0, 30.0 - 5.0 * (time - 6.0))
    moved = motion(speed, np.zeros_like(speed), DT)
    assert moved is not None
    assert comfortable_windows(moved).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(("yaw_rate", "kept"), [(0.94, True), (0.96, False), (-0.96, False)])
def test_yaw_rate_is_bounded_on_both_sides(yaw_rate: float, kept: bool) -> None:
    moved = motion(np.full(101, 1.0), np.full(101, yaw_rate), DT)
    assert moved is not None
    assert comfortable_windows(moved).tolist() == [kept] * 2


def test_a_short_episode_is_one_window_and_a_shorter_one_none() -> None:
    moved = motion(np.full(17, 5.0), np.zeros(17), DT)
    assert moved is not None
    assert comfortable_windows(moved).tolist() == [True]
    assert motion(np.full(14, 5.0), np.zeros(14), DT) is None
