# SPDX-License-Identifier: Apache-2.0
"""The learner node: experience in; updates; weights, status and checkpoints out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rclpy.node import Node
from td3_driving_msgs.msg import Experience, LearnerStatus, PolicyWeights

from td3_driving.driving import decoding, topics
from td3_driving.driving.state_vector import state_dim
from td3_driving.in_process.ranking_check import ranking_check
from td3_driving.learning.checkpoint import CheckpointError
from td3_driving.learning.preflight import PreflightError, preflight
from td3_driving.learning.ranks.joining import led_trainer
from td3_driving.learning.ranks.sharing import RankLost
from td3_driving.learning.replay_files import ReplayError
from td3_driving.learning.series import LogPoint
from td3_driving.learning.trainer import Diverged
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.ending import await_arrival
from td3_driving.nodes.ros.entry import RunEnd, leave, run
from td3_driving.nodes.ros.fast_wait import spin_fast
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.record_keeper import RecordKeeper
from td3_driving.nodes.training.weights_messages import weights_message
from td3_driving.processes.exit_codes import LOST_RANK
from td3_driving.runs.run_folder import mark_lived
from td3_driving.settings import SettingsError

SLICE = 16
"""Updates between two checks of the clock: a long burst must not silence the heartbeat."""
HEARTBEAT = 1.0
"""Wall time between two statuses without news [s]."""
LAST_SPACE = 60.0
"""Wall time that a finished run waits for space for its last checkpoint [s]."""
WEIGHTS_PERIOD = 0.5
"""Wall time between two publications of weights in mode async [s]."""


class LearnerNode(Node):
    """Feeds messages to the :class:`~td3_driving.learning.trainer.Trainer` and publishes its weights and status."""

    def __init__(self) -> None:
        super().__init__("learner", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"run_dir": ""})
        if not own["run_dir"]:
            raise SettingsError("parameter run_dir is needed: the folder of the run")
        self._trust = Trust(self, settings, own["run_dir"])
        dimension = state_dim(settings.observation)
        for result in preflight(settings, dimension, extra=(lambda: ranking_check(settings),)):
            self.get_logger().info(f"preflight: {result.name}: passed ({result.proves})")
        self._run = Path(own["run_dir"]).absolute()
        self._trainer = led_trainer(settings, self._run, dimension)
        for place in self._trainer.ranks.places:
            self.get_logger().info(f"a learner beside this one: {place}")
        self._tell_news()
        self._begun_at = self._trainer.inserted
        self._begun = {(name, session): known - gone for name, session, known, gone in self._trainer.intake.expected()}
        self._strict = settings.pacing.mode == "strict"
        self._learning_starts = settings.pacing.learning_starts
        self._failure = ""
        self._saved = self._lived = False
        self._published_version = self._inserted_at_beat = -1
        self._sent_weights = b""
        self._full_since: float | None = None
        self._heartbeat_at = self._weights_at = 0.0
        self._weights = self._trust.sealed_publisher(PolicyWeights, topics.POLICY_WEIGHTS, qos.WEIGHTS)
        self._status = self._trust.sealed_publisher(LearnerStatus, topics.LEARNER_STATUS, qos.STATUS)
        self._steps = self._trust.sealed_subscription(Experience, topics.REPLAY, self._on_experience, qos.REPLAY)
        self._record_keeper = RecordKeeper(self, [self._status.plain])
        self.create_timer(HEARTBEAT, self._beat)
        self.create_timer(0.01, self._start)
        self.get_logger().info(
            f"replay memory: {settings.replay.capacity} frames; {self._trainer.inserted} steps and "
            f"{self._trainer.updates} updates are behind this run; {self._trainer.way}"
        )

    def _start(self) -> None:
        """Once the record keeper is connected: do the updates that a killed learner left, publish the run's state."""
        if self._record_keeper.missing(time.monotonic()):
            return
        for timer in list(self.timers):
            if timer.callback == self._start:
                self.destroy_timer(timer)
        self._work()
        self._publish_frozen_weights()
        self._publish_weights()

    def _on_experience(self, message: Experience) -> None:
        if self._failure:
            return
        experience = decoding.experience(message)
        try:
            outcome = self._trainer.receive(experience, max_updates=SLICE)
        except Diverged as error:
            self._fail(error)
            return
        if outcome.inserted and not self._lived:
            self._mark_lived()
        if outcome.reason and outcome.inserted:
            self.get_logger().error(outcome.reason)
        elif outcome.reason:
            self.get_logger().warning(
                f"experience {outcome.verdict.value}: {outcome.reason}", throttle_duration_sec=2.0
            )
        self._work()

    def _work(self) -> None:
        """Do all updates that are due, then publish what is new."""
        try:
            while self._trainer.run_due(max_updates=SLICE):
                self._publish_log_points()
                if time.monotonic() - self._heartbeat_at > HEARTBEAT:
                    self._heartbeat()
            if self._weights_due():
                self._publish_weights()
        except Diverged as error:
            self._fail(error)
            return
        if self._trainer.finished and not self._saved:
            self._save_the_last()
        self._publish_log_points()
        self._tell_news()

    def _save_the_last(self) -> None:
        """Write the checkpoint that ends the run; while the disk is full, every heartbeat tries again.

        Raises:
            RunEnd: there was no space for :data:`LAST_SPACE`.
        """
        self._saved = self._trainer.keep()
        if self._saved:
            self._publish_log_points()
            self._heartbeat()
            return
        now = time.monotonic()
        self._full_since = now if self._full_since is None else self._full_since
        if now - self._full_since > LAST_SPACE:
            raise RunEnd(1, f"the run is done and its last checkpoint is not kept: {self._trainer.disk_fault}")

    def _mark_lived(self) -> None:
        """Let ``latest`` point to this run; where the disk is full, with the next step."""
        with suppress(OSError):
            mark_lived(self._run)
            self._lived = True

    def _tell_news(self) -> None:
        while sentence := self._trainer.pop_news():
            self.get_logger().error(sentence)

    def _fail(self, error: Diverged) -> None:
        self._failure = str(error)
        self.get_logger().error(f"learning stopped: {error}")
        self._publish_log_points()
        self._heartbeat()

    def _weights_due(self) -> bool:
        if self._trainer.updates == self._published_version:
            return False
        return self._strict or self._trainer.finished or time.monotonic() - self._weights_at > WEIGHTS_PERIOD

    def _publish_weights(self) -> None:
        snapshot = self._trainer.trained_weights()
        self._published_version, self._weights_at = snapshot.version, time.monotonic()
        message = weights_message(snapshot, self.get_clock().now().nanoseconds)
        self._sent_weights = self._weights.publish(message)

    def _repeat_weights(self) -> None:
        """Send the weights again where no step came since the last heartbeat.

        A policy keeps one message of weights in its queue, so anybody's message may push out the one it waits for.
        """
        before, self._inserted_at_beat = self._inserted_at_beat, self._trainer.inserted
        if self._sent_weights and before == self._trainer.inserted and not self._trainer.pending:
            self._weights.again(self._sent_weights)

    def _publish_frozen_weights(self) -> None:
        """Publish frozen weights once on a latched topic; most encoders have none."""
        snapshot = self._trainer.frozen_weights
        if snapshot is not None:
            publisher = self._trust.sealed_publisher(PolicyWeights, topics.FROZEN_WEIGHTS, qos.WEIGHTS)
            publisher.publish(weights_message(snapshot, self.get_clock().now().nanoseconds))

    def _publish_log_points(self) -> None:
        while (point := self._trainer.pop_log_point()) is not None:
            self._status.publish(self._status_message(point))

    def _beat(self) -> None:
        self._trainer.ranks.check()
        self._heartbeat()
        self._repeat_weights()
        if self._full_since is not None and not self._saved:
            self._work()
        if self._saved and self.count_publishers(topics.REPLAY) == 0:
            raise RunEnd(0)

    def _heartbeat(self) -> None:
        self._heartbeat_at = time.monotonic()
        self._status.publish(self._status_message(None))

    def _status_message(self, point: LogPoint | None) -> LearnerStatus:
        trainer, counters = self._trainer, self._trainer.counters
        message = LearnerStatus(
            state=self._state(),
            reason=self._failure or self._trainer.disk_fault or self._waits_for(),
            config_hash=trainer.config_hash,
            log_point=point is not None,
            received=counters.received,
            inserted=counters.inserted if point is None else point.step,
            duplicate=counters.duplicate,
            rejected=counters.rejected,
            lost=counters.lost,
            gone=counters.gone,
            last_rejection=counters.last_rejection,
            sampleable=trainer.whole.sampleable,
            capacity=trainer.whole.capacity,
            updates=trainer.updates,
            updates_due=trainer.updates_due,
            policy_updates=trainer.agent.policy_updates,
            tags=[] if point is None else list(point.values),
            values=[] if point is None else list(point.values.values()),
            strangers=self._trust.strangers.total,
            stranger=self._trust.strangers.last,
            begun_at=self._begun_at,
        )
        for actor, session, expected, gone in trainer.intake.expected():
            message.stream_actors.append(actor)
            message.stream_sessions.append(session)
            message.stream_expected.append(expected)
            message.stream_gone.append(gone)
            message.stream_begun.append(self._begun.get((actor, session), 0))
        message.header.stamp = self.get_clock().now().to_msg()
        return message

    def _state(self) -> int:
        if self._failure:
            return int(LearnerStatus.FAILED)
        if self._saved:
            return int(LearnerStatus.FINISHED)
        if self._trainer.inserted == 0:
            return int(LearnerStatus.WAITING)
        return int(LearnerStatus.LEARNING if self._trainer.updates_due else LearnerStatus.FILLING)

    def _waits_for(self) -> str:
        if self._saved or self._trainer.pending:
            return ""
        missing = self._learning_starts - self._trainer.inserted
        if gap := self._trainer.intake.gap():
            return f"{gap}, which was lost on the way and is asked for again"
        return f"{missing} steps before learning starts" if missing > 0 else "experience"

    def live(self) -> None:
        """Handle messages and timers.

        Raises:
            RunEnd: the run is over, or a rank of the learner is lost.
        """
        try:
            spin_fast(self, [self._steps])
        except RankLost as error:
            self._failure = str(error)
            raise RunEnd(LOST_RANK, self._failure) from error

    def close(self) -> None:
        """Save a checkpoint, so that the run can be continued."""
        if not self._saved and self._trainer.updates > 0 and not self._failure:
            self._keep_at_the_end()
        self._trainer.ranks.close()
        if self.context.ok():
            await_arrival(*self.publishers)

    def _keep_at_the_end(self) -> None:
        try:
            self._trainer.keep()
            self._tell_news()
        except RankLost as error:
            self.get_logger().error(f"no checkpoint at the end: {error}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``learner``."""
    leave(run(LearnerNode, arguments, (ValueError, OSError, PreflightError, CheckpointError, ReplayError, RankLost)))


if __name__ == "__main__":
    main()
