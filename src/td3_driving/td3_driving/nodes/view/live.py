# SPDX-License-Identifier: Apache-2.0
"""The node behind the live page: subscribes to a run or a drive and hands every message to the page.

It only observes: best effort, in an own process of low priority, so that it holds nobody up and alters nothing. The
run goes on without it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from carla_msgs.msg import CarlaCollisionEvent, CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry, Path
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from td3_driving_msgs.msg import EpisodeSummary, EvaluationSummary, GateStatus, Guard, LearnerStatus, RewardTerms
from visualization_msgs.msg import MarkerArray

from td3_driving.driving import topics
from td3_driving.live.browser import show
from td3_driving.live.intake import MARKERS, Intake
from td3_driving.live.needs import require_sdk
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, spin
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.view.visualizer import REFUSALS, Tap
from td3_driving.view.rviz import viewer_environment

LOOK = 1.0
"""Wall time between two looks at the server [s]."""
NICENESS = 5
"""By how much others go first where the processor is scarce."""


class LivePageNode(Node):
    """Shows what it hears; ends when the server of the page does."""

    def __init__(self) -> None:
        super().__init__("live")
        require_sdk()
        # Only now: the SDK is an extra.
        from td3_driving.live.server import LiveServer

        rate, port = self._number("rate", 5.0, 0.2, 30.0), self._port()
        learns = bool(self.declare_parameter("learns", True, _described("whether a learner belongs to the run")).value)
        actor = str(self.declare_parameter("actor_id", "", _described("whose reward is shown; empty: anybody's")).value)
        self._server = LiveServer("step" if learns else "time", learns, port)
        self._intake = Intake(self._server.page, rate, actor)
        self._subscribe()
        self.create_timer(LOOK, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        print(f"live page {self._server.url}", flush=True)
        show(self._server.url)

    def _number(self, name: str, default: float, low: float, high: float) -> float:
        limits = [FloatingPointRange(from_value=low, to_value=high)]
        described = _described("images and scenes per second of wall time [1/s]", floating_point_range=limits)
        return float(self.declare_parameter(name, default, described).value)

    def _port(self) -> int:
        limits = [IntegerRange(from_value=0, to_value=65535)]
        described = _described("port of the page on the loopback; 0: a free one", integer_range=limits)
        return int(self.declare_parameter("port", 0, described).value)

    def _subscribe(self) -> None:
        newest, few, latched = qos.onlooker(1), qos.onlooker(10), qos.BRIDGE_LATCHED_ONE
        for kind, topic, profile in (
            (Image, topics.IMAGE, newest),
            (CameraInfo, topics.CAMERA_INFO, newest),
            (Odometry, topics.ODOMETRY, few),
            (Path, topics.ROUTE, latched),
            (MarkerArray, MARKERS, latched),
            (message("derived_object_msgs", "ObjectArray"), topics.OBJECTS, newest),
            (CarlaEgoVehicleControl, topics.COMMAND, newest),
            (CarlaCollisionEvent, topics.COLLISION, few),
            (RewardTerms, topics.REWARD, few),
            (LearnerStatus, topics.LEARNER_STATUS, qos.STATUS),
            (EpisodeSummary, topics.EPISODE, few),
            (EvaluationSummary, topics.EVALUATION, few),
            (Guard, topics.GUARD, latched),
            (GateStatus, topics.GATE_STATUS, newest),
            (DiagnosticArray, topics.DIAGNOSTICS, few),
        ):
            self._listen(kind, topic, profile)
        self._mount = Tap(self, message("tf2_msgs", "TFMessage"), "tf", self._hand_on("tf"), qos.TF)

    def _listen(self, kind: Any, topic: str, profile: QoSProfile) -> None:
        self.create_subscription(kind, topic, self._hand_on(topic.lstrip("/")), profile)

    def _hand_on(self, name: str) -> Callable[[Any], None]:
        def take(sent: Any) -> None:
            try:
                self._intake.take(name, sent, time.monotonic())
            except ValueError as error:
                self.get_logger().warning(f"{name} not shown: {error}", throttle_duration_sec=10.0)

        return take

    def _look(self) -> None:
        self._mount.want(not self._intake.knows_mount)
        if not self._server.alive:
            raise RunEnd(1, "the server of the live page has ended")

    def live(self) -> None:
        """Handle messages and timers."""
        spin(self)

    def close(self) -> None:
        """End the page."""
        self._server.close()


def _described(meaning: str, **limits: Any) -> ParameterDescriptor:
    return ParameterDescriptor(description=meaning, read_only=True, **limits)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``live``."""
    os.nice(NICENESS)
    os.environ.update(viewer_environment(os.environ))
    leave(run(LivePageNode, arguments, REFUSALS))


if __name__ == "__main__":
    main()
