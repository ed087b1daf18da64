# SPDX-License-Identifier: Apache-2.0
"""What ranks say to each other, and how they notice that one is gone."""

from __future__ import annotations

import socket
from collections.abc import Callable

import numpy as np
import pytest

from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.ranks.divided_memory import owner_of
from td3_driving.learning.ranks.joining import RankPlace
from td3_driving.learning.ranks.links import RankLink
from td3_driving.learning.ranks.messages import RankMessage, of_experience, pack, to_experience, unpack
from td3_driving.settings import Settings

from ..shared.patience import HANG

Make = Callable[..., Settings]
STATE_DIM, EPISODE = 3, 4


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT not set"),
        (RankPlace(1, 2, 1, 2, "host", 7).environment() | {"RANK": "one"}, "the place of a rank .* is no number"),
    ],
)
def test_a_place_that_is_none_is_refused(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RankPlace.of_environment(environment)


def test_the_owner_of_an_episode_depends_on_the_message_alone(small: Make) -> None:
    actors = ["actor_0", "actor_1"]
    experiences = list(made_up_experience(small(), STATE_DIM, 4 * EPISODE))
    owners = [owner_of(experience, actors, 3) for experience in experiences]
    assert owners == [0] * 4 + [1] * 4 + [2] * 4 + [0] * 4


def test_an_experience_reaches_a_rank_as_it_is(small: Make) -> None:
    for experience in made_up_experience(small(), STATE_DIM, 2 * EPISODE):
        message = unpack(pack(of_experience(experience, linked=True, number=7)))
        assert (message.name, message.facts["linked"], message.facts["number"]) == ("append", True, 7)
        arrived = to_experience(message)
        for name in experience.__slots__:
            sent, got = getattr(experience, name), getattr(arrived, name)
            assert type(got) is type(sent) and np.array_equal(got, sent), name


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, pack(RankMessage("end"))[:-1], b"\x02" + bytes(7) + b"{}"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="are no message of a rank"):
        unpack(data)


def connected() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


def test_a_link_passes_signs_of_life_over_and_notices_the_end() -> None:
    ours, theirs = (RankLink(one, HANG) for one in connected())
    theirs.send(b"")
    theirs.send(b"order")
    assert ours.receive() == b"order"
    theirs.send(b"")
    assert ours.next(HANG) == b"" and not ours.speaks()
    with pytest.raises(TimeoutError, match="no sign of life for 0 s"):
        ours.next(0.0)
    theirs.close()
    with pytest.raises(ConnectionError, match="its connection is closed"):
        ours.receive()


def test_a_message_of_absurd_length_is_refused() -> None:
    plain, other = connected()
    plain.sendall(b"\xff" * 8)
    with pytest.raises(ConnectionError, match="announces a message of 18446744073709551615 bytes"):
        RankLink(other, HANG).receive()
    plain.close()
