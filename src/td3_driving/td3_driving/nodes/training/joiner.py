# SPDX-License-Identifier: Apache-2.0
"""The joiner node: asks a run on another machine for what an actor needs to know, writes it down, and ends."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.msg import RunOffer, RunQuestion

from td3_driving.driving import decoding, topics
from td3_driving.monitor.writers import LEASE
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.settings import SettingsError

OWN: dict[str, Any] = {"file": "", "server": "", "wanted": "", "patience": 60.0}
"""Parameters: where to write, what the server is called in sentences, the wanted actors, how long to wait [s]."""
PERIOD = 1.0
"""Wall time between two questions [s]; the registrar answers as often."""
AFTER_A_STRANGER = 5.0
"""Wall time that the genuine offer may come after one that was not believed [s]."""


class JoinerNode(Node):
    """Waits for the offer of the run, and until the names of the wanted actors are free in it."""

    def __init__(self) -> None:
        super().__init__("joiner", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, OWN)
        if not own["file"]:
            raise SettingsError("parameter file is needed: where the offer of the run is written")
        self._file, self._server, self._patience = Path(own["file"]), own["server"], own["patience"]
        self._wanted = set(own["wanted"].split(",")) - {""}
        self._trust = Trust(self, settings, "")
        self._number = secrets.randbits(64)
        self._question = self._trust.sealed_publisher(RunQuestion, topics.RUN_QUESTION, qos.EPISODE)
        self._offer: RunOffer | None = None
        self._stranger_since: float | None = None
        self._trust.sealed_subscription(RunOffer, topics.RUN_OFFER, self._on_offer, qos.WEIGHTS)
        self.create_timer(PERIOD, self._ask)

    def _ask(self) -> None:
        message = RunQuestion(number=self._number)
        message.header.stamp = self.get_clock().now().to_msg()
        self._question.publish(message)

    def _on_offer(self, offer: RunOffer) -> None:
        """Take an offer that answers this node; one that was recorded answers others."""
        stamps = [decoding.nanoseconds(known.header.stamp) for known in (self._offer, offer) if known is not None]
        if self._number in offer.questions and stamps == sorted(stamps):
            self._offer = offer

    def live(self) -> None:
        """Wait for the offer.

        Raises:
            RunEnd: with code 0 when the offer is written, else with a sentence on why there is none.
        """
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        begun = time.monotonic()
        while self.context.ok():
            executor.spin_once(timeout_sec=0.1)
            if self._offer is not None and self._free(self._offer, time.monotonic() - begun):
                self._write(self._offer)
                raise RunEnd(0)
            if self._offer is None:
                self._wait(time.monotonic(), begun)

    def _free(self, offer: RunOffer, waited: float) -> bool:
        """Whether nobody has the wanted names; one whose process died keeps its name for a while."""
        asked = self._wanted or set(offer.actors)
        names = [name for name, free in zip(offer.actors, offer.free) if not free and name in asked]
        if names and waited > self._patience + LEASE:
            raise RunEnd(BAD_INPUT, f"{', '.join(names)} take(s) part in the run already; choose others with --actors")
        if names:
            self.get_logger().info(f"waits until {', '.join(names)} has left", throttle_duration_sec=10.0)
        return not names

    def _wait(self, now: float, begun: float) -> None:
        if self._trust.strangers.total and self._stranger_since is None:
            self._stranger_since = now
        if self._stranger_since is not None and now - self._stranger_since > AFTER_A_STRANGER:
            raise RunEnd(
                BAD_INPUT,
                f"the token is not that of the run at {self._server}: copy RUN/token from the learner's machine anew",
            )
        if now - begun > self._patience:
            raise RunEnd(
                BAD_INPUT,
                f"no run answers at {self._server} within {self._patience:.0f} s: is td3-driving train --serve running"
                " there, and does UDP pass both ways",
            )

    def _write(self, offer: RunOffer) -> None:
        rows = zip(offer.actors, map(int, offer.sessions), map(int, offer.done))
        content = {
            "version": offer.version,
            "config_hash": offer.config_hash,
            "parameters": offer.parameters,
            "start": offer.start,
            "begun_at": offer.begun_at,
            "actors": {name: {"session": session, "done": done} for name, session, done in rows},
        }
        self._file.write_text(json.dumps(content), encoding="utf-8")

    def close(self) -> None:
        """Nothing is left to save."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``joiner``."""
    leave(run(JoinerNode, arguments))


if __name__ == "__main__":
    main()
