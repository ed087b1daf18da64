# SPDX-License-Identifier: Apache-2.0
"""The policy node: one command per camera frame; in training also one experience per step."""

from __future__ import annotations

import time
from typing import Any

from rclpy.guard_condition import GuardCondition
from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus

from td3_driving.driving.action import to_command
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.pilot import Pilot, Scored, TimeStep
from td3_driving.driving.seeding import episode_seed
from td3_driving.driving.teacher import make_teacher
from td3_driving.driving.waiting import Waiting
from td3_driving.learning.acting import POLICY, others_told
from td3_driving.learning.process import prepare_to_act
from td3_driving.monitor.bounds import RunBounds
from td3_driving.monitor.frames import frame_status
from td3_driving.nodes.ros.aside import Aside
from td3_driving.nodes.ros.ending import await_arrival
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.ros.fast_wait import Housekeeping
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.ros.together import FIRST, TOGETHER
from td3_driving.nodes.training.census import RESETTER
from td3_driving.nodes.training.frame_intake import FrameIntake, SensorFrame
from td3_driving.nodes.training.healing import Healing
from td3_driving.nodes.training.only_evaluation import PARAMETERS
from td3_driving.nodes.training.orders import Orders
from td3_driving.nodes.training.other_writers import OtherWriters
from td3_driving.nodes.training.policy_evaluation import make_evaluations, source_of
from td3_driving.nodes.training.policy_outputs import PolicyOutputs, session_of
from td3_driving.nodes.training.reset_calls import EpisodeStart, ResetCalls
from td3_driving.nodes.training.sole_senders import SoleSenders
from td3_driving.nodes.training.weights_intake import WeightsIntake
from td3_driving.sim.scenarios import training_scenario

OWN: dict[str, Any] = {
    **{"actor_id": "actor_0", FIRST: 0, "driver": POLICY, "run_dir": "", "resetter": RESETTER},
    **{"whole_frames": False, TOGETHER: 1},
    # Of an actor that joins a run on another machine; see RunOffer.
    **{"session": 0, "begun_at": -1, "done": 0, "start": 0},
}
"""Parameters of this node beside the settings and those of an evaluation."""
HOUSEKEEPING = 0.1
"""Wall time between two checks of timers, services and the learner's status while frames keep coming [s]."""
OVERDUE = 0.3
"""Wall time after which they are checked even before a frame is answered [s]."""
FAULT_LIMIT = 20
"""Consecutive faults without a good step after which the run ends."""
ROLLED_ON = "the simulator went on unanswered; make updates take less time, or set pacing.mode=async"


