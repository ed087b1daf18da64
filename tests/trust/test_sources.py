# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import cycle, islice

from td3_driving.trust.budget import MOST_SENDERS, Budget
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
    budget = Budget(per_second=3)
    assert [budget.exhausted(A, 0.1 * number) for number in range(5)] == [False, False, False, True, True]
    assert not budget.exhausted(B, 0.5), "another sender has its own"
    assert not budget.exhausted(A, 1.0)


def test_a_genuine_sender_has_no_limit_and_nameless_ones_none_either() -> None:
    budget = Budget(per_second=3)
    budget.prove(A)
    assert not any(budget.exhausted(guid, 0.0) for guid in islice(cycle((A, None)), 100))


def test_a_flood_of_senders_fills_no_memory() -> None:
    budget = Budget()
    for number in range(5 * MOST_SENDERS):
        budget.exhausted(number, 0.0)
    assert len(budget._spent) <= MOST_SENDERS
