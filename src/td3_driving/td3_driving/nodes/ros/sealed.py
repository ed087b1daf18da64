# SPDX-License-Identifier: Apache-2.0
"""Publishers that seal what they send, and subscriptions that hand on only what the run itself has sealed.

The seal covers the serialised bytes, so a stranger's message is dropped before it is deserialised.
"""

from __future__ import annotations

import os
import secrets
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from td3_driving.driving import topics
from td3_driving.nodes.ros.aside import Aside
from td3_driving.nodes.ros.senders import Senders, full_name, guid_of, sender_of
from td3_driving.settings import Settings
from td3_driving.trust.budget import Budget
from td3_driving.trust.seal import UNSIGNED, Belief
from td3_driving.trust.starts import Starts
from td3_driving.trust.strangers import PATIENCE, Latecomers, Strangers
from td3_driving.trust.token import VARIABLE, TokenError, find_token

ROLES = {
    topics.REPLAY: "replay",
    topics.POLICY_WEIGHTS: "weights",
    topics.FROZEN_WEIGHTS: "frozen weights",
    topics.LEARNER_STATUS: "status",
    topics.REWARD: "reward",
    topics.EPISODE: "episode",
    topics.EVALUATION: "evaluation",
    topics.GUARD: "guard",
    topics.REFUSALS: "refusals",
    topics.RUN_OFFER: "offer",
    topics.RUN_QUESTION: "question",
    topics.FRAME: "frame",
}
"""Topics whose messages are sealed, and what their seals say that they are."""
OWN_TOPICS = (topics.FRAME,)
"""Those of them that each actor has in its namespace."""
LASTING = ("replay", "offer", "question", "frame")
"""Roles whose seals hold in every start of a run.

A step has its session and number, an offer answers a question, a frame has its stamp, and a simulator hears no start.
"""
SENDERS = {
    topics.REPLAY: ("policy",),
    topics.REWARD: ("policy",),
    topics.EPISODE: ("policy",),
    topics.EVALUATION: ("policy",),
    topics.POLICY_WEIGHTS: ("learner",),
    topics.FROZEN_WEIGHTS: ("learner",),
    topics.LEARNER_STATUS: ("learner",),
    topics.GUARD: ("diagnostics",),
    topics.REFUSALS: ("policy", "diagnostics"),
    topics.RUN_OFFER: ("registrar",),
    topics.RUN_QUESTION: ("joiner",),
    topics.FRAME: ("simulator",),
}
"""Names of the nodes that publish them."""
DRAINED = 1000
"""Messages that are taken at one go after a stranger's: a flood must not push the genuine ones out of the queue."""
LOOK_PERIOD = 1.0
"""Wall time between two looks at the graph for the name of a stranger [s]."""
OPEN = (
    "security.open is true: this node believes unsigned messages of everybody who shares its ROS domain; "
    "use it on a network of your own alone"
)
PLACE = struct.Struct("<QQ")
"""What stands in the place of the MAC while a message is serialised."""


class SealedPublisher:
    """Publishes messages with the seal of the run.

    Attributes:
        plain: the publisher behind it.
    """

    def __init__(self, plain: Publisher[Any], starts: Starts, role: str) -> None:
        self.plain, self._starts, self._role = plain, starts, role
        self._drawn, self._count = secrets.randbits(64), 0

    def publish(self, message: Any) -> bytes:
        """Seal and publish ``message``; returns the bytes, which :meth:`again` takes."""
        data = self._starts.seal(self._role).sealed(self._unsigned(message))
        self.plain.publish(data)
        return data

    def again(self, data: bytes) -> None:
        """Publish the bytes of a sealed message, in the start of the run that is believed by now."""
        unsigned = data[: -len(UNSIGNED)] + UNSIGNED
        self.plain.publish(self._starts.seal(self._role).sealed(unsigned))

    def _unsigned(self, message: Any) -> bytes:
        """The bytes of ``message`` with an empty MAC at their end.

        Behind the last field ROS 2 may leave bytes that it reserved and did not fill, where an array of 64-bit numbers
        is empty. So the place of the MAC is found by a number that no other message has had.
        """
        self._count += 1
        mark = PLACE.pack(self._drawn, self._count)
        message.mac = np.frombuffer(mark, dtype=np.uint32)
        data = serialize_message(message)
        return data[: data.rindex(mark)] + UNSIGNED


