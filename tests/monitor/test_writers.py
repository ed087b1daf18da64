# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from td3_driving.monitor.writers import LEASE, MOST_FOUND, NAMELESS, NO_NAME, Writer, Writers

GUARD, IMAGE, WORLD = "/td3/guard", "/image", "/carla/control"
OWNERS = {GUARD: ["/diagnostics"], IMAGE: None, WORLD: ()}
DIAGNOSTICS, STRANGER = Writer("/diagnostics", "01"), Writer("/stranger", "02")


def test_owners_alone_are_no_news() -> None:
    writers = Writers(OWNERS)
    assert writers.see(GUARD, [DIAGNOSTICS], 0.0) == writers.see(IMAGE, [Writer("/bridge", "03")], 0.0) == []
    assert writers.see(WORLD, [], 0.0) == []
    assert (writers.status().level, writers.text()) == ("OK", "")


def test_a_stranger_is_named_once_and_stays_known_after_it_left() -> None:
    writers = Writers(OWNERS)
    assert writers.see(GUARD, [DIAGNOSTICS, STRANGER], 0.0) == ["/stranger (GUID 02)"]
    assert writers.see(GUARD, [DIAGNOSTICS, STRANGER], 1.0) == writers.see(GUARD, [DIAGNOSTICS], 2.0) == []
    assert writers.see(WORLD, [STRANGER], 2.0) == ["/stranger (GUID 02)"]
    assert writers.status().level == "ERROR"
    assert writers.text() == (
        "/stranger (GUID 02) published on /carla/control; /stranger (GUID 02) published on /td3/guard"
    )
    assert writers.see(GUARD, [Writer("/second", "09")], 2.0) == ["/second (GUID 09)"]
    assert writers.found[GUARD] == ["/stranger (GUID 02)", "/second (GUID 09)"]
    writers.reset()
    assert writers.text() == ""
    assert writers.see(GUARD, [STRANGER], 3.0) == ["/stranger (GUID 02)"]


def test_whoever_is_there_first_owns_a_topic_without_named_owners() -> None:
    writers = Writers(OWNERS)
    writers.see(IMAGE, [], 0.0)
    writers.see(IMAGE, [Writer("/bridge", "03")], 1.0)
    assert writers.see(IMAGE, [STRANGER, Writer("/bridge", "03")], 2.0) == ["/stranger (GUID 02)"]


def test_a_node_that_was_started_anew_may_be_seen_twice_for_a_while() -> None:
    writers, again = Writers(OWNERS), Writer("/diagnostics", "09")
    writers.see(GUARD, [DIAGNOSTICS], 0.0)
    assert writers.see(GUARD, [DIAGNOSTICS, again], 1.0) == []
    assert writers.see(GUARD, [again], 20.0) == writers.see(GUARD, [again], 200.0) == []
    assert writers.see(GUARD, [again, DIAGNOSTICS], 300.0) == []
    assert writers.see(GUARD, [again, DIAGNOSTICS], 301.0 + LEASE) == ["/diagnostics (GUID 01)"]


def test_a_publisher_whose_name_has_not_come_yet_is_no_stranger() -> None:
    writers, early = Writers(OWNERS), Writer(f"_NODE_NAMESPACE_UNKNOWN_/{NO_NAME}", "01")
    assert writers.see(GUARD, [early], 0.0) == writers.see(GUARD, [DIAGNOSTICS], 0.5) == []
    assert writers.see(IMAGE, [early], 0.0) == writers.see(IMAGE, [Writer("/bridge", "01")], 0.5) == []
    assert writers.see(IMAGE, [Writer("/bridge", "01"), STRANGER], 1.0) == ["/stranger (GUID 02)"]
    assert writers.see(GUARD, [DIAGNOSTICS], 2 * NAMELESS) == []


def test_a_publisher_that_stays_without_a_name_or_leaves_without_one_is_a_stranger() -> None:
    writers, nameless = Writers(OWNERS), Writer(f"_NODE_NAMESPACE_UNKNOWN_/{NO_NAME}", "05")
    assert writers.see(WORLD, [nameless], 0.0) == []
    assert writers.see(WORLD, [nameless], NAMELESS) == [f"{nameless.node} (GUID 05)"]
    assert writers.see(GUARD, [nameless], 0.0) == []
    assert writers.see(GUARD, [], 0.5) == [f"{NO_NAME} (GUID 05)"]
    assert writers.see(GUARD, [], 1.0) == []


def test_where_many_may_ask_an_owners_name_may_stand_twice_and_leave_before_it_came() -> None:
    question = "/question"
    writers, second = Writers({question: ["/joiner"]}, shared=[question]), Writer("/joiner", "02")
    asking = [Writer("/joiner", "01"), second]
    assert writers.see(question, asking, 0.0) == writers.see(question, asking, 10.0 * LEASE) == []
    assert writers.see(question, [Writer(NO_NAME, "07")], 11.0 * LEASE) == writers.see(question, [], 11.5 * LEASE) == []
    assert writers.see(question, [*asking, STRANGER, Writer("/actor/joiner", "03")], 400.0) == [
        "/stranger (GUID 02)",
        "/actor/joiner (GUID 03)",
    ]


def test_what_another_node_found_is_added_once_by_its_guid() -> None:
    writers = Writers(OWNERS)
    writers.see(WORLD, [STRANGER], 0.0)
    assert not writers.note(WORLD, "/stranger (GUID 02)") and not writers.note(WORLD, "a publisher (GUID 02)")
    assert writers.note(WORLD, "/policy (GUID 03)") and writers.note(GUARD, "/policy (GUID 03)")
    assert writers.found == {WORLD: ["/stranger (GUID 02)", "/policy (GUID 03)"], GUARD: ["/policy (GUID 03)"]}


def test_another_node_cannot_fill_the_memory() -> None:
    writers = Writers(OWNERS)
    assert sum(writers.note(WORLD, f"x (GUID {number:04x}.)") for number in range(10 * MOST_FOUND)) == MOST_FOUND


def test_a_node_that_leaves_keeps_its_name_while_its_publishers_are_seen() -> None:
    writers, leaving = Writers(OWNERS), Writer(f"_NODE_NAMESPACE_UNKNOWN_/{NO_NAME}", DIAGNOSTICS.guid)
    assert writers.see(GUARD, [DIAGNOSTICS], 0.0) == []
    assert writers.see(GUARD, [leaving], 1.0) == writers.see(GUARD, [leaving], 1.0 + 2 * NAMELESS) == []
    assert writers.see(GUARD, [], 20.0) == [] and writers.text() == ""
    assert writers.see(GUARD, [STRANGER], 21.0) == ["/stranger (GUID 02)"]
