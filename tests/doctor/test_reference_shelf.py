# SPDX-License-Identifier: Apache-2.0
"""The reference shelf: profiles by hand, bands that are sound, and a run that is placed."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.doctor import reference_shelf
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.history import History
from td3_driving.doctor.reference_shelf import SHARES, TITLES, Band, Placement, bands, placed, profile


def history_of(**series: list[float]) -> History:
    """A history of CleanRL's tags with one point per 100 steps."""
    tags = {"returns": "charts/episodic_return", "q": "losses/qf1_values", "actor": "losses/actor_loss"}
    history = History(Expectations({}, "test"), lambda row: None)
    for index in range(max(map(len, series.values()))):
        for name, values in series.items():
            history.feed(tags[name], 100 * (index + 1), values[index], 0.1 * index)
    history.flush()
    return history


def test_a_linear_curve_goes_from_zero_to_one() -> None:
    values = profile(history_of(returns=[10.0 * index - 700.0 for index in range(1001)]), "learning_curve")
    assert values is not None
    # Means over the window of 10 % before each share: x - 5 % from 10 % on, 2.5 % at 5 %; then 2.5 % -> 0, 95 % -> 1.
    expected = (np.array([0.025, *(SHARES[1:] - 0.05)]) - 0.025) / 0.925
    assert values == pytest.approx(expected, abs=2e-3)


def test_scale_and_offset_of_the_returns_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    curve = np.cumsum(rng.standard_normal(300))
    one = profile(history_of(returns=list(curve)), "learning_curve")
    other = profile(history_of(returns=list(1000.0 * curve - 5.0)), "learning_curve")
    assert one == pytest.approx(other, abs=1e-6)


def test_the_ratio_is_aq_over_q() -> None:
    values = profile(
        history_of(q=[float(i + 1) for i in range(50)], actor=[-3.0 * (i + 1) for i in range(50)]), "q_ratio"
    )
    assert values is not None
    assert values[np.isfinite(values)] == pytest.approx(3.0)


def test_too_few_points_have_no_profile() -> None:
    assert profile(history_of(returns=[1.0] * 7), "learning_curve") is None
    assert profile(history_of(returns=[1.0] * 8), "learning_curve") is not None
    assert profile(history_of(returns=[1.0] * 20), "q_ratio") is None


def test_constant_returns_stay_at_zero() -> None:
    assert profile(history_of(returns=[5.0] * 40), "learning_curve") == pytest.approx(np.zeros(20))


@pytest.mark.parametrize("quantity", TITLES)
def test_shipped_bands_are_sound(quantity: str) -> None:
    band = bands()[quantity]
    assert band.low.shape == SHARES.shape
    assert (band.low <= band.middle).all() and (band.middle <= band.high).all()
    assert band.runs >= 3


def test_healthy_curves_end_near_their_best_and_healthy_ratios_near_one() -> None:
    assert bands()["learning_curve"].middle[-1] > 0.9
    ratio = bands()["q_ratio"]
    assert ratio.low[-1] > 0.5 and ratio.high[-1] < 2.0


def test_a_placement_counts_and_says_where_the_end_lies() -> None:
    band = Band("q_ratio", np.full(20, 0.9), np.ones(20), np.full(20, 1.1), 7)
    values = np.array([np.nan] * 4 + [1.0] * 12 + [5.0] * 4)
    placement = Placement(band, values)
    assert placement.inside == 12 / 16
    assert placement.sentence.endswith("12 of 16 points within the band of 7 healthy runs; the end lies above it")


def test_a_ratio_of_thirty_lies_outside_and_a_sound_one_inside() -> None:
    returns = [float(i) for i in range(100)]
    sound = history_of(returns=returns, q=[10.0] * 100, actor=[-10.1] * 100)
    sick = history_of(returns=returns, q=[10.0] * 100, actor=[-300.0] * 100)
    inside = {
        name: next(item.inside for item in placed(history) if item.band.quantity == "q_ratio")
        for name, history in (("sound", sound), ("sick", sick))
    }
    assert inside["sound"] > 0.5
    assert inside["sick"] == 0.0


def test_equal_curves_have_a_band_without_width() -> None:
    histories = [history_of(returns=[float(scale * i) for i in range(60)]) for scale in (1, 2, 3, 4, 5)]
    table = [row for row in reference_shelf.rows(histories) if row[0] == "learning_curve"]
    assert len(table) == 20
    assert table[-1][1] == 1.0
    assert table[-1][2:] == (1.0, 1.0, 1.0, 5)


def test_reports_show_the_run_beside_the_band() -> None:
    history = history_of(returns=[float(i) for i in range(100)], q=[10.0] * 100, actor=[-300.0] * 100)
    sentences = [item.sentence for item in placed(history)]
    assert {item.band.quantity for item in placed(history)} >= {"learning_curve", "q_ratio"}
    assert all("points within the band of" in sentence for sentence in sentences)
