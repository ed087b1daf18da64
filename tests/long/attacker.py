# SPDX-License-Identifier: Apache-2.0
"""The attacks of a stranger on a training run, one at a time, and the ear that tells what was genuine."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from carla_msgs.msg import CarlaControl, CarlaEgoVehicleControl
from rclpy.duration import Duration
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Bool
from td3_driving_msgs import msg
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving import topics
from td3_driving.learning.weights import sha256_of, to_bytes
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.runs.profiles import load_profile

from ..nodes.asking import Question
from ..nodes.run_harness import Ear
from ..nodes.stranger import EGO, Stranger, changed
from ..shared.patience import HANG
from .hostile_messages import SEALED, Flood
from .kill_checks import Sent

MARK = 0.01953125
"""Reward of a forged step that is sound in every other field: no genuine step has just this one."""
RATE = 20_000
"""Messages per second of a flood, where the machine can send them."""
LISTENERS = {
    topics.REPLAY: ("learner",),
    topics.POLICY_WEIGHTS: ("policy",),
    topics.LEARNER_STATUS: ("policy", "diagnostics"),
    topics.EPISODE: ("diagnostics",),
    topics.GUARD: ("policy",),
    topics.SIMULATION_CONTROL: ("policy", "simulator"),
    topics.MANUAL_OVERRIDE: ("policy", "simulator"),
    topics.COMMAND: ("simulator",),
    topics.FRAME: ("policy",),
}
"""Nodes of a run that hear what is forged; images have no listener beside the embedded simulator."""
ARRIVES = Duration(seconds=60)
"""Longest wait until a message has arrived everywhere."""
HOSTILE = 400
"""Messages of all hostile kinds, on topics that are drawn."""
BLACK = bytes(64 * 36 * 4)


def digest_of(reward: float, action: Any, frame: bytes) -> int:
    """What tells one step from another."""
    return zlib.crc32(frame, zlib.crc32(np.asarray([reward, *map(float, action)], np.float64).tobytes()))


class Watch(Ear):
    """Keeps what a run itself has sent, known by its seal, and when.

    Attributes:
        genuine: digest of each step that was heard, by session and number.
        accounts_sealed: statuses of the learner since the last look.
        experience, weights: the newest messages.
        step_at, status_at: wall time at which the newest step and status were heard [s].
    """

    def __init__(self, domain: int) -> None:
        super().__init__(domain)
        self.genuine: dict[Sent, int] = {}
        self.accounts_sealed: list[msg.LearnerStatus] = []
        self.experience, self.weights = msg.Experience(), msg.PolicyWeights()
        self.step_at = self.status_at = 0.0

    def learn_token(self, folder: Path) -> None:
        """Tell genuine messages of the run in ``folder``, whose processes are there, from others."""
        trust = Trust(self.node, load_profile(folder / "config.yaml"), str(folder))
        trust.sealed_subscription(msg.Experience, topics.REPLAY, self._on_step, qos.REPLAY)
        trust.sealed_subscription(msg.PolicyWeights, topics.POLICY_WEIGHTS, self._on_weights, qos.WEIGHTS)
        trust.sealed_subscription(msg.LearnerStatus, topics.LEARNER_STATUS, self._on_status, qos.STATUS)

    def _on_step(self, message: msg.Experience) -> None:
        self.experience, self.step_at = message, time.monotonic()
        digest = digest_of(message.reward, message.action, bytes(message.frame))
        self.genuine[message.session_id, message.sequence] = digest

    def _on_weights(self, message: msg.PolicyWeights) -> None:
        self.weights = message

    def _on_status(self, message: msg.LearnerStatus) -> None:
        self.status_at = time.monotonic()
        self.accounts_sealed.append(message)

    def __enter__(self) -> Watch:
        return self

    def heard_at(self) -> float:
        """Wall time since which both the policy and the learner have spoken [s]."""
        return min(self.step_at, self.status_at)

    def named(self, topic: str) -> bool:
        """Whether the alarm about foreign writers names ``topic``."""
        return any(error.name == "graph: writers" and topic in error.message for error in self.errors)

    def account_faults(self) -> list[str]:
        """What is wrong with the accounts of the learner since the last call."""
        faults = set()
        for account in self.accounts_sealed:
            if account.received != account.inserted + account.duplicate + account.rejected and not account.log_point:
                faults.add(f"unbalanced: {account.received} received")
            if account.rejected or account.lost or account.gone:
                faults.add(f"{account.rejected} rejected ({account.last_rejection}), {account.lost} lost")
        self.accounts_sealed.clear()
        return sorted(faults)


@dataclass(frozen=True)
class Attack:
    """Messages on one topic, and one that takes them back."""

    kind: type[Any]
    topic: str
    profile: Any
    messages: Callable[[Watch], list[Any]]
    undo: Any = None


def _steps(**changes: Any) -> Attack:
    return Attack(msg.Experience, "/td3/replay", qos.REPLAY, lambda heard: [changed(heard.experience, changes)])


def _following(heard: Watch) -> list[Any]:
    """Steps that may come next, each sound in itself."""
    first, terms = heard.experience, [MARK, *[0.0] * (len(heard.experience.reward_terms) - 1)]
    following = [(first.sequence + n, first.step_index + n) for n in range(1, 6)]
    told = {"reward": MARK, "reward_terms": terms}
    return [changed(first, {"sequence": sequence, "step_index": step, **told}) for sequence, step in following]


def _weights(**changes: Any) -> Attack:
    return Attack(
        msg.PolicyWeights, "/td3/policy_weights", qos.WEIGHTS, lambda heard: [changed(heard.weights, changes)]
    )


def _other_shapes() -> dict[str, Any]:
    data = to_bytes({"weight": torch.zeros(3)}, {"version": "abc"})
    return {"data": list(data), "sha256": sha256_of(data)}


def _guard(order: int) -> Attack:
    return Attack(msg.Guard, "/td3/guard", qos.WEIGHTS, lambda _: [msg.Guard(order=order, reason="forged")])


def _images(data: Callable[[], bytes]) -> Attack:
    made = {"width": 64, "height": 36, "step": 256, "encoding": "bgra8"}
    return Attack(Image, f"{EGO}/rgb_front/image", qos.BRIDGE, lambda _: [Image(**made, data=data())] * 20)


TOP, FAILED = 2**63, msg.LearnerStatus.FAILED
ATTACKS: dict[str, Attack] = {
    "wrong configuration, sequence 2^62": _steps(config_hash="0" * 64, sequence=2**62),
    "unknown actor, reward 1000": _steps(actor_id="actor_9", reward=1e3, reward_terms=[1e3, 0.0, 0.0, 0.0, 0.0]),
    "unknown actor, reward 1e300": _steps(actor_id="actor_9", reward=1e300, reward_terms=[1e300, 0.0, 0.0, 0.0, 0.0]),
    "sequence 2^63+5": _steps(sequence=TOP + 5),
    "sequence 2^64-2": _steps(sequence=2 * TOP - 2),
    "the steps that come next": Attack(msg.Experience, "/td3/replay", qos.REPLAY, _following),
    "weights of version 10^9": _weights(version=10**9),
    "weights of other shapes": _weights(**_other_shapes()),
    "step 2^63 in a status": Attack(
        *(msg.LearnerStatus, "/td3/learner_status", qos.STATUS),
        lambda _: [msg.LearnerStatus(state=FAILED, inserted=TOP, log_point=True, reason="forged")],
    ),
    "step 2^63 in an episode": Attack(
        *(msg.EpisodeSummary, "/td3/episode", qos.EPISODE),
        lambda _: [msg.EpisodeSummary(actor_id="actor_0", step=TOP)],
    ),
    "guard PAUSE": _guard(msg.Guard.PAUSE),
    "guard STOP": _guard(msg.Guard.STOP),
    "second publisher of commands": Attack(
        *(CarlaEgoVehicleControl, f"{EGO}/vehicle_control_cmd", qos.BRIDGE),
        lambda _: [CarlaEgoVehicleControl(brake=1.0)] * 50,
    ),
    "black images": _images(lambda: BLACK),
    "other images": _images(lambda: bytes(range(256)) * 36),
    "black frames": Attack(
        *(msg.PolicyFrame, "/td3/frame", qos.BRIDGE),
        lambda _: [msg.PolicyFrame(frame_height=36, frame_width=36, frame=bytes(36 * 36))] * 20,
    ),
    "carla/control PAUSE": Attack(
        *(CarlaControl, "/carla/control", qos.BRIDGE),
        lambda _: [CarlaControl(command=CarlaControl.PAUSE)],
        CarlaControl(command=CarlaControl.PLAY),
    ),
    "manual override": Attack(
        *(Bool, f"{EGO}/vehicle_control_manual_override", qos.BRIDGE_LATCHED_ONE),
        *(lambda _: [Bool(data=True)], Bool(data=False)),
    ),
}
FLOOD, MIXED, RESET = "flood", "all hostile kinds mixed", "caller of the episode reset"
NAMES = (*ATTACKS, FLOOD, MIXED, RESET)


class Attacker(Stranger):
    """Attacks a run as it is told, for as long as it draws.

    Attributes:
        sent: messages of the last attack.
    """

    def __init__(self, domain: int, watch: Watch, rng: random.Random) -> None:
        super().__init__(domain)
        self._domain, self._watch, self._rng, self.sent = domain, watch, rng, 0

    def _on_experience(self, message: msg.Experience) -> None:
        """Only the watch knows what is genuine."""

    _on_weights = _on_experience

    def attack(self, name: str) -> str:
        """Attack, hold on for a while, let go; the topic that the run has to name."""
        self.sent = 0
        if name == FLOOD:
            return self._flood(self._rng.choice(list(SEALED)))
        if name == MIXED:
            return self._all_kinds()
        if name == RESET:
            return self._reset()
        return self._publish(ATTACKS[name])

    def _publish(self, attack: Attack) -> str:
        writer = self._known_writer(attack.kind, attack.topic, attack.profile)
        for message in attack.messages(self._watch):
            writer.publish(message)
            self.sent += 1
        writer.wait_for_all_acked(ARRIVES)
        self._watch.listen(self._rng.uniform(0.5, 3.0))
        if attack.undo is not None:
            writer.publish(attack.undo)
            writer.wait_for_all_acked(ARRIVES)
        self.leave(writer)
        return attack.topic

    def __enter__(self) -> Attacker:
        return self

    def knows_the_run(self) -> bool:
        """Whether all nodes are found that are to be attacked."""
        return all(self._listeners(topic) >= set(names) for topic, names in LISTENERS.items())

    def _listeners(self, topic: str) -> set[str]:
        return {end.node_name for end in self.node.get_subscriptions_info_by_topic(f"/{topic}")}

    def _known_writer(self, kind: type[Any], topic: str, profile: Any) -> Any:
        """A publisher that has found everybody who listens."""
        return self.writer(kind, topic, profile, self.node.count_subscribers(topic))

    def _flood(self, topic: str) -> str:
        kind, profile = SEALED[topic]
        writer = self._known_writer(kind, f"/{topic}", profile)
        data = serialize_message(self._watch.experience if kind is msg.Experience else kind())
        begun, seconds = time.monotonic(), self._rng.uniform(1.0, 5.0)
        while (now := time.monotonic() - begun) < seconds:
            for _ in range(max(min(int(RATE * now) - self.sent, 1000), 0)):
                writer.publish(data)
                self.sent += 1
            self._watch.listen(0.01)
        self.leave(writer)
        return f"/{topic}"

    def _all_kinds(self) -> str:
        with Flood(self._domain, self._rng.randrange(2**31)) as flood:
            flood.listen(2.0)
            while self.sent < HOSTILE:
                flood.send(20)
                self.sent = flood.sent.total()
                flood.listen(0.02)
                self._watch.listen(0.02)
            self._watch.listen(1.0)
        return "/td3/replay"

    def _reset(self) -> str:
        client: Any = self.node.create_client(ResetEpisode, "/td3/reset_episode")
        question = Question(client, ResetEpisode.Request(scenario=0, seed=self._rng.randrange(1000)))
        deadline = time.monotonic() + HANG
        while not question.answered():
            assert time.monotonic() < deadline, "no answer of the reset"
            self._executor.spin_once(timeout_sec=0.05)
        self.sent = 1
        self._watch.listen(self._rng.uniform(0.5, 3.0))
        self.node.destroy_client(client)
        return "td3/reset_episode"