class PolicyNode(Node):
    """Converts messages, lets :class:`Pilot` drive, publishes what it decides.

    Args:
        arguments: ROS arguments of this node that come before those of the process.

    Attributes:
        heard, wakers, reset: subscriptions, guard conditions and calls to serve without delay.
        house: when to serve the rest.
        index, together: number of the actor, and how many the process serves from it on.
        frames: tells whether an episode goes on.
        over: the work of the actor is done.
    """

    def __init__(self, arguments: list[str] | None = None) -> None:
        super().__init__("policy", cli_args=arguments, automatically_declare_parameters_from_overrides=True)
        self.settings, own = load_settings(self, OWN | PARAMETERS)
        self.index, self.together = int(own[FIRST]), int(own[TOGETHER])
        self._actor_id: str = own["actor_id"]
        self._learned = own["driver"] == POLICY and not own["evaluate"]
        self._trust = Trust(self, self.settings, own["run_dir"], needed=self._learned, start=own["start"])
        prepare_to_act()
        source = self._action_source = source_of(self.settings, own)
        self._pilot = Pilot(self.settings, own["actor_id"], session_of(own), source.choose, make_teacher(self.settings))
        self._waiting = Waiting(self.settings.pacing.stall_timeout)
        self._pending: TimeStep | None = None
        self._pending_collided = self._rolled_on = False
        self.house = Housekeeping(HOUSEKEEPING, OVERDUE)
        self.over = False
        self._faults = self._faults_in_a_row = 0
        self._last_sent: Scored | None = None
        self._evaluations = make_evaluations(self, self._trust, self.settings, self._action_source, own)
        self._wire(own)

    def _wire(self, own: dict[str, Any]) -> None:
        self._out = PolicyOutputs(self, self._actor_id, self._trust, learning=self._learned)
        self.reset = ResetCalls(self, self._on_reset)
        self._healing = Healing(self, self._pilot.identity, self._out.again, self._action_source.note_gone)
        self._orders = Orders(self, RunBounds(self.settings), self._proceed, self._healing.heed)
        self._others = OtherWriters(self, self._trust, own["resetter"], self._pilot.identity[1])
        others = not own["evaluate"] and others_told(self.settings, own["driver"])
        senders = SoleSenders(self, self._others.intruders, self._fault)
        sources = others, senders, own["whole_frames"], self._trust
        self.frames = FrameIntake(self, self.settings, self._on_frame, self._fault, *sources)
        self.heard = self.frames.subscriptions
        self.heard.extend(self._others.subscriptions)
        self.wakers: list[GuardCondition] = []
        if self._learned:
            aside, digest = Aside(self, prepare_to_act), self.settings.digest()
            weights = WeightsIntake(self, self._trust, self._action_source, digest, self._proceed, aside)
            self.wakers.append(aside.ready)
            self.heard.append(weights.subscription)
            self._orders.listen(self._trust)
        self.create_timer(0.1, self._watch)
        self.create_timer(1.0, self._publish_diagnostics)

    def _on_frame(self, sensor_frame: SensorFrame) -> None:
        try:
            if self._evaluations.tour is not None:
                return self._evaluate(sensor_frame)
            self._rolled_on |= self._pending is not None
            self._pending = self._pilot.see(sensor_frame.frame, sensor_frame.vehicle, sensor_frame.neighbours)
        except ObservationError as error:
            self._fault(str(error))
            return
        assert self._pilot.record is not None
        self._pilot.record.lane_invasions += sensor_frame.crossings
        self._pending_collided = sensor_frame.collided
        self._proceed()

    def _evaluate(self, sensor_frame: SensorFrame) -> None:
        """Answer a frame of an evaluation; sends nothing to the learner."""
        if touched := self._others.touched():
            return self._fault(touched)
        action = self._evaluations.frame(
            sensor_frame.frame, sensor_frame.vehicle, sensor_frame.collided, sensor_frame.crossings
        )
        self._faults_in_a_row = 0
        if action is not None:
            self._out.command(to_command(action), sensor_frame.vehicle.stamp_ns)
            self.house.answered = True
            return
        self.frames.stop()
        if self._evaluations.tour is not None or self._pilot.steps < self._action_source.steps:
            self._ask_for_reset()

    def _proceed(self) -> None:
        """Score and answer the pending frame as far as the pacing allows; a step over unanswered frames is dropped."""
        if self._pending is None or self._orders.paused_by:
            return
        if not self._ready(self._action_source.before_publishing(self._pilot.steps)):
            return
        if self._rolled_on or self._others.touched():
            return self._fault(self._others.touched() or ROLLED_ON)
        time_step = self._pending
        scored = self._pilot.score(
            time_step, self._pending_collided, last=self._pilot.steps + 1 >= self._action_source.steps
        )
        self._pending_collided = False
        ended = scored is not None and scored.exit_reason is not None
        acted = not ended and not self._action_source.before_acting(self._pilot.steps) and self._act(time_step)
        # The command goes first: the simulator goes on while the step travels to the learner.
        if scored is not None:
            self._publish(scored)
        if ended:
            self._pending = None
            self._end_episode()
        elif not acted and self._ready(self._action_source.before_acting(self._pilot.steps)):
            self._act(time_step)

    def _act(self, time_step: TimeStep) -> bool:
        """Answer the frame; returns True."""
        self._pending = None
        self._waiting.end()
        action = self._pilot.act(time_step)
        self._out.announce()
        self._out.command(to_command(action), time_step.vehicle.stamp_ns)
        self.house.answered = True
        self._pilot.prepare()
        return True

    def _ready(self, missing: str) -> bool:
        if missing:
            self._waiting.begin(missing, time.monotonic())
        elif self.frames.driving:
            self._waiting.end()
        return not missing

    def _publish(self, scored: Scored) -> None:
        self._faults_in_a_row = 0
        self._last_sent = scored
        self._healing.keep(self._out.step(scored, self._pilot.reward.bounds, self._total_steps))

    @property
    def _total_steps(self) -> int:
        return self._action_source.first_step + self._pilot.steps - self._action_source.gone

    # Episodes.

    def _end_episode(self) -> None:
        self.frames.stop()
        record, sent = self._pilot.record, self._last_sent
        if record is not None and record.length and sent is not None:
            self._out.episode(record, sent, self._total_steps, self._action_source.noise)
        if self._pilot.steps < self._action_source.steps:
            self._evaluations.after_episode(self._total_steps)
            self._ask_for_reset()

    def _ask_for_reset(self) -> None:
        self._pending, self._rolled_on = None, False
        self.frames.forget()
        self._others.begin()
        if self._others.holds():
            return self._waiting.begin(self._others.awaited(), time.monotonic())
        tour = self._evaluations.tour
        scenario, seed = self._next_episode if tour is None else tour.next_route
        self._waiting.begin(self.reset.ask(scenario, seed, time.monotonic()), time.monotonic())

    @property
    def _next_episode(self) -> tuple[int, int]:
        """Return scenario and seed of the training's next episode."""
        first, episode = self._action_source.first_step, self._pilot.episodes
        seed = episode_seed(self.settings.run.seed, self.index, first, episode)
        return training_scenario(self.settings.simulator, seed), seed

    def _on_reset(self, start: EpisodeStart) -> None:
        if self._evaluations.tour is not None:
            self._evaluations.tour.start(start.route)
        else:
            self._action_source.begin(start.seed)
            self._pilot.start(start.route, start.scenario, start.seed)
            self._out.start(self._pilot, start, self._action_source.steps, lambda: self.frames.sender)
        self._waiting.end()
        self.frames.start(start.stamp_ns)

    def _fault(self, reason: str) -> None:
        """Cut the episode before bad input and begin the next one; the bad input never reaches the learner."""
        if not self.frames.driving:
            return
        self._faults += 1
        self._faults_in_a_row += 1
        self.get_logger().warning(f"episode cut: {reason}", throttle_duration_sec=1.0)
        if self._faults_in_a_row > FAULT_LIMIT:
            raise RunEnd(1, f"{FAULT_LIMIT} faults in a row without a good step; the last one: {reason}")
        if self._evaluations.tour is not None:
            self._evaluations.abandon(reason)
            self.frames.stop()
            self._ask_for_reset()
            return
        self._pilot.abandon(ExitReason.SIMULATOR_FAULT)
        self._end_episode()

    def _watch(self) -> None:
        now = time.monotonic()
        self._others.intruders.tell()
        if self._orders.paused_by:
            reason = f"paused until td3/reset_alarms is called: {self._orders.paused_by}"
            self.get_logger().warning(reason, throttle_duration_sec=10.0)
            return
        if self._pilot.steps >= self._action_source.steps and self._evaluations.tour is None:
            self._watch_end(now)
        elif not self.frames.driving:
            self._watch_reset(now)
        elif self._pending is None and self.frames.silence(now) > self.settings.diagnostics.stale_after:
            self._fault(self._others.touched() or self.frames.silent(now))
        if report := self._waiting.report(now):
            self.get_logger().warning(report)
        if self._waiting.expired(now):
            raise RunEnd(1, f"gave up waiting for {self._waiting.reason} after {self._waiting.timeout:.0f} s")

    def _watch_reset(self, now: float) -> None:
        missing = self._action_source.before_first_step() or self._out.record_keeper.missing(now)
        missing = missing or self._others.awaited()
        if not missing and self.reset.ready:
            missing = self.frames.before_first_frame(now)
        if missing:
            self._waiting.begin(missing, now)
        elif self.reset.due(now):
            self._ask_for_reset()

    def _watch_end(self, now: float) -> None:
        missing = "the learner to finish its updates"
        if not self._learned or self._orders.learner_state == LearnerStatus.FINISHED:
            missing = self._evaluations.at_the_end(self._total_steps, self._orders.learner_updates)
        if self._evaluations.tour is not None:
            self._ask_for_reset()
        elif missing:
            self._waiting.begin(missing, now)
        else:
            self.over = True
            raise RunEnd(0)

    def _publish_diagnostics(self) -> None:
        self._out.status(frame_status(self.frames.sync.counts, self._faults, self._waiting, time.monotonic()))
        self._out.status(self._others.intruders.status())
        self._evaluations.beat()

    def close(self) -> None:
        """Wait until subscribers have the last episode and evaluation; there is nothing to save."""
        if self.context.ok():
            await_arrival(*self.publishers)
