# SPDX-License-Identifier: Apache-2.0
"""Pairs of image and odometry by stamp, and the account of what found no partner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.driving.synchroniser import KEPT, Synchroniser, missed_at_start

STEP = 50_000_000


def make() -> "Synchroniser[str, str]":
    return Synchroniser(STEP)


def test_a_pair_is_handed_over_whatever_comes_first() -> None:
    sync = make()
    assert sync.add_image(STEP, "image 1") is None
    assert sync.add_state(STEP, "state 1") == ("image 1", "state 1")
    assert sync.add_state(2 * STEP, "state 2") is None
    assert sync.add_image(2 * STEP, "image 2") == ("image 2", "state 2")
    assert (sync.counts.matched, sync.counts.lost, sync.counts.unmatched) == (2, 0, 0)


def test_a_missing_frame_is_counted_once() -> None:
    sync = make()
    for number in (1, 2, 5):
        sync.add_image(number * STEP, "image")
        sync.add_state(number * STEP, "state")
    assert sync.counts.lost == 2


@pytest.mark.parametrize(
    ("after_start", "missed"), [(-2.0, 0), (0.0, 0), (0.5, 0), (1 - 1e-8, 1), (1.0, 1), (1.5, 1), (4.5, 4), (5.0, 5)]
)
def test_frames_of_an_episode_missed_before_its_first(after_start: float, missed: int) -> None:
    """An episode starts with its first frame, or half a frame before it."""
    assert missed_at_start(100 * STEP, round((100 + after_start) * STEP), STEP) == missed


def test_half_a_frame_is_dropped_when_a_later_one_is_complete() -> None:
    sync = make()
    sync.add_image(STEP, "lonely")
    sync.add_image(2 * STEP, "image")
    assert sync.add_state(2 * STEP, "state") == ("image", "state")
    assert sync.counts.unmatched == 1
    assert sync.add_state(STEP, "late") is None
    assert sync.counts.stale == 1


def test_a_repeated_stamp_is_stale() -> None:
    sync = make()
    sync.add_image(STEP, "image")
    sync.add_state(STEP, "state")
    assert sync.add_image(STEP, "again") is None
    assert sync.counts.stale == 1
    assert sync.counts.jumps_back == 0


def test_a_clock_that_starts_anew_is_followed() -> None:
    sync = make()
    sync.add_image(100 * STEP, "image")
    sync.add_state(100 * STEP, "state")
    sync.add_image(STEP, "noticed")
    assert sync.counts.jumps_back == 1
    sync.add_image(2 * STEP, "image")
    assert sync.add_state(2 * STEP, "state") == ("image", "state")


def test_unmatched_images_do_not_pile_up() -> None:
    sync = make()
    for number in range(1, 101):
        sync.add_image(number * STEP, "image")
    assert sync.counts.unmatched == 100 - KEPT


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=100))
def test_pairs_come_in_the_order_of_time_and_everything_is_counted(arrivals: list[tuple[bool, int]]) -> None:
    sync: Synchroniser[int, int] = Synchroniser(STEP)
    released = []
    for is_image, number in arrivals:
        pair = sync.add_image(number * STEP, number) if is_image else sync.add_state(number * STEP, number)
        if pair is not None:
            assert pair[0] == pair[1]
            released.append(pair[0])
        if sync.counts.jumps_back:
            return
    assert released == sorted(set(released))
    assert sync.counts.matched == len(released)
