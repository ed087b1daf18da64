# SPDX-License-Identifier: Apache-2.0
"""Every message can be sealed, whichever of its arrays are empty, and is believed as it travels."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from rclpy.serialization import deserialize_message
from td3_driving_msgs.msg import LearnerStatus, RewardTerms, RunOffer

from td3_driving.nodes.ros.sealed import SealedPublisher
from td3_driving.trust.seal import Belief
from td3_driving.trust.starts import Starts
from td3_driving.trust.token import Token

NUMBERS = (
    "stream_sessions",
    "stream_expected",
    "stream_gone",
    "stream_begun",
    "values",
    "sessions",
    "done",
    "questions",
)


class Wire:
    """In the place of a publisher: keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def publish(self, data: bytes) -> None:
        self.sent.append(data)


@pytest.mark.parametrize("kind", [LearnerStatus, RunOffer, RewardTerms])
@pytest.mark.parametrize("full", [(), NUMBERS[:1], NUMBERS])
def test_a_message_with_empty_arrays_is_sealed_at_its_end(kind: type[Any], full: tuple[str, ...]) -> None:
    wire, starts = Wire(), Starts(Token(bytes(32), 1))
    publisher: Any = SealedPublisher(wire, starts, "status")  # type: ignore[arg-type]
    name = "reason" if kind is LearnerStatus else "version" if kind is RunOffer else "actor_id"
    for length in range(64):
        message = kind(**{name: "x" * length}, **{array: [5] for array in full if hasattr(kind(), array)})
        publisher.publish(message)
        assert starts.judge("status", wire.sent[-1]) is Belief.GENUINE
        read = deserialize_message(wire.sent[-1], kind)
        assert getattr(read, name) == "x" * length
        assert bytes(read.mac) == wire.sent[-1][-16:], "nothing stands behind the seal"
        assert all(list(getattr(read, array)) == [5] for array in full if hasattr(read, array))
