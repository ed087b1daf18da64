"""The policy node: one command per camera frame; in training also one experience per step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from carla_msgs.msg import CarlaCollisionEvent, CarlaLaneInvasionEvent
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import Guard, LearnerStatus, PolicyWeights

from td3_driving.driving.action import to_command
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.observation import ObservationError, grey_frame
from td3_driving.driving.pilot import Pilot, Scored, Sight
from td3_driving.driving.seeding import episode_seed
from td3_driving.driving.synchroniser import Synchroniser
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.driving.waiting import Waiting
from td3_driving.learning.acting import Chooser, make_chooser
from td3_driving.learning.process import prepare_process
from td3_driving.monitor.frames import frame_status
from td3_driving.nodes import conversions, qos
from td3_driving.nodes.entry import RunEnd, leave, run
from td3_driving.nodes.fast_wait import FastWait
from td3_driving.nodes.parameters import load_settings
from td3_driving.nodes.policy_outputs import EGO, PolicyOutputs
from td3_driving.nodes.reset_calls import EpisodeStart, ResetCalls

HOUSEKEEPING = 0.1
"""Wall time between two looks at timers, services and the learner's status while frames keep coming [s]."""
FAULT_LIMIT = 20
"""Faults in a row, without a single good step between them, after which the run is given up."""
OTHER_CONFIGURATION = "the learner runs with another configuration than this policy; start both from one config.yaml"
STOPPED_BY_GUARD = 3
"""Exit code when the guard ended the run."""


