# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import cycle, islice

import pytest

from td3_driving.trust.budget import MOST_SENDERS, PER_SECOND, Budget
from td3_driving.trust.sources import MOST, TopicSource, Whose

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def test_one_publisher_and_the_one_started_in_its_place() -> None:
    source = TopicSource()
    assert [source.judge(guid) for guid in (A, A, B, B, C)] == [
        Whose.SAME,
        Whose.SAME,
        Whose.CHANGED,
        Whose.SAME,
        Whose.CHANGED,
    ]
    assert source.pop_strangers() == [] and source.publisher == C


def test_whoever_comes_while_the_earlier_one_goes_on_is_a_stranger_for_good() -> None:
    source = TopicSource()
    assert [source.judge(guid) for guid in (A, B, A)] == [Whose.SAME, Whose.CHANGED, Whose.SAME]
    assert source.pop_strangers() == [B] and source.pop_strangers() == []
    assert [source.judge(guid) for guid in (B, B, A, C, A, B)] == [
        Whose.STRANGER,
        Whose.STRANGER,
        Whose.SAME,
        Whose.CHANGED,
        Whose.SAME,
        Whose.STRANGER,
    ]
    assert source.pop_strangers() == [C] and source.publisher == A


def test_where_nobody_tells_the_sender_all_are_one() -> None:
    source = TopicSource()
    assert {source.judge(None) for _ in range(5)} == {Whose.SAME}
    assert source.publisher is None


def test_no_number_of_publishers_fills_the_memory() -> None:
    source = TopicSource()
    for number in range(10 * MOST):
        source.judge(number.to_bytes(16, "big"))
        source.judge(A)
    assert len(source._order) <= MOST and len(source._strangers) <= MOST
    one_after_the_other = TopicSource()
    for number in range(10 * MOST):
        one_after_the_other.judge(number.to_bytes(16, "big"))
    assert len(one_after_the_other._order) == MOST


def test_a_sender_without_a_genuine_message_has_its_budget_by_the_second() -> None:
    """Four at once, four more each second: of eight in a second every second one, once the first are spent."""
    budget = Budget(per_second=4)
    spent = [budget.exhausted(A, 0.125 * number) for number in range(11)]
    assert spent == [False] * 7 + [True, False, True, False]
    assert not budget.exhausted(B, 1.25), "another sender has its own"
    assert [budget.exhausted(A, 100.0) for _ in range(5)] == [False] * 4 + [True], "no more than those of a second"


@pytest.mark.parametrize("rate", [326, 5000])
def test_the_first_genuine_message_of_a_fast_sender_is_read_soon(rate: int) -> None:
    """It sends messages of an earlier start for 10 s; whenever it goes over, one of its next ones is read."""
    budget, longest, unread = Budget(), 0, 0
    for number in range(10 * rate):
        unread = unread + 1 if budget.exhausted(A, number / rate) else 0
        longest = max(longest, unread)
    assert 0 < longest <= rate / PER_SECOND


def test_a_genuine_sender_has_no_limit_and_nameless_ones_none_either() -> None:
    budget = Budget(per_second=3)
    budget.prove(A)
    assert not any(budget.exhausted(guid, 0.0) for guid in islice(cycle((A, None)), 100))


def test_a_flood_of_senders_fills_no_memory() -> None:
    budget = Budget()
    for number in range(5 * MOST_SENDERS):
        budget.exhausted(number, 0.0)
    assert len(budget._left) <= MOST_SENDERS
