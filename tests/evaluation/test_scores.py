# SPDX-License-Identifier: Apache-2.0
"""Infractions and scores of the CARLA leaderboard 2.1."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.evaluation.infractions import CollisionCounter, outside_lane, speed_ratios
from td3_driving.evaluation.scores import COEFFICIENTS, Infractions, driving_score, penalty

ZERO = np.zeros(5)


def test_contacts_with_one_actor_are_one_collision_until_time_and_place_have_changed() -> None:
    counter = CollisionCounter()
    assert counter.step(1.0, (0.0, 0.0), 5.0, [7]) == 1
    assert counter.step(1.05, (0.0, 0.0), 5.0, [7]) == 0
    assert counter.step(2.0, (10.0, 0.0), 5.0, [7]) == 0, "elsewhere, but within 5 s"
    assert counter.step(6.1, (10.0, 0.0), 5.0, [7]) == 1
    assert counter.count == 2


def test_contacts_near_the_last_collision_are_the_same_whoever_is_touched() -> None:
    counter = CollisionCounter()
    assert counter.step(1.0, (0.0, 0.0), 5.0, [7, 8]) == 1
    assert counter.step(20.0, (5.0, 0.0), 5.0, [9]) == 0
    assert counter.step(20.05, (5.1, 0.0), 5.0, [9]) == 1


def test_a_vehicle_at_rest_is_not_at_fault() -> None:
    counter = CollisionCounter()
    assert counter.step(1.0, (0.0, 0.0), 0.09, [7]) == 0
    assert counter.step(1.05, (0.0, 0.0), -0.2, [7]) == 1


def test_outside_begins_half_a_metre_beyond_the_lane() -> None:
    s, half = np.arange(5.0), np.full(5, 1.75)
    outside = outside_lane(s, np.array([0.0, 2.2, 2.3, -2.3, 0.0]), ZERO, half)
    assert (outside.length, outside.driven, outside.share) == (2.0, 4.0, 0.5)


def test_the_wrong_direction_is_outside_and_reversing_gains_nothing() -> None:
    half = np.full(5, 1.75)
    heading = np.array([0.0, 0.0, math.radians(121.0), math.radians(-121.0), 0.0])
    assert outside_lane(np.arange(5.0), ZERO, heading, half).length == 2.0
    back = outside_lane(np.array([0.0, 2.0, 1.0, 2.0, 3.0]), ZERO, ZERO, half)
    assert (back.length, back.driven) == (0.0, 3.0)
    assert outside_lane(ZERO, np.full(5, 9.0), ZERO, half).share == 0.0, "nothing was driven"


def test_speed_is_compared_on_every_quarter_of_the_route() -> None:
    s = np.arange(101.0)
    ratios = speed_ratios(s, 100.0, np.where(s < 52.0, 5.0, 20.0), np.full(101, 10.0))
    assert ratios == [0.5, 0.5, 2.0, 2.0]
    assert len(speed_ratios(s[:60], 100.0, np.full(60, 5.0), np.full(60, 10.0))) == 2, "the rest was not driven"


def test_speed_against_no_traffic_or_standing_traffic_is_fast_enough() -> None:
    s, own = np.arange(101.0), np.full(101, 5.0)
    assert set(speed_ratios(s, 100.0, own, np.full(101, np.nan))) == {1.0}
    assert set(speed_ratios(s, 100.0, own, np.zeros(101))) == {1.0}


def test_penalty_by_hand() -> None:
    assert penalty(Infractions()) == 1.0
    assert penalty(Infractions({"collisions_vehicle": 1})) == pytest.approx(1 / 1.7)
    assert penalty(Infractions({"collisions_vehicle": 2}, outside_share=0.1)) == pytest.approx(0.9 / 2.4)
    assert penalty(Infractions({"collisions_pedestrian": 1, "red_light": 1})) == pytest.approx(1 / 2.4)
    assert penalty(Infractions(speed_ratios=[0.5, 1.0, 1.3])) == pytest.approx(1 / 1.2)
    assert driving_score(0.5, 0.5) == 25.0


@given(st.dictionaries(st.sampled_from(sorted(COEFFICIENTS)), st.integers(0, 9)), st.floats(0.0, 1.0))
def test_every_further_infraction_costs(counts: dict[str, int], outside: float) -> None:
    before = penalty(Infractions(counts, outside_share=outside))
    assert 0.0 <= before <= 1.0
    for name in COEFFICIENTS:
        after = penalty(Infractions(counts | {name: counts.get(name, 0) + 1}, outside_share=outside))
        assert after < before or before == 0.0


def test_success_forgives_slowness_alone() -> None:
    assert Infractions(speed_ratios=[0.2]).clean
    assert not Infractions({"collisions_vehicle": 1}).clean
    assert not Infractions(outside_length=0.1).clean
    assert not Infractions(ended_by="vehicle_blocked").clean


def test_what_is_unknown_or_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="'collisions'"):
        penalty(Infractions({"collisions": 1}))
    with pytest.raises(ValueError, match=r"share 1\.1"):
        penalty(Infractions(outside_share=1.1))
