# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of the CARLA bridge: commands, teleports, goals, play and pause."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from carla_msgs.msg import CarlaControl, CarlaEgoVehicleControl
from geometry_msgs.msg import Pose, PoseStamped, PoseWithCovarianceStamped, Twist
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Bool

from td3_driving.driving import topics
from td3_driving.driving.topics import EGO
from td3_driving.nodes.bridge import messages as convert
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.senders import Senders, full_name, sender_of
from td3_driving.sim.routes import RouteError
from td3_driving.sim.world import World

FARTHEST = 1e6
"""No map reaches farther [m]; much farther away, a step of the car would be no number any more."""
FASTEST = 1e3
"""A faster target velocity is passed over [m/s]."""
JUMP = 2.0
"""A teleport farther than this calls for a new route [m]."""
NO_ROUTE = np.zeros((0, 4))


MODES = {CarlaControl.PLAY: "PLAY", CarlaControl.PAUSE: "PAUSE", CarlaControl.STEP_ONCE: "STEP_ONCE"}


class BridgeInputs:
    """Subscriptions of the bridge, applied to the world as they come.

    Not simulated, and therefore not subscribed: weather, autopilot, walkers, markers drawn into the world.

    Args:
        node: owner of the subscriptions.
        world: what is controlled.
        on_route: called with the new route (N, 4), empty when there is none.

    Attributes:
        answered: whether a command came since this was last set to False.
        rejected: commands refused because they were not finite.
        mode: the last play, pause or step command.
    """

    def __init__(self, node: Node, world: World, on_route: Callable[[np.ndarray], None]) -> None:
        self._node, self._world, self._on_route = node, world, on_route
        self._override = False
        self._senders = Senders(node)
        self.answered = False
        self.rejected = 0
        self.mode: int = CarlaControl.PLAY
        command = topics.COMMAND
        subscribe = node.create_subscription
        self.commands: list[Subscription] = [
            subscribe(CarlaEgoVehicleControl, command, lambda sent: self._command(sent, manual=False), qos.BRIDGE),
            subscribe(CarlaEgoVehicleControl, f"{command}_manual", lambda sent: self._command(sent, True), qos.BRIDGE),
        ]
        subscribe(Bool, topics.MANUAL_OVERRIDE, self._set_override, qos.BRIDGE_LATCHED_ONE)
        subscribe(Pose, topics.SET_TRANSFORM, self._set_transform, qos.BRIDGE)
        subscribe(Twist, topics.SET_VELOCITY, self._set_velocity, qos.BRIDGE)
        subscribe(PoseWithCovarianceStamped, "initialpose", self._set_initial_pose, qos.BRIDGE)
        subscribe(PoseStamped, f"{EGO}/goal", self._set_goal, qos.BRIDGE)
        subscribe(CarlaControl, topics.SIMULATION_CONTROL, self._set_mode, qos.BRIDGE)

    def _command(self, sent: CarlaEgoVehicleControl, manual: bool) -> None:
        if manual != self._override:
            return
        command = convert.control(sent)
        if not command.finite():
            self.rejected += 1
            text = f"{self.rejected} command(s) refused so far: {command} is not finite"
            self._node.get_logger().warning(text, throttle_duration_sec=1.0)
            return
        self._world.apply(command)
        self.answered = True

    def _set_override(self, sent: Bool, info: Mapping[str, Any]) -> None:
        if sent.data != self._override:
            self._say(f"driving by hand is {'on' if sent.data else 'off'}", topics.MANUAL_OVERRIDE, info)
        self._override = sent.data

    def _set_transform(self, sent: Pose) -> None:
        x, y, yaw = sent.position.x, sent.position.y, convert.yaw_of(sent.orientation)
        if not (abs(x) <= FARTHEST and abs(y) <= FARTHEST and math.isfinite(yaw)):
            text = f"a pose that is not finite or beyond {FARTHEST:g} m was refused"
            self._node.get_logger().warning(text, throttle_duration_sec=1.0)
            return
        car = self._world.car
        jumped = math.hypot(x - car.x, y - car.y) > JUMP
        self._world.teleport(x, y, yaw)
        if jumped:
            self._reroute(*(float(value) for value in self._world.route[-1, :2]))

    def _set_initial_pose(self, sent: PoseWithCovarianceStamped) -> None:
        """Teleport as the bridge does, but without the 2 m that it adds: heights do not exist here."""
        self._set_transform(sent.pose.pose)

    def _set_velocity(self, sent: Twist) -> None:
        """Speed along the body; the wheels of this car decide where it turns, so the angular part has no effect."""
        if not self._override and abs(sent.linear.x) <= FASTEST:
            self._world.set_speed(sent.linear.x)

    def _set_goal(self, sent: PoseStamped) -> None:
        self._reroute(sent.pose.position.x, sent.pose.position.y)

    def _reroute(self, x: float, y: float) -> None:
        try:
            self._on_route(self._world.reroute(x, y))
        except RouteError as error:
            self._node.get_logger().warning(f"no route: {error}")
            self._on_route(NO_ROUTE)

    def _set_mode(self, sent: CarlaControl, info: Mapping[str, Any]) -> None:
        if sent.command in MODES:
            self._say(MODES[sent.command], topics.SIMULATION_CONTROL, info)
            self.mode = sent.command
        else:
            self._node.get_logger().warning(f"carla/control: command {sent.command} is not 0, 1 or 2")

    def _say(self, order: str, topic: str, info: Mapping[str, Any]) -> None:
        """Log an order that stops or takes over the world, and whose it was."""
        full = full_name(topic, self._node.get_namespace())
        who = self._senders.text(full, sender_of(info))
        self._node.get_logger().warning(f"{full}: {order}, by {who}", throttle_duration_sec=0.5)
