# SPDX-License-Identifier: Apache-2.0
"""Who sent which message of a bag."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.bags import provenance
from td3_driving.bags.provenance import MAX_NOTES, UNKNOWN, Provenance, ProvenanceError
from td3_driving.trust.sources import process_of

ONE, TWO = b"process one.", b"process two."


def noted(messages: list[tuple[str, bytes]]) -> Provenance:
    notes = Provenance()
    for topic, process in messages:
        notes.note(topic, process)
    return notes


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from((ONE, TWO, UNKNOWN)))))
def test_every_message_keeps_its_sender(messages: list[tuple[str, bytes]]) -> None:
    counts = Counter(topic for topic, _ in messages)
    read = Provenance.read(noted(messages).text(), counts)
    for topic in "ab":
        sent = [process for name, process in messages if name == topic]
        assert [read.process(topic, index) for index in range(len(sent))] == sent
    assert read.told == any(process for _, process in messages)


def test_notes_are_as_long_as_senders_change() -> None:
    text = noted([("a", ONE)] * 1000 + [("a", TWO)] * 1000).text()
    assert json.loads(text)["topics"] == {"a": [2000, [[0, 0], [1000, 1]]]}


def test_notes_on_a_topic_with_other_messages_than_were_noted_tell_nothing() -> None:
    """A topic whose messages were all taken out leaves the others as they were."""
    text = noted([("a", ONE), ("a", TWO), ("b", TWO)]).text()
    assert not Provenance.read(text, {"a": 1, "b": 1}).told
    read = Provenance.read(text, {"b": 1})
    assert read.told and read.process("b", 0) == TWO


def test_two_senders_in_turns_make_no_notes_that_a_reader_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = noted([("a", ONE if number % 2 else TWO) for number in range(1_000_000)])
    assert not notes.told
    assert len(notes.text()) < MAX_NOTES
    monkeypatch.setattr(provenance, "MAX_PROCESSES", 100)
    notes = noted([("a", number.to_bytes(12, "big")) for number in range(1, 1000)])
    assert not notes.told and len(notes.text()) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "[" * 100_000, '{"processes": [7], "topics": {}}', '{"processes": ["zz"], "topics": {}}'),
        '{"processes": ["00"], "topics": {"a": [0, [[0, 1]]]}}',
        '{"processes": ["00"], "topics": {"a": [0, [[0, -1]]]}}',
        '{"processes": ["00"], "topics": {"a": [0, [["x", 0]]]}}',
        '{"processes": ["00"], "topics": {"a": 5}}',
        '{"processes": ["00", "00"], "topics": {}}',
    ],
)
def test_other_notes_are_refused(text: str) -> None:
    with pytest.raises(ProvenanceError):
        Provenance.read(text, {"a": 0})


def test_the_process_is_the_begin_of_a_guid() -> None:
    assert process_of(bytes(range(16))) == bytes(range(12))
    assert process_of(None) == process_of(bytes(16)) == UNKNOWN
