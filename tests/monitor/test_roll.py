# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a run over several machines, and what each has done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from td3_driving.monitor.roll import JOINING, SETTLED, ActorSteps, Roll

NAMES = ("actor_0", "actor_1")


def test_those_who_come_and_leave_are_named_once() -> None:
    roll = Roll(NAMES, 60.0, 0.0)
    assert roll.see(["actor_1", "stranger"], 1.0) == ["actor_1 takes part"]
    assert roll.see(["actor_1"], 2.0) == [] and roll.absent == "actor_0"
    assert roll.see(["actor_0"], 3.0) == ["actor_0 takes part", "actor_1 has left, or its link has"]


def test_a_place_is_free_once_what_came_is_counted() -> None:
    roll = Roll(NAMES, 60.0, 0.0)
    assert not roll.free("actor_0", SETTLED - 0.1) and roll.free("actor_0", SETTLED)
    roll.see(["actor_0"], 10.0)
    assert not roll.free("actor_0", 100.0)
    roll.see([], 200.0)
    roll.take(7, [ActorSteps("actor_0", 5, 7)], 202.0, 0)
    assert not roll.free("actor_0", 202.0 + SETTLED - 0.1)
    assert roll.free("actor_0", 202.0 + SETTLED)


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 9))
def test_steps_are_counted_over_all_sessions_from_where_the_run_began(sessions: list[list[int]], before: int) -> None:
    """Each session's count goes up; the last count of each is what it has done."""
    roll = Roll(NAMES[:1], 60.0, 0.0)
    roll.take(before, [ActorSteps("actor_0", 1, before, before)], 0.0, before)
    assert roll.records["actor_0"].done == 0 and roll.begun_at == before
    total = 0
    for number, counts in enumerate(sessions, 2):
        for count in sorted(counts):
            streams = [ActorSteps("actor_0", number, count), ActorSteps("stranger", 1, 5)]
            roll.take(before + total + count, streams, 1.0, before)
        total += max(counts)
    assert roll.records["actor_0"].done == total


def test_a_session_that_goes_on_after_the_learner_was_resumed_counts_from_there() -> None:
    roll = Roll(NAMES, 60.0, 0.0)
    roll.take(100, [ActorSteps("actor_0", 9, 60, 60), ActorSteps("actor_1", 8, 40, 40)], 0.0, 100)
    roll.take(130, [ActorSteps("actor_0", 9, 75, 60), ActorSteps("actor_1", 8, 55, 40)], 1.0, 100)
    assert [record.done for record in roll.records.values()] == [15, 15]


def test_an_absent_actor_is_given_up_when_nothing_moves() -> None:
    roll = Roll(NAMES, 60.0, 0.0)
    assert roll.overdue(JOINING) == "" and "actor_0, actor_1 take no part" in roll.overdue(JOINING + 1.0)
    roll.take(0, [], 0.0, 0)
    roll.take(5, [], 10.0, 0)
    roll.see(NAMES, 11.0)
    assert roll.overdue(1e6) == "", "where all are there, the policies give up by themselves"
    roll.see(NAMES[:1], 20.0)
    roll.take(6, [], 30.0, 0)
    assert roll.overdue(90.0) == ""
    assert roll.overdue(90.1) == "no step came for 60 s, and actor_1 take no part"


def test_a_resumed_run_waits_for_its_actors_to_join_again() -> None:
    roll = Roll(NAMES, 60.0, 0.0)
    roll.take(500, [], 0.0, 500)
    assert roll.overdue(JOINING) == ""


def test_what_actors_did_before_the_first_status_came_counts() -> None:
    """Actor 0 drives beside the learner and has 7 steps of a new session, actor 1 went on with its own by 5."""
    roll = Roll(NAMES, 60.0, 0.0)
    roll.take(112, [ActorSteps("actor_0", 9, 7, 0), ActorSteps("actor_1", 8, 45, 40)], 0.0, 100)
    assert roll.begun_at == 100
    assert [record.done for record in roll.records.values()] == [7, 5]
    roll.take(115, [ActorSteps("actor_0", 9, 8, 0), ActorSteps("actor_1", 8, 47, 40)], 1.0, 112)
    assert roll.begun_at == 100, "a learner that was started anew in the course of the run changes nothing"
    assert [record.done for record in roll.records.values()] == [8, 7]