class Trust:
    """Whom a node believes.

    Args:
        node: whose publishers and subscriptions these are.
        run_directory: folder of the run, "" where the node has none.
        needed: whether the node must know the run's messages from others'.
        start: of the run, as an actor on another machine was told; the start in the run folder may be later.

    Attributes:
        strangers: the account of what was not believed.
        starts: the start of the run that is believed.
        sender: GUID of the publisher of the message that a callback has at hand; ``None`` where ROS 2 does not tell.

    Raises:
        TokenError: there is no token, and ``security.open`` is false.
    """

    def __init__(self, node: Node, settings: Settings, run_directory: str, needed: bool = True, start: int = 0) -> None:
        self._node, self._open = node, settings.security.open
        self._token = find_token(Path(run_directory) if run_directory else None, os.environ)
        places = {ROLES[topic]: node.resolve_topic_name(topic) for topic in OWN_TOPICS}
        self.starts = Starts(self._token, bool(os.environ.get(VARIABLE)), LASTING, start, places)
        self.strangers, self._latecomers = Strangers(), Latecomers(settings.run.num_actors)
        self.sender: bytes | None = None
        self._timer: Timer | None = None
        self._named: dict[str, tuple[float, str]] = {}
        self._senders, self._budget = Senders(node), Budget()
        if self._token is None and needed and not self._open:
            raise TokenError(
                f"no token of a run: set the parameter run_dir, or name a copy of RUN/token in {VARIABLE}; "
                "with security.open=true none is needed"
            )
        if self._open:
            node.get_logger().warning(OPEN)

    @property
    def sealed(self) -> bool:
        """Whether this node has the token of its run."""
        return self._token is not None

    def sealed_publisher(self, kind: type[Any], topic: str, profile: QoSProfile) -> SealedPublisher:
        """A publisher of messages ``kind`` on ``topic``, one of :data:`ROLES`."""
        return SealedPublisher(self._node.create_publisher(kind, topic, profile), self.starts, ROLES[topic])

    def sealed_subscription(
        self,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], object],
        profile: QoSProfile,
        aside: Aside | None = None,
    ) -> Subscription:
        """A subscription that calls ``callback`` with the believed messages on ``topic``, one of :data:`ROLES`.

        Args:
            aside: checks the seals of long messages beside the node's thread, which calls ``callback``.
        """
        role = ROLES[topic]

        def hand_on(data: bytes, info: Mapping[str, Any]) -> bool:
            guid = sender_of(info)
            return self._admits(topic, guid) and self._settle(topic, guid, callback, *self._read(role, data, kind))

        def take(data: bytes, info: Mapping[str, Any]) -> None:
            if not hand_on(data, info):
                self._drain(subscription, hand_on)

        def take_aside(data: bytes, info: Mapping[str, Any]) -> None:
            guid = sender_of(info)

            def settle(outcome: Callable[[], tuple[Belief, Any]]) -> None:
                if not self._settle(topic, guid, callback, *outcome()):
                    self._drain(subscription, hand_on)

            if not self._admits(topic, guid):
                self._drain(subscription, hand_on)
            elif aside is not None:
                aside.do(lambda: self._read(role, data, kind), settle)

        heard = take if aside is None else take_aside
        subscription: Subscription = self._node.create_subscription(kind, topic, heard, profile, raw=True)
        return subscription

    def _admits(self, topic: str, guid: bytes | None) -> bool:
        """Whether a message of the publisher ``guid`` is read at all; one that is waited for is no stranger yet."""
        if not self._budget.exhausted(guid, time.monotonic()):
            return True
        if not self._latecomers.repeats(topic, guid):
            self.strangers.note(self._who(topic, guid))
        return False

    def _read(self, role: str, data: bytes, kind: type[Any]) -> tuple[Belief, Any]:
        """What to believe of a message, and the message where it is believed, else ``None``."""
        belief = self.starts.judge(role, data)
        believed = belief is Belief.GENUINE or (self._open and (belief is Belief.UNSIGNED or self._token is None))
        if not believed:
            return belief, None
        try:
            return belief, deserialize_message(data, kind)
        except (RuntimeError, ValueError):
            return Belief.FALSE, None

    def _settle(
        self, topic: str, guid: bytes | None, callback: Callable[[Any], object], belief: Belief, message: Any
    ) -> bool:
        """Pass a message of the publisher ``guid`` on if it is believed; returns whether it was."""
        if message is None:
            self._refuse(topic, belief, guid)
            return False
        self._budget.prove(guid)
        self._latecomers.clear(topic, guid)
        self.sender = guid
        callback(message)
        return True

    @staticmethod
    def _drain(subscription: Subscription, hand_on: Callable[[bytes, Mapping[str, Any]], bool]) -> None:
        for _ in range(DRAINED):
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, True)
            if taken is None:
                return
            hand_on(*taken)

    def _refuse(self, topic: str, belief: Belief, guid: bytes | None) -> None:
        sender = self._who(topic, guid)
        if belief is Belief.EARLIER and self._waits_for(topic, guid):
            self._node.get_logger().warning(
                f"{topic}: message of an earlier start of the run left out; sent by {sender}", throttle_duration_sec=2.0
            )
            return
        self.strangers.note(sender)
        self._node.get_logger().error(
            f"{topic}: {belief.value} message refused, {self.strangers.total} so far; sent by {sender}",
            throttle_duration_sec=2.0,
        )

    def _waits_for(self, topic: str, guid: bytes | None) -> bool:
        """Whether the sender of a message of an earlier start may yet turn out to be the run's."""
        if self._timer is None:
            self._timer = self._node.create_timer(PATIENCE / 4.0, self._judge_latecomers)
        return self._latecomers.note(topic, guid, time.monotonic())

    def _judge_latecomers(self) -> None:
        for topic, guid, count in self._latecomers.overdue(time.monotonic()):
            sender = self._who(topic, guid)
            self.strangers.note(sender, count)
            self._node.get_logger().error(
                f"{topic}: {sender} repeats {count} message(s) of an earlier start of the run"
            )

    def _who(self, topic: str, guid: bytes | None) -> str:
        """Name and GUID of a message's publisher."""
        return self._suspects(topic) if guid is None else self._senders.text(topic, guid)

    def _suspects(self, topic: str) -> str:
        """Who in the graph publishes on ``topic`` besides its owner, where ROS does not say whose a message is."""
        now = time.monotonic()
        looked_at, name = self._named.get(topic, (-LOOK_PERIOD, ""))
        if now - looked_at >= LOOK_PERIOD:
            name = strangers_on(self._node, topic) or name or f"a publisher of {topic} that has left"
            self._named[topic] = (now, name)
        return name


def strangers_on(node: Node, topic: str) -> str:
    """Publishers of a sealed topic that have not the name of its owner, with their GUIDs.

    Where there are none, those whose name stands twice; empty where every name is an owner's and stands once.
    """
    known = node.get_publishers_info_by_topic(topic)
    others = [endpoint for endpoint in known if endpoint.node_name not in SENDERS[topic]]
    if not others:
        names = [(endpoint.node_namespace, endpoint.node_name) for endpoint in known]
        others = [endpoint for endpoint, name in zip(known, names) if names.count(name) > 1]
    return ", ".join(sorted(endpoint_name(endpoint) for endpoint in others)[:3])


def endpoint_name(endpoint: Any) -> str:
    """``/namespace/node (GUID 01.0f…)``."""
    return f"{full_name(endpoint.node_name, endpoint.node_namespace)} (GUID {guid_of(endpoint)})"
