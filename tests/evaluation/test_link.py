# SPDX-License-Identifier: Apache-2.0
"""A slow and lossy way from the camera to the driver."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.evaluation.link import Link, frames_of


def link(delay: int, drop: float = 0.0) -> Link[int]:
    return Link(delay, drop, np.random.default_rng(0))


def test_frames_arrive_late_and_in_order() -> None:
    slow = link(2)
    assert [slow.pass_on(number) for number in range(5)] == [None, None, 0, 1, 2]


@given(st.integers(0, 9))
def test_nothing_else_happens_to_them(delay: int) -> None:
    slow = link(delay)
    arrived = [slow.pass_on(number) for number in range(20)]
    assert arrived == [None] * delay + list(range(20 - delay))


def test_the_share_that_is_lost() -> None:
    lossy = link(0, 0.25)
    arrived = [lossy.pass_on(number) for number in range(4000)]
    lost = sum(one is None for one in arrived)
    assert 900 < lost < 1100
    assert all(one is None or one == number for number, one in enumerate(arrived))
    closed = link(0, 1.0)
    assert [closed.pass_on(number) for number in range(3)] == [None] * 3


def test_delays_are_whole_frames() -> None:
    assert [frames_of(delay, 0.05) for delay in (0.0, 0.05, 0.1, 0.2)] == [0, 1, 2, 4]
    with pytest.raises(ValueError, match="70 ms is no multiple of a frame, 50 ms"):
        frames_of(0.07, 0.05)
    with pytest.raises(ValueError, match="-50 ms"):
        frames_of(-0.05, 0.05)
    with pytest.raises(ValueError, match="drop 2"):
        link(0, 2.0)
