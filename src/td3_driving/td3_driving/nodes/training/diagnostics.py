# SPDX-License-Identifier: Apache-2.0
"""The diagnostics node: event file, ``/diagnostics``, markers, guard and the progress line."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.node import Node
from rclpy.subscription import Subscription
from std_srvs.srv import Trigger
from td3_driving_msgs.msg import EpisodeSummary, EvaluationSummary, Guard, LearnerStatus, RewardTerms
from visualization_msgs.msg import MarkerArray

from td3_driving.doctor import messages
from td3_driving.doctor.live import LiveDoctor
from td3_driving.driving import decoding, topics
from td3_driving.monitor.account import Account
from td3_driving.monitor.event_log import EventLog
from td3_driving.monitor.observer import EpisodePoint, RunObserver
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, spin
from td3_driving.nodes.ros.markers import marker_array
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.settings import SettingsError
from td3_driving.view.scene import Scene

ORDERS = {"warn": Guard.GO, "pause": Guard.PAUSE, "stop": Guard.STOP}


class DiagnosticsNode(Node):
    """Passes every message to :class:`RunObserver` and publishes its statuses."""

    def __init__(self) -> None:
        super().__init__("diagnostics", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"run_dir": ""})
        if not own["run_dir"]:
            raise SettingsError("parameter run_dir is needed: the folder of the run")
        log = EventLog(Path(own["run_dir"])) if settings.diagnostics.tensorboard else None
        self._observer = RunObserver(settings, LiveDoctor(settings.flat(), settings.diagnostics.stale_after), log)
        self._order = ORDERS[settings.diagnostics.on_critical]
        self._alarmed = False
        self._scene = Scene()
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
        self._markers = self.create_publisher(MarkerArray, topics.MARKERS, qos.MARKERS)
        self._guard = self.create_publisher(Guard, topics.GUARD, qos.WEIGHTS)
        self.create_subscription(LearnerStatus, topics.LEARNER_STATUS, self._on_learner_status, qos.STATUS)
        self.create_subscription(RewardTerms, topics.REWARD, self._on_reward, qos.REWARD)
        self.create_subscription(EpisodeSummary, topics.EPISODE, self._on_episode, qos.EPISODE)
        self.create_subscription(EvaluationSummary, topics.EVALUATION, self._on_evaluation, qos.EPISODE)
        self.create_subscription(PathMessage, topics.ROUTE, self._on_route, qos.BRIDGE_LATCHED_ONE)
        self._odometry: Subscription | None = None
        self.create_service(Trigger, topics.RESET_ALARMS, self._on_reset_alarms)
        self.create_timer(1.0, self._publish_diagnostics)
        self.create_timer(0.5, self._print_progress)
        self.create_timer(0.2, self._publish_markers)

    def _on_learner_status(self, message: LearnerStatus) -> None:
        account = Account(*(getattr(message, name) for name in Account.__dataclass_fields__))
        self._observer.on_account(account, time.monotonic())
        values = messages.learner_values(message)
        if values:
            self._observer.on_log_point(message.inserted, values)
            self._scene.q_value = values.get("train/q1_value", self._scene.q_value)
        if message.state == LearnerStatus.FINISHED:
            self._observer.finish()
        self._watch_guard()

    def _on_reward(self, message: RewardTerms) -> None:
        self._observer.on_step(messages.scored_step(message), time.monotonic())
        self._scene.reward = message.total
        self._scene.action = float(message.action[0]), float(message.action[1])

    def _on_episode(self, message: EpisodeSummary) -> None:
        values = messages.episode_values(message)
        self._observer.on_episode(EpisodePoint(message.actor_id, message.step, message.episode_return, values))

    def _on_evaluation(self, message: EvaluationSummary) -> None:
        now = time.monotonic()
        values = messages.evaluation_values(message)
        if values:
            self._observer.on_evaluation(message.actor_id, message.step, values, now)
        else:
            self._observer.on_evaluating(now)

    def _on_route(self, message: PathMessage) -> None:
        self._scene.take_route(conversions.path_points(message))

    def _on_odometry(self, message: Odometry) -> None:
        self._scene.take_vehicle(decoding.vehicle_state(message))

    def _on_reset_alarms(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._observer.doctor.reset()
        self._alarmed = False
        self._publish_guard(Guard.GO, "")
        response.success, response.message = True, "alarms reset"
        return response

    def _watch_guard(self) -> None:
        """Publish a critical alarm and the guard's order at once, without waiting for the next second."""
        critical = self._observer.doctor.critical
        if critical == self._alarmed:
            return
        self._alarmed = critical
        self._publish_diagnostics()
        if critical and self._order != Guard.GO:
            alarms = "; ".join(s.message for s in self._observer.statuses(time.monotonic()) if s.level == "ERROR")
            self.get_logger().error(f"the guard steps in: {alarms}")
            self._publish_guard(self._order, alarms)

    def _publish_guard(self, order: int, reason: str) -> None:
        message = Guard(order=order, reason=reason)
        message.header.stamp = self.get_clock().now().to_msg()
        self._guard.publish(message)

    def _publish_diagnostics(self) -> None:
        statuses = self._observer.statuses(time.monotonic())
        message = DiagnosticArray(status=[conversions.diagnostic_status(s, "td3_driving") for s in statuses])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)
        self._observer.flush()
        if self._observer.finished and self.count_publishers(topics.REWARD) == 0:
            raise RunEnd(0)

    def _print_progress(self) -> None:
        print(f"@progress {json.dumps(self._observer.progress(time.monotonic()))}", flush=True)

    def _publish_markers(self) -> None:
        """Subscribe to odometry only while the markers have subscribers, because it comes with every frame.

        Publishes no markers where a visualizer runs: its scene shows more.
        """
        watched = self._markers.get_subscription_count() > 0 and self.count_publishers(topics.MARKERS) == 1
        if watched and self._odometry is None:
            self._odometry = self.create_subscription(Odometry, topics.ODOMETRY, self._on_odometry, qos.BRIDGE)
        elif not watched and self._odometry is not None:
            self.destroy_subscription(self._odometry)
            self._odometry = None
        if watched:
            self._markers.publish(marker_array(self._scene.shapes()))

    def live(self) -> None:
        """Handle messages and timers."""
        spin(self)

    def close(self) -> None:
        """Write all measurements to disk."""
        self._observer.close()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``diagnostics``."""
    leave(run(DiagnosticsNode, arguments))


if __name__ == "__main__":
    main()
