# SPDX-License-Identifier: Apache-2.0
"""Every message can be sealed, whichever of its arrays are empty, and is believed as it travels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from rclpy.serialization import deserialize_message
from td3_driving_msgs.msg import LearnerStatus, PolicyFrame, RewardTerms, RunOffer

from td3_driving.driving import topics
from td3_driving.nodes.ros import qos, sealed
from td3_driving.nodes.ros.sealed import SealedPublisher, Trust
from td3_driving.settings import Settings
from td3_driving.trust.budget import PER_SECOND
from td3_driving.trust.seal import Belief
from td3_driving.trust.starts import Starts
from td3_driving.trust.strangers import PATIENCE
from td3_driving.trust.token import Token, count_start, renew_token

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


class Desk:
    """In the place of a node: hands messages to what it subscribes to, and tells of nobody in the graph."""

    def __init__(self, space: str = "") -> None:
        self._space, self.heard, self.timers, self.wires = space, {}, [], {}

    def create_publisher(self, _: object, topic: str, *__: object) -> Wire:
        return self.wires.setdefault(topic, Wire())

    def create_subscription(self, _: object, topic: str, callback: Any, *__: object, raw: bool) -> Any:
        self.heard[topic] = callback
        return SimpleNamespace(handle=Nothing(), msg_type=None)

    def create_timer(self, _: float, callback: Any) -> None:
        self.timers.append(callback)

    def resolve_topic_name(self, topic: str) -> str:
        return f"{self._space}/{topic}"

    def get_publishers_info_by_topic(self, _: str) -> list[object]:
        return []

    def get_logger(self) -> Any:
        return SimpleNamespace(error=lambda *_, **__: None, warning=lambda *_, **__: None)

    def hand(self, topic: str, data: bytes, guid: bytes) -> None:
        self.heard[topic](data, {"publisher_gid": {"data": guid}})


class Nothing:
    """A queue without messages."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def take_message(self, *_: object) -> None: ...


def test_an_actor_that_goes_over_is_no_stranger_however_fast_it_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends 1,000 rewards a second and hears of the new start after 10 s; who never hears of it is told by name."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(sealed, "time", SimpleNamespace(monotonic=lambda: clock.now))
    renew_token(tmp_path)
    actor: Any = Desk()
    before = Trust(actor, Settings(), str(tmp_path)).sealed_publisher(RewardTerms, topics.REWARD, qos.REWARD)
    old = before.publish(RewardTerms(step=1))
    count_start(tmp_path)
    new = Trust(actor, Settings(), str(tmp_path)).sealed_publisher(RewardTerms, topics.REWARD, qos.REWARD)
    node: Any = Desk()
    trust, believed = Trust(node, Settings(), str(tmp_path)), []
    trust.sealed_subscription(RewardTerms, topics.REWARD, believed.append, qos.REWARD)
    for number in range(10_000):
        clock.now = number / 1000
        node.hand(topics.REWARD, old, b"actor's process1")
    assert trust.strangers.total == 0 and believed == []
    fresh = new.publish(RewardTerms(step=2))
    for number in range(10_000, 10_010):
        clock.now = number / 1000
        node.hand(topics.REWARD, fresh, b"actor's process1")
    assert len(believed) >= 10 - 1000 // PER_SECOND
    for _ in range(1000):
        node.hand(topics.REWARD, old, b"a stranger's one")
    clock.now += PATIENCE
    node.timers[0]()
    assert trust.strangers.total == 1000


@pytest.mark.parametrize("space", ["/actor_0", "/actor_1", ""])
def test_a_frame_of_another_actors_world_is_refused(tmp_path: Path, space: str) -> None:
    """Its seal is genuine, and it was recorded in the same run."""
    simulator: Any = Desk("/actor_1")
    world = Trust(simulator, Settings(), str(tmp_path)).sealed_publisher(PolicyFrame, topics.FRAME, qos.BRIDGE)
    recorded = world.publish(PolicyFrame())
    policy: Any = Desk(space)
    trust, believed = Trust(policy, Settings(), str(tmp_path)), []
    trust.sealed_subscription(PolicyFrame, topics.FRAME, believed.append, qos.BRIDGE)
    policy.hand(topics.FRAME, recorded, b"g" * 16)
    assert (len(believed), trust.strangers.total) == ((1, 0) if space == "/actor_1" else (0, 1))
