# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed in a sealed message, the seal does not hold any more."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.trust.seal import UNSIGNED, Belief, Seal
from td3_driving.trust.strangers import OTHERS, Strangers

TOKEN = bytes(range(32))
BODIES = st.binary(max_size=200).map(lambda body: body + bytes(-len(body) % 4))


def test_the_mac_is_blake2b_of_the_body_with_key_and_role() -> None:
    sealed = Seal(TOKEN, "replay").sealed(b"abcd" + UNSIGNED)
    wanted = hashlib.blake2b(b"abcd", key=TOKEN, digest_size=16, person=b"replay").digest()
    assert sealed == b"abcd" + wanted


@given(BODIES, st.data())
def test_any_flipped_bit_breaks_the_seal(body: bytes, data: st.DataObject) -> None:
    seal = Seal(TOKEN, "replay")
    sealed = bytearray(seal.sealed(body + UNSIGNED))
    assert seal.judge(bytes(sealed)) is Belief.GENUINE
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert seal.judge(bytes(sealed)) is Belief.FALSE


@given(BODIES, st.binary(min_size=32, max_size=32).filter(lambda key: key != TOKEN))
def test_no_other_token_and_no_other_role_seals_it(body: bytes, other: bytes) -> None:
    sealed = Seal(TOKEN, "replay").sealed(body + UNSIGNED)
    assert Seal(other, "replay").judge(sealed) is Belief.FALSE
    assert Seal(TOKEN, "weights").judge(sealed) is Belief.FALSE
    assert Seal(None, "replay").judge(sealed) is Belief.FALSE


def test_a_frame_of_one_world_is_none_of_another() -> None:
    """Whatever stands in it: the name of the topic goes into the MAC, before the bytes."""
    sealed = Seal(TOKEN, "frame", place="/actor_1/td3/frame").sealed(b"abcd" + UNSIGNED)
    wanted = hashlib.blake2b(b"/actor_1/td3/frameabcd", key=TOKEN, digest_size=16, person=b"frame").digest()
    assert sealed == b"abcd" + wanted
    for other in ("", "/td3/frame", "/actor_2/td3/frame", "/actor_11/td3/frame"):
        assert Seal(TOKEN, "frame", place=other).judge(sealed) is Belief.FALSE


@given(st.binary(max_size=400))
def test_no_bytes_of_a_stranger_are_genuine(data: bytes) -> None:
    assert Seal(TOKEN, "replay").judge(data) is not Belief.GENUINE
    assert Seal(None, "replay").judge(data) is not Belief.GENUINE


@given(BODIES)
def test_an_unsigned_message_is_known_as_such(body: bytes) -> None:
    unsigned = Seal(None, "replay").sealed(body + UNSIGNED)
    assert unsigned == body + UNSIGNED
    assert Seal(TOKEN, "replay").judge(unsigned) is Belief.UNSIGNED


@pytest.mark.parametrize("data", [b"", UNSIGNED[1:], b"a" + UNSIGNED, b"abcd" * 5])
def test_only_an_empty_place_takes_a_mac(data: bytes) -> None:
    with pytest.raises(ValueError, match="do not end with an empty MAC"):
        Seal(TOKEN, "replay").sealed(data)


def test_strangers_are_counted_by_name_up_to_a_bound() -> None:
    strangers = Strangers()
    for number in range(1000):
        strangers.note(f"sender {number}")
    strangers.note("sender 0", 9)
    assert strangers.total == 1009
    assert strangers.by_sender() | {"sender 0": 10, OTHERS: 936} == strangers.by_sender()
    assert len(strangers.by_sender()) == 65
    assert strangers.last == "sender 0"
