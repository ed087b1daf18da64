# SPDX-License-Identifier: Apache-2.0
"""The registrar node: offers a run to actors on other machines, says who takes part, and when the run is over."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import NoReturn

from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus, Refusals, RunOffer, RunQuestion

from td3_driving import __version__
from td3_driving.driving import decoding, topics
from td3_driving.driving.seeding import actor_names
from td3_driving.monitor.attendance import GRACE, Attendance
from td3_driving.monitor.bounds import RunBounds
from td3_driving.monitor.roll import ActorSteps, Roll
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, spin
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.census import publishers
from td3_driving.nodes.training.orders import Orders
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import SettingsError

LOOK = 1.0
"""Wall time between two looks at who is there [s]."""
MOST_QUESTIONS = 64
"""Actors that are answered at once; each asks again."""
REMINDER = 30.0
"""Wall time between two lines that say for whom the run waits [s]."""


class RegistrarNode(Node):
    """Answers those who ask for the offer, and keeps which policies take part: those that speak under the seal."""

    def __init__(self) -> None:
        super().__init__("registrar", automatically_declare_parameters_from_overrides=True)
        self._settings, own = load_settings(self, {"run_dir": ""})
        if not own["run_dir"]:
            raise SettingsError("parameter run_dir is needed: the folder of the run")
        self._trust = trust = Trust(self, self._settings, own["run_dir"])
        self._names = actor_names(self._settings.run.num_actors)
        alone = len(self._names) == 1
        self._attendance = Attendance({"/policy" if alone else f"/{name}/policy": name for name in self._names})
        self._finished_at = 0.0
        self._roll = Roll(self._names, self._settings.pacing.stall_timeout, time.monotonic())
        self._orders = Orders(self, RunBounds(self._settings), lambda: None, self._on_status)
        self._orders.listen(trust)
        trust.sealed_subscription(Refusals, topics.REFUSALS, self._on_refusals, qos.EPISODE)
        trust.sealed_subscription(RunQuestion, topics.RUN_QUESTION, self._on_question, qos.EPISODE)
        self._offer = trust.sealed_publisher(RunOffer, topics.RUN_OFFER, qos.WEIGHTS)
        self._configuration = parameter_file(self._settings)
        self._offered: list[tuple[bool, int, int]] = []
        self._questions: dict[int, None] = {}
        self.create_timer(LOOK, self._look)

    def _on_status(self, status: LearnerStatus) -> None:
        arrays = status.stream_sessions, status.stream_expected, status.stream_gone, status.stream_begun
        known = zip(status.stream_actors, *arrays)
        streams = [ActorSteps(name, session, expected - gone, begun) for name, session, expected, gone, begun in known]
        self._roll.take(status.inserted, streams, time.monotonic(), status.begun_at)

    def _on_refusals(self, message: Refusals) -> None:
        """A policy has spoken: it takes part."""
        stamp_ns = decoding.nanoseconds(message.header.stamp)
        self._attendance.hear(message.node, message.session_id, stamp_ns, self._publisher_of(message))

    def _publisher_of(self, message: Refusals) -> bytes:
        """The GUID of its publisher; where ROS 2 does not tell, that of the first publisher of its node's name."""
        if self._trust.sender is not None:
            return self._trust.sender
        known = publishers(self, f"/{topics.REFUSALS}")
        return next((end.bytes for end in known if end.node == message.node), b"")

    def _on_question(self, question: RunQuestion) -> None:
        """Somebody wants to join: answered with the next look."""
        self._questions[question.number] = None
        for number in list(self._questions)[:-MOST_QUESTIONS]:
            del self._questions[number]

    def _publish(self, unheard: list[str], now: float) -> None:
        """Offer the run to those that asked since the last look, and anew where an actor's place in it has changed.

        The place of ``unheard`` actors is not free: who lived through a start of the run has yet to speak in it.
        """
        records = self._roll.records
        free = {name: name not in unheard and self._roll.free(name, now) for name in self._names}
        places = [(free[name], self._newest_session(name), records[name].done * free[name]) for name in self._names]
        if self._roll.begun_at is None or (places == self._offered and not self._questions):
            return
        self._offered = places
        message = RunOffer(
            questions=list(self._questions),
            start=self._trust.starts.number,
            version=__version__,
            config_hash=self._settings.digest(),
            parameters=self._configuration,
            begun_at=self._roll.begun_at,
            actors=list(self._names),
            free=[place[0] for place in places],
            sessions=[place[1] for place in places],
            done=[place[2] for place in places],
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._offer.publish(message)
        self._questions.clear()

    def _newest_session(self, name: str) -> int:
        """The greatest session of an actor that the run has heard of, be it by its steps or by its word alone."""
        return max(self._roll.records[name].session, self._attendance.newest_session(name))

    def _look(self) -> None:
        """Say who came and left; end with the run.

        Raises:
            RunEnd: all policies have left a finished run, or one that is absent is given up.
        """
        now = time.monotonic()
        known: dict[Hashable, str] = {end.bytes: end.node for end in publishers(self, f"/{topics.REFUSALS}")}
        there, unheard = self._attendance.there(known), self._attendance.unheard(known, now)
        finished = self._orders.learner_state == LearnerStatus.FINISHED
        if finished and not there and not self._expected(unheard, now):
            raise RunEnd(0)
        for sentence in self._roll.see(there, now):
            self.get_logger().info(sentence)
        self._publish(unheard, now)
        if not finished and not self._orders.paused_by:
            self._wait(now)

    def _wait(self, now: float) -> None:
        if reason := self._roll.overdue(now):
            raise RunEnd(1, reason)
        if self._roll.absent:
            self.get_logger().warning(f"the run waits for {self._roll.absent}", throttle_duration_sec=REMINDER)

    def _expected(self, unheard: list[str], now: float) -> bool:
        """Whether a finished run waits for those who bear a policy's name and have yet to speak; not for ever."""
        self._finished_at = self._finished_at or now
        return bool(unheard) and now - self._finished_at < GRACE

    def live(self) -> None:
        """Handle messages and timers."""
        spin(self)

    def close(self) -> None:
        """Nothing is left to save."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``registrar``."""
    leave(run(RegistrarNode, arguments))


if __name__ == "__main__":
    main()
