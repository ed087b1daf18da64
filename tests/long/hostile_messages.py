# SPDX-License-Identifier: Apache-2.0
"""Somebody who floods the domain of a run with forged, altered, repeated and broken messages."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rclpy.serialization import serialize_message
from td3_driving_msgs import msg

from td3_driving.driving import topics
from td3_driving.nodes.ros import qos

from ..nodes.extremes import Extremes
from ..nodes.stranger import Stranger

SEALED = {
    topics.REPLAY: (msg.Experience, qos.REPLAY),
    topics.POLICY_WEIGHTS: (msg.PolicyWeights, qos.WEIGHTS),
    topics.LEARNER_STATUS: (msg.LearnerStatus, qos.STATUS),
    topics.REWARD: (msg.RewardTerms, qos.REWARD),
    topics.EPISODE: (msg.EpisodeSummary, qos.EPISODE),
    topics.EVALUATION: (msg.EvaluationSummary, qos.EPISODE),
    topics.GUARD: (msg.Guard, qos.WEIGHTS),
}
MAC = 16
BURST = 200
"""Messages between two pauses in which the run is listened to."""


class Flood(Stranger):
    """Sends messages on every sealed topic of a run.

    Attributes:
        sent: messages by kind of attack.
    """

    def __init__(self, domain: int, seed: int) -> None:
        super().__init__(domain)
        self._rng, self._extremes = random.Random(seed), Extremes(seed)
        self._heard: dict[str, list[bytes]] = {topic: [] for topic in SEALED}
        self._blank = {topic: kind() for topic, (kind, _) in SEALED.items()}
        self.sent: Counter[str] = Counter()
        for topic, (kind, profile) in SEALED.items():
            self.node.create_subscription(kind, f"/{topic}", self._keeper(topic), profile, raw=True)
        self._writers = {topic: self.node.create_publisher(kind, f"/{topic}", p) for topic, (kind, p) in SEALED.items()}
        self._attacks: dict[str, Callable[[str], bytes]] = {
            "repeated": self._genuine,
            "altered": lambda topic: self._extremes.bytes_of(self._genuine(topic)),
            "unsigned": lambda topic: self._genuine(topic)[:-MAC] + bytes(MAC),
            "seal of another topic": lambda topic: self._genuine(topic)[:-MAC] + self._other(topic)[-MAC:],
            "extremes": self._extreme,
            "extremes with a wrong seal": lambda topic: self._extreme(topic)[:-MAC] + self._rng.randbytes(MAC),
            "no message at all": lambda topic: self._rng.randbytes(self._rng.randrange(4, 400)),
        }

    def _keeper(self, topic: str) -> Callable[[bytes], None]:
        def keep(data: bytes) -> None:
            # What comes later may be of this flood itself.
            if not self.sent:
                self._heard[topic] = [*self._heard[topic][-20:], data]

        return keep

    def listen(self, seconds: float) -> None:
        """Hear what the run sends."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left)

    def send(self, count: int) -> None:
        """Attack ``count`` times, on topics and in ways that are drawn."""
        for _ in range(count):
            topic = self._rng.choice(tuple(SEALED))
            attack = self._rng.choice(tuple(self._attacks))
            self._writers[topic].publish(self._attacks[attack](topic))
            self.sent[attack] += 1

    def _genuine(self, topic: str) -> bytes:
        """A message of the run that was heard on ``topic`` before the attack; an empty one where none came."""
        heard = self._heard[topic]
        return self._rng.choice(heard) if heard else serialize_message(self._blank[topic])

    def _other(self, topic: str) -> bytes:
        return self._genuine(self._rng.choice([name for name in SEALED if name != topic]))

    def _extreme(self, topic: str) -> bytes:
        message: Any = self._extremes.of(self._blank[topic])
        return serialize_message(message)
