# SPDX-License-Identifier: Apache-2.0
"""The registrar node: offers a run to actors on other machines, says who takes part, and when the run is over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus, RunOffer

from td3_driving import __version__
from td3_driving.driving import topics
from td3_driving.driving.seeding import actor_names
from td3_driving.monitor.bounds import RunBounds
from td3_driving.monitor.roll import Roll
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, spin
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.orders import Orders
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import SettingsError

LOOK = 1.0
"""Wall time between two looks at who is there [s]."""
REMINDER = 30.0
"""Wall time between two lines that say for whom the run waits [s]."""


class RegistrarNode(Node):
    """Publishes the offer, and looks at the policies that publish steps."""

    def __init__(self) -> None:
        super().__init__("registrar", automatically_declare_parameters_from_overrides=True)
        self._settings, own = load_settings(self, {"run_dir": ""})
        if not own["run_dir"]:
            raise SettingsError("parameter run_dir is needed: the folder of the run")
        trust = Trust(self, self._settings, own["run_dir"])
        self._names = actor_names(self._settings.run.num_actors)
        self._roll = Roll(self._names, self._settings.pacing.stall_timeout, time.monotonic())
        self._orders = Orders(self, RunBounds(self._settings), lambda: None, self._on_status)
        self._orders.listen(trust)
        self._offer = trust.sealed_publisher(RunOffer, topics.RUN_OFFER, qos.WEIGHTS)
        self._configuration = parameter_file(self._settings)
        self._offered: list[tuple[bool, int, int]] = []
        self.create_timer(LOOK, self._look)

    def _on_status(self, status: LearnerStatus) -> None:
        known = zip(status.stream_actors, status.stream_sessions, status.stream_expected, status.stream_gone)
        streams = [(name, session, expected - gone) for name, session, expected, gone in known]
        self._roll.take(status.inserted, streams, time.monotonic())

    def _publish(self, now: float) -> None:
        """Offer the run anew where an actor's place in it has changed; of those that take part nobody asks."""
        records = self._roll.records
        free = {name: self._roll.free(name, now) for name in self._names}
        places = [(free[name], records[name].session, records[name].done * free[name]) for name in self._names]
        if self._roll.begun_at is None or places == self._offered:
            return
        self._offered = places
        message = RunOffer(
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

    def _look(self) -> None:
        """Say who came and left; end with the run.

        Raises:
            RunEnd: all policies have left a finished run, or one that is absent is given up.
        """
        now, there = time.monotonic(), list(self._policies())
        finished = self._orders.learner_state == LearnerStatus.FINISHED
        if finished and not there:
            raise RunEnd(0)
        for sentence in self._roll.see([self._actor(name) for name in there], now):
            self.get_logger().info(sentence)
        self._publish(now)
        if not finished and not self._orders.paused_by:
            self._wait(now)

    def _wait(self, now: float) -> None:
        if reason := self._roll.overdue(now):
            raise RunEnd(1, reason)
        if self._roll.absent:
            self.get_logger().warning(f"the run waits for {self._roll.absent}", throttle_duration_sec=REMINDER)

    def _policies(self) -> Iterator[str]:
        """Namespaces of the policies that publish steps."""
        for end in self.get_publishers_info_by_topic(f"/{topics.REPLAY}"):
            if end.node_name == "policy":
                yield end.node_namespace

    def _actor(self, space: str) -> str:
        return self._names[0] if len(self._names) == 1 else space.strip("/")

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
