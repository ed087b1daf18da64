# SPDX-License-Identifier: Apache-2.0
"""Somebody who shares the ROS domain of a run and does not belong to it."""

from __future__ import annotations

import copy
import time
from typing import Any, TypeVar

import numpy as np
import rclpy
import torch
from carla_msgs.msg import CarlaControl, CarlaEgoVehicleControl
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Bool
from td3_driving_msgs.msg import EpisodeSummary, Experience, Guard, LearnerStatus, PolicyFrame, PolicyWeights

from td3_driving.learning.weights import sha256_of, to_bytes
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.senders import guid_of

from ..shared.patience import HANG

EGO = "/carla/ego_vehicle"
Me = TypeVar("Me", bound="Stranger")


class Stranger:
    """Overhears a run and sends what it likes; each attack is a method.

    Attributes:
        experience, weights: the newest genuine messages.
    """

    def __init__(self, domain: int, name: str = "stranger") -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = Node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.experience = Experience()
        self.weights = PolicyWeights()
        self.node.create_subscription(Experience, "/td3/replay", self._on_experience, qos.REPLAY)
        self.node.create_subscription(PolicyWeights, "/td3/policy_weights", self._on_weights, qos.WEIGHTS)

    def _on_experience(self, message: Experience) -> None:
        self.experience = message

    def _on_weights(self, message: PolicyWeights) -> None:
        self.weights = message

    def overhear(self) -> None:
        """Wait for a genuine step and genuine weights."""
        deadline = time.monotonic() + HANG
        while not self.experience.actor_id or not self.weights.sha256:
            assert time.monotonic() < deadline, "nothing was heard"
            self._executor.spin_once(timeout_sec=0.1)

    def writer(self, kind: type[Any], topic: str, profile: Any, listeners: int = 1) -> Publisher[Any]:
        """A publisher that has found so many subscribers."""
        publisher = self.node.create_publisher(kind, topic, profile)
        deadline = time.monotonic() + HANG
        while publisher.get_subscription_count() < listeners:
            assert time.monotonic() < deadline, f"nobody listens to {topic}"
            self._executor.spin_once(timeout_sec=0.05)
        return publisher

    def forge_steps(self, flood: int) -> int:
        """Steps of the genuine actor and of one that the run never had, then ``flood`` copies; returns their number."""
        writer = self.writer(Experience, "/td3/replay", qos.REPLAY)
        genuine = self.experience
        forged = [
            {"config_hash": "0" * 64, "sequence": 2**62},
            {"actor_id": "actor_9", "reward": 1000.0, "reward_terms": [1000.0, 0.0, 0.0, 0.0, 0.0]},
            {"sequence": genuine.sequence + 1, "reward": 1e300, "reward_terms": [1e300, 0.0, 0.0, 0.0, 0.0]},
            {"sequence": 2**63 + 5},
            {"sequence": 2**64 - 2},
            {"sequence": genuine.sequence + 1, "step_index": 2**32 - 1, "policy_version": 2**64 - 1},
            {"sequence": genuine.sequence + 1, "state": np.full(len(genuine.state), np.nan, np.float32)},
        ]
        for changes in forged:
            writer.publish(changed(genuine, changes))
        for _ in range(flood):
            writer.publish(genuine)
        return len(forged) + flood

    def forge_weights(self) -> int:
        """Weights of a version far ahead, of no version, and of other shapes; returns their number."""
        writer = self.writer(PolicyWeights, "/td3/policy_weights", qos.WEIGHTS)
        other = to_bytes({"weight": torch.zeros(3)}, {"version": "abc"})
        alien = {"data": list(other), "sha256": sha256_of(other)}
        for changes in ({"version": 10**9}, alien, {"version": 2**64 - 1}):
            writer.publish(changed(self.weights, changes))
        return 3

    def forge_news(self) -> None:
        """A status and an episode with numbers that fit no event file, and an order to pause."""
        step = 2**63
        status = self.writer(LearnerStatus, "/td3/learner_status", qos.STATUS)
        status.publish(LearnerStatus(state=LearnerStatus.FAILED, inserted=step, log_point=True, reason="forged"))
        episode = self.writer(EpisodeSummary, "/td3/episode", qos.EPISODE)
        episode.publish(EpisodeSummary(actor_id="actor_0", step=step))
        guard = self.writer(Guard, "/td3/guard", qos.WEIGHTS)
        guard.publish(Guard(order=Guard.PAUSE, reason="forged"))
        guard.publish(Guard(order=Guard.STOP, reason="forged"))

    def brake(self, commands: int) -> Publisher[Any]:
        """Commands that stop the vehicle."""
        writer = self.writer(CarlaEgoVehicleControl, f"{EGO}/vehicle_control_cmd", qos.BRIDGE)
        for _ in range(commands):
            writer.publish(CarlaEgoVehicleControl(brake=1.0))
        return writer

    def hold_the_world(self) -> Publisher[Any]:
        """Pause the simulator."""
        writer = self.writer(CarlaControl, "/carla/control", qos.BRIDGE)
        writer.publish(CarlaControl(command=CarlaControl.PAUSE))
        return writer

    def let_the_world_go(self, writer: Publisher[Any]) -> None:
        """Let the simulator go on and leave."""
        writer.publish(CarlaControl(command=CarlaControl.PLAY))

    def take_the_wheel(self) -> Publisher[Any]:
        """Switch to driving by hand and back."""
        writer = self.writer(Bool, f"{EGO}/vehicle_control_manual_override", qos.BRIDGE_LATCHED_ONE)
        writer.publish(Bool(data=True))
        writer.publish(Bool(data=False))
        return writer

    def show_images(self, count: int) -> Publisher[Any]:
        """Black images of another time, for the policy's camera."""
        writer = self.writer(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        for _ in range(count):
            writer.publish(Image(width=64, height=36, step=256, encoding="bgra8", data=bytes(64 * 36 * 4)))
        return writer

    def show_frames(self, count: int) -> Publisher[Any]:
        """Black frames in place of those of the embedded simulator."""
        writer = self.writer(PolicyFrame, "/td3/frame", qos.BRIDGE)
        for _ in range(count):
            writer.publish(PolicyFrame(frame_height=32, frame_width=96, frame=bytes(32 * 96)))
        return writer

    def pass_by(self, kind: type[Any], topic: str, profile: Any, message: Any) -> str:
        """Publish one message to policy and simulator and leave at once; the GUID of its publisher."""
        writer = self.writer(kind, topic, profile, listeners=2)
        mine = [end for end in self.node.get_publishers_info_by_topic(topic) if end.node_name == self.node.get_name()]
        writer.publish(message)
        assert writer.wait_for_all_acked(Duration(seconds=HANG)), "it has arrived"
        self.leave(writer)
        return guid_of(mine[-1])

    def leave(self, writer: Publisher[Any]) -> None:
        """End a publisher."""
        self.node.destroy_publisher(writer)

    def __enter__(self: Me) -> Me:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


def changed(message: Any, changes: dict[str, Any]) -> Any:
    """A copy of ``message`` with other fields."""
    forged = copy.deepcopy(message)
    for name, value in changes.items():
        setattr(forged, name, value)
    return forged
