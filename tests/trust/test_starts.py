# SPDX-License-Identifier: Apache-2.0
"""What one start of a run has sealed is not believed in another, and an actor that lives through both goes over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.trust.seal import UNSIGNED, Belief
from td3_driving.trust.starts import NEAR, Starts
from td3_driving.trust.strangers import MOST_SENDERS, PATIENCE, TOPICS_OF_AN_ACTOR, Latecomers
from td3_driving.trust.token import Token

SECRET = bytes(range(32))
NUMBERS = st.integers(1, 100)


def starts(number: int, follows: bool = False) -> Starts:
    return Starts(Token(SECRET, number), follows, lasting=("replay",))


def sealed(by: Starts, role: str = "guard") -> bytes:
    return by.seal(role).sealed(b"stop" + UNSIGNED)


@given(NUMBERS, NUMBERS)
def test_a_recorded_message_of_another_start_is_not_believed(now: int, then: int) -> None:
    belief = starts(now).judge("guard", sealed(starts(then)))
    assert (belief is Belief.GENUINE) == (now == then)
    assert (belief is Belief.EARLIER) == (0 < now - then <= NEAR)


@given(NUMBERS, NUMBERS)
def test_what_says_itself_what_it_belongs_to_is_believed_in_every_start(now: int, then: int) -> None:
    assert starts(now).judge("replay", sealed(starts(then), "replay")) is Belief.GENUINE


def test_a_role_with_a_place_of_its_own_is_sealed_for_it_alone() -> None:
    one, two = (Starts(Token(SECRET, 1), lasting=("frame",), places={"frame": f"/actor_{n}/f"}) for n in (1, 2))
    assert two.judge("frame", sealed(one, "frame")) is Belief.FALSE
    assert one.judge("frame", sealed(one, "frame")) is Belief.GENUINE is two.judge("guard", sealed(one))


@given(st.lists(NUMBERS, max_size=20))
def test_an_actor_elsewhere_follows_the_run_to_later_starts_and_never_back(heard: list[int]) -> None:
    actor = starts(1, follows=True)
    for number in heard:
        before = actor.number
        belief = actor.judge("guard", sealed(starts(number)))
        assert (belief is Belief.GENUINE) == (before <= number <= before + NEAR)
        assert actor.number == (number if belief is Belief.GENUINE else before)
        assert starts(actor.number).judge("guard", sealed(actor)) is Belief.GENUINE, "it seals for that start too"


@pytest.mark.parametrize("follows", [True, False])
def test_a_stranger_moves_nobody(follows: bool) -> None:
    own = starts(3, follows)
    for forged in (b"stop" + b"x" * 16, sealed(Starts(Token(b"y" * 32, 4), False)), sealed(starts(4), "status")):
        assert own.judge("guard", forged) is Belief.FALSE and own.number == 3
    assert own.judge("guard", b"stop" + UNSIGNED) is Belief.UNSIGNED


def test_the_later_of_two_numbers_counts() -> None:
    assert Starts(Token(SECRET, 2), number=7).number == 7 and Starts(Token(SECRET, 9), number=7).number == 9
    assert Starts(None).judge("guard", sealed(starts(1))) is Belief.FALSE


def test_who_only_repeats_an_earlier_start_is_told_after_the_patience() -> None:
    late = Latecomers()
    assert all(late.note("guard", sender, 0.0) for sender in (b"actor", b"stranger", None))
    assert late.note("guard", b"stranger", 1.0)
    late.clear("guard", b"actor")
    assert late.overdue(PATIENCE - 0.1) == []
    assert sorted(late.overdue(PATIENCE), key=str) == [("guard", None, 1), ("guard", b"stranger", 2)]
    assert late.overdue(1e9) == []


def test_a_process_that_has_gone_over_on_one_topic_is_no_stranger_on_another() -> None:
    late, process = Latecomers(), bytes(range(12))
    for topic, sender in (("episode", process + b"ab12"), ("reward", b"other process1234"), ("reward", None)):
        late.note(topic, sender, 0.0)
    late.clear("refusals", process + b"cd34")
    late.clear("refusals", None)
    assert sorted(late.overdue(PATIENCE), key=str) == [("reward", None, 1), ("reward", b"other process1234", 1)]


def test_a_flood_of_latecomers_fills_no_memory() -> None:
    late = Latecomers()
    waited = [late.note("guard", number.to_bytes(2, "big"), 0.0) for number in range(1000)]
    most = MOST_SENDERS + TOPICS_OF_AN_ACTOR
    assert waited == [True] * most + [False] * (1000 - most)


@given(st.integers(1, 200))
def test_all_actors_of_a_run_may_go_over_at_a_time(actors: int) -> None:
    late, topics = Latecomers(actors), ("reward", "episode", "evaluation", "refusals")
    assert all(late.note(topic, number.to_bytes(16, "big"), 0.0) for number in range(actors) for topic in topics)


def test_what_nobody_reads_of_a_sender_that_is_waited_for_is_counted_with_the_rest() -> None:
    late = Latecomers()
    assert not late.repeats("reward", b"stranger") and late.note("reward", b"actor", 0.0)
    assert late.repeats("reward", b"actor") and late.repeats("reward", b"actor")
    assert not late.repeats("episode", b"actor") and not late.repeats("reward", b"stranger")
    assert late.overdue(PATIENCE) == [("reward", b"actor", 3)]
