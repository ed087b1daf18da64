# SPDX-License-Identifier: Apache-2.0
"""A plain client of the CARLA bridge that keeps every message, for the conformance checks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.conformance.contract import LATCHED, PUBLISHED, SERVICES, SUBSCRIBED, VOLATILE, Topic, full
from td3_driving.conformance.recording import Endpoint, Graph, Heard, Sent, Stretch
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import time_message

NAME = "conformance"
IMAGE, ODOMETRY = "E/rgb_front/image", "E/odometry"
FRAME_TIMEOUT = 3.0
"""Longest wall time for a frame [s]: the bridge goes on after one second without a command."""

ANSWER_PATIENCE, TIMES_ASKED = 10.0, 2
"""Wall time for the answer of a service [s], and how often it is asked: a service that has not yet found this client's
reader answers into the void."""

UNKNOWN = "NODE_NAME_UNKNOWN"
"""Part of a node's name as long as ROS does not know it."""
DISCOVERY = 1.5
"""Wall time in which a node that commands the vehicle must be discovered [s]."""


class Probe:
    """A node with its own context; it records every message in :attr:`stretch`.

    Args:
        role: role name of the vehicle.
        domain: ROS domain id; ``None`` takes that of the environment.
    """

    def __init__(self, role: str, domain: int | None = None) -> None:
        self.role = role
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = Node(NAME, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.stretch = Stretch()
        self.counts: Counter[str] = Counter()
        self.latest: dict[str, Heard] = {}
        for topic in PUBLISHED:
            profile = qos.RECORDER_LATCHED if topic.durability == LATCHED else qos.RECORDER
            self.listen(topic, profile, self._keeper(topic.name))
        self._commands = self.publisher("E/vehicle_control_cmd")

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def listen(self, topic: Topic, profile: QoSProfile, callback: Callable[[Any, Any], None]) -> Any:
        """Subscribe; ``callback`` gets message and information about it."""
        return self.node.create_subscription(_kind(topic.kind), self.name(topic.name), callback, profile)

    def publisher(self, name: str) -> Any:
        """A publisher on a topic that the bridge listens to."""
        topic = next(topic for topic in SUBSCRIBED if topic.name == name)
        profile = qos.BRIDGE_LATCHED_ONE if topic.durability == LATCHED else qos.BRIDGE
        return self.node.create_publisher(_kind(topic.kind), self.name(name), profile)

    def name(self, topic: str) -> str:
        """Full name of a topic of the contract."""
        return f"/{full(topic, self.role)}"

    def _keeper(self, name: str) -> Callable[[Any, Any], None]:
        def keep(message: Any, info: Any) -> None:
            heard = Heard(name, int(info["source_timestamp"]), time.monotonic(), message)
            self.stretch.heard.append(heard)
            self.counts[name] += 1
            self.latest[name] = heard

        return keep

    # Time.

    def until(self, condition: Callable[[], Any], timeout: float = FRAME_TIMEOUT) -> bool:
        """Handle messages until ``condition`` holds; returns whether it did within ``timeout`` [s]."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(left, 0.05))
        return True

    def listen_for(self, seconds: float) -> None:
        """Handle messages for a while: a check that nothing comes needs time for it to come."""
        self.until(lambda: False, seconds)

    def settle(self, quiet: float = 0.15, limit: float = 3.0) -> None:
        """Handle messages in transit until none came for ``quiet`` seconds, ``limit`` seconds at most."""
        deadline, before = time.monotonic() + limit, -1
        while before != len(self.stretch.heard) and time.monotonic() < deadline:
            before = len(self.stretch.heard)
            self.listen_for(quiet)

    # Frames.

    @property
    def frames(self) -> int:
        """Complete frames heard so far."""
        return min(self.counts[IMAGE], self.counts[ODOMETRY])

    @property
    def newest(self) -> int:
        """Stamp of the newest odometry [ns], 0 before the first."""
        return self.latest[ODOMETRY].stamp if ODOMETRY in self.latest else 0

    def send(self, stamp_ns: int = 0, **command: Any) -> None:
        """One command; ``stamp_ns`` goes into its header, which must not matter."""
        message = CarlaEgoVehicleControl(**command)
        message.header.stamp = time_message(stamp_ns)
        self._commands.publish(message)
        self.stretch.sent.append(Sent(message, self.newest, time.monotonic()))

    def step(self, **command: Any) -> bool:
        """Send one command and wait for the next frame; returns whether it came."""
        images, odometries = self.counts[IMAGE], self.counts[ODOMETRY]
        self.send(**command)
        sent = time.monotonic()
        came = self.until(lambda: self.counts[IMAGE] > images and self.counts[ODOMETRY] > odometries)
        if came:
            self.stretch.facts.setdefault("answer times", []).append(self.latest[ODOMETRY].wall - sent)
        return came

    # Services.

    def call(self, name: str, request: Any) -> Any:
        """The answer of a service of the bridge, ``None`` when it does not come."""
        return self._call(_kind(SERVICES[name]), f"/{name}", request)

    def reset(self, seed: int = 1) -> bool:
        """Reset to a new episode where the service exists; returns whether it began."""
        answer = self._call(ResetEpisode, "/td3/reset_episode", ResetEpisode.Request(scenario=0, seed=seed))
        self.settle()
        return bool(answer and answer.success)

    def _call(self, kind: Any, name: str, request: Any) -> Any:
        client: Any = self.node.create_client(kind, name)
        try:
            if not self.until(client.service_is_ready, 2.0):
                return None
            asked: list[Any] = []
            for _ in range(TIMES_ASKED):
                asked.append(client.call_async(request))
                if self.until(lambda: any(future.done() for future in asked), ANSWER_PATIENCE):
                    return next(future.result() for future in asked if future.done())
            return None
        finally:
            self.node.destroy_client(client)

    # Graph.

    def graph(self) -> Graph:
        """List the endpoints and services beside the probe's own."""
        found = Graph(services={name.lstrip("/"): kinds for name, kinds in self.node.get_service_names_and_types()})
        for topic in (*PUBLISHED, Topic("tf_static", "tf2_msgs/msg/TFMessage")):
            ends = self.node.get_publishers_info_by_topic(self.name(topic.name))
            found.publishers[topic.name] = _others(ends)
        for topic in SUBSCRIBED:
            found.subscriptions[topic.name] = _others(self.node.get_subscriptions_info_by_topic(self.name(topic.name)))
        return found


def _others(ends: list[TopicEndpointInfo]) -> list[Endpoint]:
    return [
        Endpoint(
            end.topic_type,
            end.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
            LATCHED if end.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL else VOLATILE,
        )
        for end in ends
        if end.node_name != NAME
    ]


def _kind(kind: str) -> Any:
    package, folder, name = kind.split("/")
    return getattr(import_module(f"{package}.{folder}"), name)


def rivals(role: str, timeout: float) -> list[str]:
    """Wait until the vehicle is there, at most ``timeout`` [s]; return the nodes that command it.

    A node of its own asks: it says nothing, and the probe later hears all that is latched from the beginning.
    """
    context = Context()
    rclpy.init(args=[], context=context)
    asking = Node(f"{NAME}_question", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(asking)
    odometry, command = (f"/carla/{role}/{name}" for name in ("odometry", "vehicle_control_cmd"))
    try:
        _spin_until(executor, lambda: asking.count_publishers(odometry) > 0, timeout)
        # Nodes that discovery finds later than the vehicle count, too. A sound graph waits this long once.
        _spin_until(executor, lambda: asking.count_publishers(command) > 0, DISCOVERY)
        # The name of a node is told after its topics.
        _spin_until(executor, lambda: UNKNOWN not in _publishers(asking, command), DISCOVERY)
        return sorted("a node without a name" if name == UNKNOWN else name for name in _publishers(asking, command))
    finally:
        executor.shutdown()
        asking.destroy_node()
        rclpy.shutdown(context=context)


def _publishers(node: Node, topic: str) -> set[str]:
    ends = node.get_publishers_info_by_topic(topic)
    names = ((end.node_namespace.rstrip("/"), end.node_name) for end in ends)
    return {UNKNOWN if UNKNOWN in name else f"{space}/{name}" for space, name in names}


def _spin_until(executor: SingleThreadedExecutor, condition: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition() and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
