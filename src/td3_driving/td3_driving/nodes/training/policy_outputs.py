# SPDX-License-Identifier: Apache-2.0
"""Publishes all outputs of the policy node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from td3_driving_msgs.msg import EpisodeStart, EpisodeSummary, Experience, RewardTerms

from td3_driving.doctor.status import Status
from td3_driving.driving import topics
from td3_driving.driving.action import Command
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.pilot import Pilot, Scored
from td3_driving.learning.ranks.divided_memory import folder_of
from td3_driving.learning.replay_files import next_session
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.record_keeper import RecordKeeper
from td3_driving.nodes.training.reset_calls import EpisodeStart as PreparedEpisode
from td3_driving.trust.sources import PROCESS, process_of


def session_of(own: Mapping[str, Any]) -> int:
    """The session of a policy with the parameters ``own``: the one that it was given, else one of its own making."""
    now, folder = time.time_ns(), Path(own["run_dir"])
    memories = [folder_of(folder, 0), *folder.glob("rank_*/replay")] if own["run_dir"] else []
    return int(own["session"]) or max([now, *(next_session(memory, own["actor_id"], now) for memory in memories)])


class PolicyOutputs:
    """Converts the policy's outputs to messages and publishes them.

    Args:
        node: whose publishers these are.
        actor_id: the hardware id of the diagnostic status.
        trust: seals what the learner and the diagnostics believe.
        learning: whether steps go to a learner; a scripted driver has none.

    Attributes:
        record_keeper: tells whether the record of a learning run would miss a message published now.
    """

    def __init__(self, node: Node, actor_id: str, trust: Trust, learning: bool) -> None:
        self._node = node
        self._actor_id = actor_id
        self._learning = learning
        self._replay = trust.sealed_publisher(Experience, topics.REPLAY, qos.REPLAY)
        self._reward = trust.sealed_publisher(RewardTerms, topics.REWARD, qos.REWARD)
        self._start = node.create_publisher(EpisodeStart, topics.EPISODE_START, qos.EPISODE_START)
        self._episode = trust.sealed_publisher(EpisodeSummary, topics.EPISODE, qos.EPISODE)
        self._control = node.create_publisher(CarlaEgoVehicleControl, topics.COMMAND, qos.BRIDGE)
        self._diagnostics = node.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos.DIAGNOSTICS)
        self._announced: tuple[EpisodeStart, Callable[[], bytes | None]] | None = None
        self.record_keeper = RecordKeeper(node, (self._reward.plain, self._episode.plain) if learning else ())

    def command(self, command: Command, stamp_ns: int) -> None:
        """Answer the frame of ``stamp_ns`` (simulated time) with ``command``."""
        self._control.publish(conversions.control_message(command, stamp_ns))

    def step(self, scored: Scored, bounds: tuple[float, float], total_steps: int) -> bytes:
        """Publish a finished step for the learner, and its reward terms; returns what the learner got."""
        sent = b""
        if self._learning:
            sent = self._replay.publish(conversions.experience_message(scored.experience, scored.started_ns))
        if self._reward.plain.get_subscription_count() > 0:
            self._reward.publish(conversions.reward_message(scored, bounds, total_steps))
        return sent

    def again(self, sent: bytes, after_gap: bool) -> None:
        """Send a step once more; ``after_gap``: those before it that the learner waits for cannot be sent again."""
        if not after_gap:
            self._replay.again(sent)
            return
        message = deserialize_message(sent, Experience)
        message.after_gap, message.mac = True, [0, 0, 0, 0]
        self._replay.publish(message)

    def start(
        self, pilot: Pilot, start: PreparedEpisode, session_steps: int, sender: Callable[[], bytes | None]
    ) -> None:
        """Prepare the word that ``pilot``'s episode begins; :meth:`announce` sends it with the first command.

        By then it is known whose frames the policy drives by.

        Args:
            session_steps: steps of this session.
            sender: tells the GUID of the frames' publisher.
        """
        assert pilot.record is not None
        steps = pilot.steps, session_steps
        message = conversions.start_message(pilot.record, start.route, start.stamp_ns, pilot.identity, steps)
        self._announced = message, sender

    def announce(self) -> None:
        """Say that the training's episode begins, unless that was said; to be called before each of its commands."""
        if self._announced is not None:
            (message, sender), self._announced = self._announced, None
            message.simulator = np.frombuffer(process_of(sender()).ljust(PROCESS, b"\0"), dtype=np.uint8)
            self._start.publish(message)

    def episode(self, record: EpisodeRecord, last: Scored, total_steps: int, noise: float) -> None:
        """Publish a finished episode, its ``last`` step and the exploration noise in use."""
        stamp_ns = last.time_step.vehicle.stamp_ns
        self._episode.publish(conversions.episode_message(record, last.experience, stamp_ns, total_steps, noise))

    def status(self, status: Status) -> None:
        """Publish a diagnostic status of this policy."""
        message = DiagnosticArray(status=[conversions.diagnostic_status(status, self._actor_id)])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(message)