class PolicyNode(Node):
    """Converts messages, lets :class:`Pilot` drive, publishes what it decides."""

    def __init__(self) -> None:
        super().__init__("policy", automatically_declare_parameters_from_overrides=True)
        self.settings, own = load_settings(self, {"actor_id": "actor_0", "actor_index": 0, "driver": "policy"})
        self._index: int = own["actor_index"]
        self._actor_id: str = own["actor_id"]
        self._learned = own["driver"] == "policy"
        # One observation at a time gives further threads nothing to do but to spin.
        prepare_process(threads=1)
        self._chooser: Chooser = make_chooser(self.settings, own["driver"], self._index)
        self._pilot = Pilot(self.settings, own["actor_id"], time.time_ns(), self._chooser.choose)
        frame_ns = round(self.settings.simulator.fixed_delta * 1e9)
        self._sync: Synchroniser[np.ndarray, VehicleState] = Synchroniser(frame_ns)
        self._waiting = Waiting(self.settings.pacing.stall_timeout)
        self._pending: Sight | None = None
        self._pending_collided = False
        self._early: tuple[np.ndarray, VehicleState] | None = None
        self._collisions: list[int] = []
        self._driving = False
        self._episode_start_ns = 0
        self._last_frame_at = time.monotonic()
        self._lost_before = 0
        self._faults = self._faults_in_a_row = 0
        self._paused_by = ""
        self._learner_state = LearnerStatus.WAITING
        self._last_sent: Scored | None = None
        self._wire()

    def _wire(self) -> None:
        self._out = PolicyOutputs(self, self._actor_id, learning=self._learned)
        self._reset = ResetCalls(self, self._on_reset)
        # Events come before the odometry of their frame; listed first, they are also taken first.
        fast = [
            self.create_subscription(CarlaCollisionEvent, f"{EGO}/collision", self._on_collision, qos.BRIDGE),
            self.create_subscription(
                CarlaLaneInvasionEvent, f"{EGO}/lane_invasion", self._on_lane_invasion, qos.BRIDGE
            ),
            self.create_subscription(Image, f"{EGO}/rgb_front/image", self._on_image, qos.BRIDGE),
            self.create_subscription(Odometry, f"{EGO}/odometry", self._on_odometry, qos.BRIDGE),
        ]
        if self._learned:
            fast.append(self.create_subscription(PolicyWeights, "td3/policy_weights", self._on_weights, qos.WEIGHTS))
            self.create_subscription(LearnerStatus, "td3/learner_status", self._on_learner_status, qos.STATUS)
            self.create_subscription(Guard, "td3/guard", self._on_guard, qos.WEIGHTS)
        self._fast = FastWait(self.context, fast, [])
        self.create_timer(0.1, self._watch)
        self.create_timer(1.0, self._publish_diagnostics)

    def live(self) -> None:
        """Answer frames as they come; serve everything else now and then, and whenever no frame is due."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        served_at = 0.0
        while self.context.ok():
            busy = self._driving and self._fast.once(HOUSEKEEPING)
            if not busy or time.monotonic() - served_at > HOUSEKEEPING:
                executor.spin_once(timeout_sec=0.0 if self._driving else HOUSEKEEPING)
                served_at = time.monotonic()

    def _on_image(self, message: Image) -> None:
        try:
            frame = grey_frame(conversions.image_array(message), message.encoding, self.settings.observation)
        except ObservationError as error:
            self._fault(f"unusable camera image: {error}")
            return
        pair = self._sync.add_image(conversions.nanoseconds(message.header.stamp), frame)
        if pair is not None:
            self._on_frame(*pair)

    def _on_odometry(self, message: Odometry) -> None:
        vehicle = conversions.vehicle_state(message)
        pair = self._sync.add_state(vehicle.stamp_ns, vehicle)
        if pair is not None:
            self._on_frame(*pair)

    def _on_collision(self, message: CarlaCollisionEvent) -> None:
        self._collisions.append(conversions.nanoseconds(message.header.stamp))

    def _on_lane_invasion(self, message: CarlaLaneInvasionEvent) -> None:
        record = self._pilot.record
        if self._driving and record and conversions.nanoseconds(message.header.stamp) > self._episode_start_ns:
            record.lane_invasions += 1

    def _on_weights(self, message: PolicyWeights) -> None:
        if message.config_hash != self.settings.digest():
            raise RunEnd(2, OTHER_CONFIGURATION)
        try:
            self._chooser.offer(bytes(message.data), message.version, message.inserted, message.sha256)
        except ValueError as error:
            self.get_logger().error(f"weights refused, going on with those in use: {error}")
            return
        self._proceed()

    def _on_learner_status(self, message: LearnerStatus) -> None:
        self._learner_state = message.state
        if message.state == LearnerStatus.FAILED:
            raise RunEnd(1, f"the learner failed: {message.reason}")

    def _on_guard(self, message: Guard) -> None:
        if message.order == Guard.STOP:
            raise RunEnd(STOPPED_BY_GUARD, f"the guard stopped the run: {message.reason}")
        self._paused_by = message.reason if message.order == Guard.PAUSE else ""
        self._proceed()

    def _on_frame(self, frame: np.ndarray, vehicle: VehicleState) -> None:
        self._last_frame_at = time.monotonic()
        lost, self._lost_before = self._sync.counts.lost - self._lost_before, self._sync.counts.lost
        if not self._driving:
            self._early = frame, vehicle
            return
        if vehicle.stamp_ns < self._episode_start_ns:
            return
        if lost and vehicle.stamp_ns > self._episode_start_ns:
            self._fault(f"{lost} frame(s) lost before the one at {vehicle.stamp_ns * 1e-9:.2f} s")
            return
        try:
            self._pending = self._pilot.see(frame, vehicle)
        except ObservationError as error:
            self._fault(str(error))
            return
        self._pending_collided = any(self._episode_start_ns < at <= vehicle.stamp_ns for at in self._collisions)
        self._collisions.clear()
        self._proceed()

    def _proceed(self) -> None:
        """Score and act on the pending frame as far as the pacing allows."""
        if self._pending is None or self._paused_by:
            return
        if not self._ready(self._chooser.before_publishing(self._pilot.steps)):
            return
        sight = self._pending
        scored = self._pilot.score(sight, self._pending_collided, last=self._pilot.steps + 1 >= self._chooser.steps)
        self._pending_collided = False
        ended = scored is not None and scored.exit_reason is not None
        acted = not ended and not self._chooser.before_acting(self._pilot.steps) and self._act(sight)
        # The simulator goes on with the command, so what the learner gets travels meanwhile.
        if scored is not None:
            self._publish(scored)
        if ended:
            self._pending = None
            self._end_episode()
        elif not acted and self._ready(self._chooser.before_acting(self._pilot.steps)):
            self._act(sight)

    def _act(self, sight: Sight) -> bool:
        """Answer the frame; always true."""
        self._pending = None
        self._waiting.end()
        action = self._pilot.act(sight)
        self._out.command(to_command(action), sight.vehicle.stamp_ns)
        return True

    def _ready(self, missing: str) -> bool:
        if missing:
            self._waiting.begin(missing, time.monotonic())
        elif self._driving:
            self._waiting.end()
        return not missing

    def _publish(self, scored: Scored) -> None:
        self._faults_in_a_row = 0
        self._last_sent = scored
        self._out.step(scored, self._pilot.reward.bounds, self._total_steps)

    @property
    def _total_steps(self) -> int:
        return self._chooser.first_step + self._pilot.steps

    # Episodes.

    def _end_episode(self) -> None:
        self._driving = False
        record, sent = self._pilot.record, self._last_sent
        if record is not None and record.length and sent is not None:
            self._out.episode(record, sent, self._total_steps, self._chooser.noise)
        if self._pilot.steps < self._chooser.steps:
            self._ask_for_reset()

    def _ask_for_reset(self) -> None:
        self._pending = self._early = None
        self._sync.restart()
        scenario = self.settings.simulator.scenario
        seed = episode_seed(self.settings.run.seed, self._index, self._chooser.first_step, self._pilot.episodes)
        self._waiting.begin(self._reset.ask(scenario, seed, time.monotonic()), time.monotonic())

    def _on_reset(self, start: EpisodeStart) -> None:
        self._collisions.clear()
        self._episode_start_ns = start.stamp_ns
        self._pilot.start(start.route, start.scenario, start.seed)
        self._out.start(self._pilot, start.route, start.stamp_ns, self._chooser.steps)
        self._driving = True
        self._last_frame_at = time.monotonic()
        self._waiting.end()
        # The first frame may have overtaken the answer that announces it, and the simulator waits for its command.
        if self._early is not None:
            self._on_frame(*self._early)
            self._early = None

    def _fault(self, reason: str) -> None:
        """Bad input: the episode is cut before it, nothing of it reaches the learner, and the next one begins."""
        if not self._driving:
            return
        self._faults += 1
        self._faults_in_a_row += 1
        self.get_logger().warning(f"episode cut: {reason}", throttle_duration_sec=1.0)
        if self._faults_in_a_row > FAULT_LIMIT:
            raise RunEnd(1, f"{FAULT_LIMIT} faults in a row without a good step; the last one: {reason}")
        self._pilot.abandon(ExitReason.SIMULATOR_FAULT)
        self._end_episode()

    def _watch(self) -> None:
        now = time.monotonic()
        if self._paused_by:
            reason = f"paused until td3/reset_alarms is called: {self._paused_by}"
            self.get_logger().warning(reason, throttle_duration_sec=10.0)
            return
        if self._pilot.steps >= self._chooser.steps:
            self._watch_end(now)
        elif not self._driving:
            self._watch_reset(now)
        elif self._pending is None and now - self._last_frame_at > self.settings.diagnostics.stale_after:
            self._fault(f"no complete frame (image and odometry with one stamp) for {now - self._last_frame_at:.0f} s")
        report = self._waiting.report(now)
        if report:
            self.get_logger().warning(report)
        if self._waiting.expired(now):
            raise RunEnd(1, f"gave up waiting for {self._waiting.reason} after {self._waiting.timeout:.0f} s")

    def _watch_reset(self, now: float) -> None:
        missing = self._chooser.before_first_step()
        if missing:
            self._waiting.begin(missing, now)
        elif self._reset.due(now):
            self._ask_for_reset()

    def _watch_end(self, now: float) -> None:
        if not self._learned or self._learner_state == LearnerStatus.FINISHED:
            raise RunEnd(0)
        self._waiting.begin("the learner to finish its updates", now)

    def _publish_diagnostics(self) -> None:
        status = frame_status(self._sync.counts, self._faults, self._waiting, time.monotonic())
        self._out.status(status)

    def close(self) -> None:
        """Nothing to save: every message is out when its step is over."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``policy``."""
    leave(run(PolicyNode, arguments))


if __name__ == "__main__":
    main()
