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
from td3_driving_msgs.msg import EpisodeSummary, EvaluationSummary, Guard, LearnerStatus, Refusals, RewardTerms
from visualization_msgs.msg import MarkerArray

from td3_driving.doctor import messages
from td3_driving.doctor.live import LiveDoctor
from td3_driving.driving import decoding, topics
from td3_driving.driving.cameras import cameras
from td3_driving.monitor.account import Account
from td3_driving.monitor.bounds import RunBounds
from td3_driving.monitor.event_log import EventLog
from td3_driving.monitor.observer import EpisodePoint, RunObserver
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, spin
from td3_driving.nodes.ros.markers import marker_array
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.ros.senders import full_name
from td3_driving.nodes.training.census import RESETTER, Census
from td3_driving.settings import SettingsError
from td3_driving.view.scene import Scene

LOOK = 0.5
"""Wall time between two looks at the publishers of the run [s]."""
MOST_ACTORS = 1000
"""Policies whose accounts are kept."""
ORDERS = {"warn": Guard.GO, "pause": Guard.PAUSE, "stop": Guard.STOP}


class DiagnosticsNode(Node):
    """Passes every message to :class:`RunObserver` and publishes its statuses."""

    def __init__(self) -> None:
        super().__init__("diagnostics", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"run_dir": "", "resetter": RESETTER})
        if not own["run_dir"]:
            raise SettingsError("parameter run_dir is needed: the folder of the run")
        self._trust = Trust(self, settings, own["run_dir"])
        log = EventLog(Path(own["run_dir"]), self._say) if settings.diagnostics.tensorboard else None
        self._bounds = RunBounds(settings)
        more = [topics.image_of(place.name) for place in cameras(settings.observation)[1:]]
        self._census = Census(self, settings.run.num_actors, more, own["resetter"])
        doctor = LiveDoctor(settings.flat(), settings.diagnostics.stale_after)
        self._observer = RunObserver(settings, doctor, log, self._census.writers)
        self._order = ORDERS[settings.diagnostics.on_critical]
        self._alarmed = False
        self._sent_order = b""
        self._told: dict[str, tuple[int, str]] = {}
        self._name = full_name(self.get_name(), self.get_namespace())
        self._scene = Scene()
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
        self._markers = self.create_publisher(MarkerArray, topics.MARKERS, qos.MARKERS)
        self._guard = self._trust.sealed_publisher(Guard, topics.GUARD, qos.WEIGHTS)
        self._trust.sealed_subscription(LearnerStatus, topics.LEARNER_STATUS, self._on_learner_status, qos.STATUS)
        self._trust.sealed_subscription(RewardTerms, topics.REWARD, self._on_reward, qos.REWARD)
        self._trust.sealed_subscription(EpisodeSummary, topics.EPISODE, self._on_episode, qos.EPISODE)
        self._trust.sealed_subscription(EvaluationSummary, topics.EVALUATION, self._on_evaluation, qos.EPISODE)
        self._trust.sealed_subscription(Refusals, topics.REFUSALS, self._on_refusals, qos.EPISODE)
        self._refusals = self._trust.sealed_publisher(Refusals, topics.REFUSALS, qos.EPISODE)
        self.create_subscription(PathMessage, topics.ROUTE, self._on_route, qos.BRIDGE_LATCHED_ONE)
        self._odometry: Subscription | None = None
        self.create_service(Trigger, topics.RESET_ALARMS, self._on_reset_alarms)
        self.create_timer(1.0, self._publish_diagnostics)
        self.create_timer(0.5, self._print_progress)
        self.create_timer(0.2, self._publish_markers)
        self.create_timer(LOOK, self._look)

    def _look(self) -> None:
        for sentence in self._census.look(time.monotonic()):
            self.get_logger().error(f"{sentence}, which belongs to another node of the run")
        self._count_refused()

    def _count_refused(self) -> None:
        """Add what this node and the policies did not believe."""
        own = (self._trust.strangers.total, self._trust.strangers.last)
        told = [*self._told.values(), own]
        last = next((stranger for count, stranger in told if count), "")
        if self._observer.on_graph(sum(count for count, _ in told), last):
            self._publish_refusals()
        self._watch_guard()

    def _on_refusals(self, message: Refusals) -> None:
        if message.node == self._name or self._refused(self._bounds.refusals_fault(message)):
            return
        if message.node in self._told or len(self._told) < MOST_ACTORS:
            self._told[message.node] = (message.strangers, message.stranger)
        for topic, name in zip(message.topics, message.writers):
            if self._census.writers.note(topic, name):
                self.get_logger().error(f"{message.node}: {name} publishes on {topic}, which is not its own")
        self._count_refused()

    def _publish_refusals(self) -> None:
        """Tell what the whole run did not believe, for recordings."""
        strangers, last = self._observer.refused
        message = Refusals(node=self._name, strangers=strangers, stranger=last)
        message.header.stamp = self.get_clock().now().to_msg()
        for topic, names in self._census.writers.found.items():
            message.topics += [topic] * len(names)
            message.writers += names
        self._refusals.publish(message)

    def _refused(self, fault: str) -> bool:
        if fault:
            self.get_logger().error(f"message refused: {fault}", throttle_duration_sec=2.0)
        return bool(fault)

    def _say(self, sentence: str) -> None:
        self.get_logger().error(sentence)

    def _on_learner_status(self, message: LearnerStatus) -> None:
        if self._refused(self._bounds.status_fault(message)):
            return
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
        if self._refused(self._bounds.step_fault(message)):
            return
        self._observer.on_step(messages.scored_step(message), time.monotonic())
        self._scene.reward = message.total
        self._scene.action = float(message.action[0]), float(message.action[1])

    def _on_episode(self, message: EpisodeSummary) -> None:
        if self._refused(self._bounds.episode_fault(message)):
            return
        values = messages.episode_values(message)
        self._observer.on_episode(EpisodePoint(message.actor_id, message.step, message.episode_return, values))

    def _on_evaluation(self, message: EvaluationSummary) -> None:
        if self._refused(self._bounds.evaluation_fault(message)):
            return
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
        self._census.writers.reset()
        self._alarmed = False
        self._publish_guard(Guard.GO, "")
        response.success, response.message = True, "alarms reset"
        return response

    def _watch_guard(self) -> None:
        """Publish a critical alarm and the guard's order at once, without waiting for the next second."""
        critical = self._observer.doctor.critical or bool(self._census.writers.found)
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
        self._sent_order = self._guard.publish(message)

    def _repeat_order(self) -> None:
        """Send the last order again: a policy keeps one in its queue, so a stranger's may push it out."""
        if self._sent_order:
            self._guard.again(self._sent_order)

    def _publish_diagnostics(self) -> None:
        statuses = self._observer.statuses(time.monotonic())
        message = DiagnosticArray(status=[conversions.diagnostic_status(s, "td3_driving") for s in statuses])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)
        self._repeat_order()
        self._publish_refusals()
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
