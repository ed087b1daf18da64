# SPDX-License-Identifier: Apache-2.0
"""When nodes see to what can wait, with a clock set by hand."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not here; run: make build")

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from std_msgs.msg import String

from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.ros.fast_wait import FastWait, Housekeeping, spin_fast

from ...shared.patience import HANG


class Arrival:
    """Waits for a message by a subscription of its own, which leaves those of others alone."""

    def __init__(self, node: Node, context: Context) -> None:
        self._came = 0
        subscription = node.create_subscription(String, "words", self._count, qos.BRIDGE)
        self._fast = FastWait(context, [subscription], [])

    def _count(self, message: String) -> None:
        self._came += 1

    def wait_for_message(self) -> None:
        """Until one more has come."""
        before, end = self._came, time.monotonic() + HANG
        while self._came == before and time.monotonic() < end:
            self._fast.once(0.1)

    def close(self) -> None:
        """Nothing to do; the node goes with its context."""


class Wall:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_can_wait_waits_for_an_answer_unless_it_is_overdue() -> None:
    wall = Wall()
    house = Housekeeping(period=0.1, overdue=0.3, clock=wall)
    assert house.due(busy=True), "never looked before"
    seen = []
    for wall.now, answered in (
        (100.05, True),
        (100.15, False),
        (100.2, True),
        (100.25, True),
        (100.45, False),
        (100.55, False),
    ):
        house.answered = answered
        seen.append(house.due(busy=True))
        assert not house.answered, "each answer counts once"
    assert seen == [False, False, True, False, False, True]


def test_silence_is_always_the_time() -> None:
    wall = Wall()
    house = Housekeeping(period=0.1, overdue=0.3, clock=wall)
    assert [house.due(busy=False) for _ in range(3)] == [True] * 3
    wall.now += 0.05
    house.answered = True
    assert not house.due(busy=True), "the looks in silence count"


def test_draining_ends_though_messages_come_as_fast_as_they_are_taken(domain_id: int) -> None:
    """As images of 8 MB do on a busy machine; each message here brings the next one, and waits until it is there."""
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    node = Node("reader", context=context)
    taken: list[str] = []
    publisher = node.create_publisher(String, "words", qos.BRIDGE)

    def send(text: str) -> None:
        publisher.publish(String(data=text))
        waiting.wait_for_message()

    def on_word(message: String) -> None:
        taken.append(message.data)
        assert len(taken) <= 10 * qos.BRIDGE.depth, "it never ends"
        send("more")

    subscription = node.create_subscription(String, "words", on_word, qos.BRIDGE)
    with closing(Arrival(node, context)) as waiting:
        fast = FastWait(context, [subscription], [])
        send("first")
        fast.drain()
    assert taken[0] == "first" and len(taken) <= qos.BRIDGE.depth
    rclpy.shutdown(context=context)


def test_a_node_is_spun_whose_messages_are_served_at_once(domain_id: int) -> None:
    """Messages reach their callback, timers run beside them, and what a callback raises ends the spinning."""
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    node = Node("spun", context=context)
    end = time.monotonic() + HANG
    publisher = node.create_publisher(String, "words", qos.BRIDGE)
    heard: list[str] = []
    ticks: list[float] = []

    def hear(message: String) -> None:
        heard.append(message.data)
        if len(ticks) >= 2 and len(heard) >= 2:
            raise RunEnd(7)

    def tick() -> None:
        ticks.append(time.monotonic())
        assert ticks[-1] < end, "nothing was heard"
        publisher.publish(String(data="a word"))

    subscription = node.create_subscription(String, "words", hear, qos.BRIDGE)
    node.create_timer(0.01, tick)
    try:
        with pytest.raises(RunEnd):
            spin_fast(node, [subscription])
    finally:
        rclpy.shutdown(context=context)
    assert set(heard) == {"a word"} and len(ticks) >= 2
