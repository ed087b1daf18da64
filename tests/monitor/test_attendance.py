# SPDX-License-Identifier: Apache-2.0
"""Who takes part is known by the seal of its word, not by its name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from td3_driving.monitor.attendance import GRACE, MOST_SESSIONS, Attendance

NODES = {"/actor_0/policy": "actor_0", "/actor_1/policy": "actor_1"}


def test_a_stranger_with_an_actors_name_is_not_there() -> None:
    known = Attendance(NODES)
    assert known.there(["stranger's"]) == []
    assert known.hear("/actor_0/policy", 5, 1, "actor's")
    assert known.there(["stranger's", "actor's"]) == ["actor_0"]
    assert known.there(["stranger's"]) == [], "the actor has left, whoever bears its name"


def test_a_recorded_word_makes_nobody_an_actor() -> None:
    known = Attendance(NODES)
    assert known.hear("/actor_0/policy", 4, 3, "first") and known.hear("/actor_0/policy", 5, 1, "actor's")
    assert known.hear("/actor_0/policy", 5, 2, "actor's")
    for session, stamp in ((5, 1), (5, 2), (4, 2), (4, 3)):
        assert not known.hear("/actor_0/policy", session, stamp, "stranger's")
    assert known.there(["stranger's"]) == []


@given(st.permutations([3, 10**18, 2 * 10**18]))
def test_an_actor_that_comes_back_is_there_whatever_the_clocks_of_its_machines_say(clocks: list[int]) -> None:
    """Each machine numbers its session, and stamps what it says, by a clock of its own."""
    known = Attendance(NODES)
    for number, clock in enumerate(clocks):
        assert known.hear("/actor_0/policy", clock, clock + 5, number), "a new session"
        assert known.there([number]) == ["actor_0"] and known.there([number + 1, "x"]) == []
        assert known.hear("/actor_0/policy", clock, clock + 6, number)
    assert known.newest_session("actor_0") == 2 * 10**18 and known.newest_session("actor_1") == 0
    assert not known.hear("/diagnostics", 9, 9, "third") and known.there(["third"]) == []


def test_who_repeats_a_session_that_nobody_heard_puts_no_actor_out() -> None:
    known = Attendance(NODES)
    assert known.hear("/actor_0/policy", 6, 10, "actor's") and known.hear("/actor_0/policy", 5, 90, "stranger's")
    assert known.there(["actor's"]) == ["actor_0"] and known.hear("/actor_0/policy", 6, 11, "actor's")


def test_no_number_of_sessions_fills_the_memory() -> None:
    known = Attendance(NODES)
    for session in range(3 * MOST_SESSIONS):
        assert known.hear("/actor_0/policy", 7, session, "actor's")
        assert known.hear("/actor_0/policy", 10 + session, 1, session)
    assert len(known._words["/actor_0/policy"]) == MOST_SESSIONS
    assert known.there(["actor's"]) == ["actor_0"], "whoever speaks is remembered"


def test_who_bears_a_name_has_a_while_to_speak() -> None:
    known = Attendance(NODES)
    seen = {"a": "/actor_0/policy", "b": "/actor_1/policy", "c": "/stranger"}
    assert known.unheard(seen, 100.0) == ["actor_0", "actor_1"]
    known.hear("/actor_0/policy", 1, 1, "a")
    assert known.unheard(seen, 101.0) == ["actor_1"]
    assert known.unheard(seen, 100.0 + GRACE) == []
    known.unheard({}, 101.0 + GRACE)
    assert known.unheard({"b": "/actor_1/policy"}, 102.0 + GRACE) == ["actor_1"], "seen anew"
