# SPDX-License-Identifier: Apache-2.0
"""Odometry with a clock of its own: each image gets the state nearest in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from td3_driving.deploy.nearest import NearestState, pairing
from td3_driving.driving.synchroniser import Synchroniser
from td3_driving.driving.vehicle_state import VehicleState

MS = 1_000_000


def state(stamp_ms: float, x: float = 0.0) -> VehicleState:
    return VehicleState(round(stamp_ms * MS), x, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def pairs() -> NearestState[str]:
    return NearestState(50 * MS, 20 * MS)


def test_no_tolerance_is_the_synchroniser_of_training() -> None:
    assert isinstance(pairing(0.05, 0.0), Synchroniser)
    assert isinstance(pairing(0.05, 0.02), NearestState)


def test_image_takes_the_nearest_state_at_once_and_gives_it_its_stamp() -> None:
    sync = pairs()
    for stamp in (80, 90, 104):
        assert sync.add_state(stamp * MS, state(stamp, x=stamp)) is None
    pair = sync.add_image(98 * MS, "a")
    assert pair == ("a", state(98, x=104.0))
    assert sync.counts.matched == 1


def test_image_waits_for_a_state_within_the_tolerance() -> None:
    sync = pairs()
    assert sync.add_image(100 * MS, "a") is None
    assert sync.add_state(79 * MS, state(79)) is None
    assert sync.add_state(120 * MS, state(120, x=1.0)) == ("a", state(100, x=1.0))
    assert sync.add_state(130 * MS, state(130)) is None, "an image is answered once"


def test_next_image_takes_the_place_of_one_that_waits_in_vain() -> None:
    sync = pairs()
    sync.add_image(100 * MS, "a")
    sync.add_image(150 * MS, "b")
    assert sync.add_state(150 * MS, state(150)) == ("b", state(150))
    assert (sync.counts.unmatched, sync.counts.matched, sync.counts.lost) == (1, 1, 0)


def test_lost_late_and_repeated_images_are_counted() -> None:
    sync = pairs()
    for stamp in range(0, 1000, 10):
        sync.add_state(stamp * MS, state(stamp))
    assert sync.add_image(900 * MS, "a") and sync.add_image(1000 * MS, "b")
    assert sync.counts.lost == 1
    assert sync.add_image(1000 * MS, "b") is None and sync.add_image(950 * MS, "c") is None
    assert (sync.counts.stale, sync.counts.jumps_back) == (2, 0)


def test_clock_that_starts_anew_is_welcome() -> None:
    sync = pairs()
    sync.add_state(9000 * MS, state(9000))
    assert sync.add_image(9000 * MS, "a")
    assert sync.add_image(100 * MS, "b") is None
    assert sync.add_state(100 * MS, state(100)) == ("b", state(100))
    assert sync.counts.jumps_back == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**9)), max_size=60))
def test_whatever_comes_no_pair_is_farther_apart_than_the_tolerance(events: list[tuple[bool, int]]) -> None:
    sync, states = pairs(), {}
    for number, (is_image, stamp) in enumerate(events):
        if is_image:
            pair = sync.add_image(stamp, str(stamp))
        else:
            states[float(number)] = stamp
            pair = sync.add_state(stamp, VehicleState(stamp, float(number), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
        if pair is not None:
            assert int(pair[0]) == pair[1].stamp_ns
            assert abs(states[pair[1].x] - pair[1].stamp_ns) <= sync.tolerance_ns
