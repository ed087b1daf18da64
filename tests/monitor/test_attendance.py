# SPDX-License-Identifier: Apache-2.0
"""Who takes part is known by the seal of its word, not by its name."""

from __future__ import annotations

from td3_driving.monitor.attendance import GRACE, Attendance

NODES = {"/actor_0/policy": "actor_0", "/actor_1/policy": "actor_1"}


def test_a_stranger_with_an_actors_name_is_not_there() -> None:
    known = Attendance(NODES)
    assert known.there(["stranger's"]) == []
    assert known.hear("/actor_0/policy", 5, 1, "actor's")
    assert known.there(["stranger's", "actor's"]) == ["actor_0"]
    assert known.there(["stranger's"]) == [], "the actor has left, whoever bears its name"


def test_a_recorded_word_makes_nobody_an_actor() -> None:
    known = Attendance(NODES)
    assert known.hear("/actor_0/policy", 5, 1, "actor's") and known.hear("/actor_0/policy", 5, 2, "actor's")
    for session, stamp in ((5, 1), (5, 2), (4, 10**18)):
        assert not known.hear("/actor_0/policy", session, stamp, "stranger's")
    assert known.there(["stranger's"]) == []


def test_an_actor_that_comes_back_with_a_clock_that_goes_behind_is_there() -> None:
    known = Attendance(NODES)
    assert known.hear("/actor_0/policy", 5, 10**18, "first") and known.hear("/actor_0/policy", 6, 3, "second")
    assert known.there(["first"]) == [] and known.there(["first", "second"]) == ["actor_0"]
    assert not known.hear("/diagnostics", 9, 9, "third") and known.there(["third"]) == []


def test_who_bears_a_name_has_a_while_to_speak() -> None:
    known = Attendance(NODES)
    seen = {"a": "/actor_0/policy", "b": "/actor_1/policy", "c": "/stranger"}
    assert known.unheard(seen, 100.0) == ["actor_0", "actor_1"]
    known.hear("/actor_0/policy", 1, 1, "a")
    assert known.unheard(seen, 101.0) == ["actor_1"]
    assert known.unheard(seen, 100.0 + GRACE) == []
    known.unheard({}, 101.0 + GRACE)
    assert known.unheard({"b": "/actor_1/policy"}, 102.0 + GRACE) == ["actor_1"], "seen anew"
