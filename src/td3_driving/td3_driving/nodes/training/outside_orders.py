# SPDX-License-Identifier: Apache-2.0
"""What others order of the simulator: pause, driving by hand, teleports. No seal is on it, so it obeys anybody."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from carla_msgs.msg import CarlaControl
from geometry_msgs.msg import Pose, PoseStamped, PoseWithCovarianceStamped, Twist
from rclpy.node import Node
from std_msgs.msg import Bool

from td3_driving.driving import topics
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.senders import full_name, sender_of
from td3_driving.nodes.training.census import GOAL, INITIAL_POSE, order_owners
from td3_driving.nodes.training.intruders import Intruders

MOVES = {
    topics.SET_TRANSFORM: Pose,
    topics.SET_VELOCITY: Twist,
    INITIAL_POSE: PoseWithCovarianceStamped,
    GOAL: PoseStamped,
}
"""Orders that move the vehicle or its route, and their types."""


class OutsideOrders:
    """Hears every order as the simulator does.

    Args:
        node: the policy.
        resetter: see :func:`td3_driving.nodes.training.census.owners`.
        intruders: gets who ordered something without right.

    Attributes:
        subscriptions: to be served at once: who ordered may be gone a moment later.
        moved: who moved the vehicle without right since this was last cleared; empty where nobody did.
    """

    def __init__(self, node: Node, resetter: str, intruders: Intruders) -> None:
        self._intruders = intruders
        self._space = node.get_namespace()
        self._owners = order_owners(self._space, resetter)
        self._paused = self._by_hand = self.moved = ""
        listen = node.create_subscription
        self.subscriptions = [
            listen(CarlaControl, topics.SIMULATION_CONTROL, self._on_mode, qos.BRIDGE),
            listen(Bool, topics.MANUAL_OVERRIDE, self._on_override, qos.BRIDGE_LATCHED_ONE),
            *(listen(kind, topic, partial(self._on_move, topic), qos.BRIDGE) for topic, kind in MOVES.items()),
        ]

    def in_force(self) -> str:
        """Which order is in force, and whose it was; empty where none is."""
        return self._paused or self._by_hand

    def _on_mode(self, message: CarlaControl, info: Mapping[str, Any]) -> None:
        who = self._who(topics.SIMULATION_CONTROL, info)
        name = {CarlaControl.PAUSE: "PAUSE", CarlaControl.STEP_ONCE: "STEP_ONCE"}.get(message.command)
        if name is not None:
            self._paused = f"the simulator stands still: {who} sent {name} on {topics.SIMULATION_CONTROL}"
        elif message.command == CarlaControl.PLAY:
            self._paused = ""

    def _on_override(self, message: Bool, info: Mapping[str, Any]) -> None:
        who = self._who(topics.MANUAL_OVERRIDE, info)
        self._by_hand = f"{who} drives by hand, by {topics.MANUAL_OVERRIDE}" if message.data else ""

    def _on_move(self, topic: str, message: Any, info: Mapping[str, Any]) -> None:
        who = self._who(topic, info)
        owners = self._owners[full_name(topic, self._space)]
        if not any(who.startswith(f"{owner} (") for owner in owners):
            self.moved = f"{who} moved the vehicle or its route, by {topic}"

    def _who(self, topic: str, info: Mapping[str, Any]) -> str:
        full, guid = full_name(topic, self._space), sender_of(info)
        self._intruders.suspect(full, guid, self._owners[full])
        return self._intruders.senders.text(full, guid)
