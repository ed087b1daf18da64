# SPDX-License-Identifier: Apache-2.0
"""Oriented boxes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.sim.collision import Box, corners, overlaps

boxes = st.tuples(st.floats(-6, 6), st.floats(-6, 6), st.floats(-4, 4), st.floats(0.5, 6), st.floats(0.5, 3))
SQUARE: Box = (0.0, 0.0, 0.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("other", "hit"),
    [
        ((1.9, 0.0, 0.0, 2.0, 2.0), True),
        ((2.1, 0.0, 0.0, 2.0, 2.0), False),
        ((2.3, 0.0, math.pi / 4, 2.0, 2.0), True),  # a corner reaches 1.41 m
        ((2.5, 0.0, math.pi / 4, 2.0, 2.0), False),
        ((1.8, 1.8, math.pi / 4, 2.0, 2.0), False),  # axis-aligned bounds overlap, the boxes do not
        ((0.0, 0.0, 0.3, 0.5, 0.5), True),
    ],
)
def test_boxes_worked_out_by_hand(other: Box, hit: bool) -> None:
    assert overlaps(SQUARE, np.array([other])).tolist() == [hit]


def test_nothing_overlaps_no_boxes() -> None:
    assert overlaps(SQUARE, np.zeros((0, 5))).shape == (0,)


def test_corners_go_round_from_front_left() -> None:
    assert corners((1.0, 2.0, math.pi / 2, 4.0, 2.0)) == pytest.approx(np.array([(0, 4), (2, 4), (2, 0), (0, 0)]))


@given(first=boxes, second=boxes)
def test_overlap_is_symmetric(first: Box, second: Box) -> None:
    assert overlaps(first, np.array([second]))[0] == overlaps(second, np.array([first]))[0]


@given(first=boxes, second=boxes, along=st.floats(-0.49, 0.49), across=st.floats(-0.49, 0.49))
def test_a_common_point_means_overlap(first: Box, second: Box, along: float, across: float) -> None:
    ahead, left = (
        np.array([math.cos(first[2]), math.sin(first[2])]),
        np.array([-math.sin(first[2]), math.cos(first[2])]),
    )
    point = np.array(first[:2]) + along * first[3] * ahead + across * first[4] * left
    offset = point - second[:2]
    x = offset[0] * math.cos(second[2]) + offset[1] * math.sin(second[2])
    y = offset[1] * math.cos(second[2]) - offset[0] * math.sin(second[2])
    if abs(x) < second[3] / 2 and abs(y) < second[4] / 2:
        assert overlaps(first, np.array([second]))[0]


@given(first=boxes, second=boxes)
def test_circles_that_do_not_meet_hold_boxes_that_do_not(first: Box, second: Box) -> None:
    reach = math.hypot(first[3], first[4]) / 2 + math.hypot(second[3], second[4]) / 2
    if math.dist(first[:2], second[:2]) > reach:
        assert not overlaps(first, np.array([second]))[0]
