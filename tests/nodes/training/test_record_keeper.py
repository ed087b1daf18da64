# SPDX-License-Identifier: Apache-2.0
"""The policy waits for the node that keeps the record of the run, over real DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.msg import EpisodeSummary, RewardTerms

from td3_driving.nodes.ros import qos
from td3_driving.nodes.training.record_keeper import PATIENCE, RecordKeeper

REASON = "the diagnostics node to listen"
MakeNode = Callable[[str], Node]


@pytest.fixture
def make_node(domain_id: int) -> Iterator[MakeNode]:
    """Each node in a context of its own, so that they have to find each other."""
    made: list[tuple[Context, Node]] = []

    def make(name: str) -> Node:
        context = Context()
        rclpy.init(args=[], context=context, domain_id=domain_id)
        made.append((context, Node(name, context=context)))
        return made[-1][1]

    yield make
    for context, node in made:
        node.destroy_node()
        context.try_shutdown()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def hear_rewards(node: Node) -> list[int]:
    steps: list[int] = []
    node.create_subscription(RewardTerms, "td3/reward", lambda heard: steps.append(heard.step), qos.REWARD)
    return steps


def hear_episodes(node: Node) -> None:
    node.create_subscription(EpisodeSummary, "td3/episode", lambda heard: None, qos.EPISODE)


def test_the_first_step_waits_until_the_record_keeper_hears_all_of_it(make_node: MakeNode) -> None:
    policy = make_node("policy")
    rewards = policy.create_publisher(RewardTerms, "td3/reward", qos.REWARD)
    episodes = policy.create_publisher(EpisodeSummary, "td3/episode", qos.EPISODE)
    awaited = RecordKeeper(policy, (rewards, episodes))
    other = make_node("ear")
    hear_rewards(other)
    hear_episodes(other)
    until(lambda: rewards.get_subscription_count() == episodes.get_subscription_count() == 1)
    assert awaited.missing(0.0) == REASON, "somebody else's ear is not the record"
    keeper = make_node("diagnostics")
    steps = hear_rewards(keeper)
    until(lambda: rewards.get_subscription_count() == 2)
    assert awaited.missing(0.1) == REASON, "nobody keeps the episodes"
    hear_episodes(keeper)
    until(lambda: awaited.missing(0.2) == "")
    for step in range(1, 21):
        rewards.publish(RewardTerms(step=step))
    executor = SingleThreadedExecutor(context=keeper.context)
    executor.add_node(keeper)
    deadline = time.monotonic() + HANG
    while len(steps) < 20 and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    assert steps == list(range(1, 21))


def test_a_run_without_a_record_keeper_goes_on(make_node: MakeNode) -> None:
    policy = make_node("policy")
    awaited = RecordKeeper(policy, (policy.create_publisher(RewardTerms, "td3/reward", qos.REWARD),))
    assert awaited.missing(100.0) == awaited.missing(100.0 + PATIENCE) == REASON
    assert awaited.missing(100.1 + PATIENCE) == ""
    assert awaited.missing(100.2) == "", "it is asked once, for the first step"


def test_with_nothing_to_keep_nobody_is_awaited(make_node: MakeNode) -> None:
    assert RecordKeeper(make_node("policy"), ()).missing(0.0) == ""
