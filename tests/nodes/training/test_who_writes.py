# SPDX-License-Identifier: Apache-2.0
"""A second writer and a flood, as the nodes' own parts see them over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.msg import Guard, Refusals

from td3_driving.driving import topics
from td3_driving.nodes.ros import qos, sealed
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training import census
from td3_driving.nodes.training.other_writers import OtherWriters
from td3_driving.settings import from_flat
from td3_driving.trust.budget import PER_SECOND
from td3_driving.trust.seal import Seal

from ...shared.patience import HANG
from ..stranger import EGO, Stranger


@pytest.fixture
def policy(domain_id: int) -> Iterator[Node]:
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    node = Node("policy", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def until(node: Node, condition: Callable[[], bool], what: str) -> None:
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        executor.spin_once(timeout_sec=0.05)
    executor.remove_node(node)


def test_a_second_policy_by_name_is_cut_named_and_told(
    policy: Node, domain_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a policy has lived longer than a dead one can be seen, its own name twice is a stranger's."""
    monkeypatch.setattr(census, "LEASE", 0.0)
    trust, told = Trust(policy, from_flat({}), str(tmp_path)), []
    trust.sealed_subscription(Refusals, topics.REFUSALS, told.append, qos.EPISODE)
    others = OtherWriters(policy, trust, "")
    command = policy.create_publisher(CarlaEgoVehicleControl, topics.COMMAND, qos.BRIDGE)
    until(policy, lambda: policy.count_publishers(f"{EGO}/vehicle_control_cmd") == 1, "own publisher")
    assert others.touched() == ""
    with Stranger(domain_id, "policy") as double:
        writer = double.node.create_publisher(CarlaEgoVehicleControl, command.topic_name, qos.BRIDGE)
        until(policy, lambda: "/policy (GUID " in others.touched(), "second policy")

        def heard() -> bool:
            others.intruders.tell()
            return bool(told and told[-1].writers)

        until(policy, heard, "report")
        double.leave(writer)
    until(policy, lambda: others.touched() == "", "the end of it")
    assert told[-1].topics == [f"{EGO}/vehicle_control_cmd"] and told[-1].writers[0].startswith("/policy (GUID ")
    assert others.intruders.status().level == "ERROR"


@pytest.mark.parametrize("actors", [1, 3])
def test_every_topic_that_is_sealed_or_recorded_has_an_owner(actors: int) -> None:
    owners, spaces = census.owners(actors), [""] if actors == 1 else [f"/actor_{index}" for index in range(actors)]
    shared = {f"/{topic}" for topic in (*sealed.ROLES, *topics.SHARED) if topic not in sealed.OWN_TOPICS}
    own = {f"{space}/{topic}" for space in spaces for topic in sealed.OWN_TOPICS}
    assert shared | own <= owners.keys()
    for topic, names in sealed.SENDERS.items():
        found = owners.get(f"/{topic}") or ()
        assert topic in sealed.OWN_TOPICS or {name.rpartition("/")[2] for name in found} == set(names), topic


def test_a_flood_costs_a_bounded_number_of_seals_and_no_genuine_message(
    policy: Node, domain_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed, "time", SimpleNamespace(monotonic=lambda: 0.0))
    judged, judge = [], Seal.judge
    monkeypatch.setattr(Seal, "judge", lambda self, data: judged.append(1) or judge(self, data))
    trust, orders = Trust(policy, from_flat({}), str(tmp_path)), []
    trust.sealed_subscription(Guard, topics.GUARD, lambda message: orders.append(message.reason), qos.RECORDER)
    genuine = trust.sealed_publisher(Guard, topics.GUARD, qos.RECORDER)
    sent = 0
    with Stranger(domain_id) as stranger:
        writer = stranger.writer(Guard, "/td3/guard", qos.RECORDER)
        while trust.strangers.total < 5 * PER_SECOND:
            for _ in range(100):
                writer.publish(Guard(order=Guard.PAUSE, mac=[1, 2, 3, 4]))
            genuine.publish(Guard(reason=str(sent)))
            sent += 1
            until(policy, lambda sent=sent: len(orders) == sent, "a genuine order amid the flood")
        names = trust.strangers.by_sender()
    assert orders == [str(number) for number in range(sent)], "each one, in its order"
    assert len(judged) == sent + PER_SECOND * (1 + trust.starts.number), "a false one is tried by each earlier start"
    assert sum(names.values()) == trust.strangers.total and len({name.partition("(GUID ")[2] for name in names}) == 1
