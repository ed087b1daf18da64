# SPDX-License-Identifier: Apache-2.0
"""Steps that are lost between an actor and the real learner node, over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.msg import LearnerStatus

from td3_driving.driving import topics
from td3_driving.driving.experience import Experience
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.acting import LearnedActionSource
from td3_driving.learning.preflight import made_up_experience
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.training.healing import Healing
from td3_driving.nodes.training.learner import LearnerNode
from td3_driving.nodes.training.policy_outputs import PolicyOutputs
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import Settings

from ...shared.patience import HANG
from ...shared.tiny import small_settings

SESSION = 7


@pytest.fixture
def settings() -> Settings:
    return small_settings(run__steps=60, pacing__learning_starts=50, simulator__map="straight")


@pytest.fixture
def learner(tmp_path: Path, domain_id: int, settings: Settings) -> Iterator[LearnerNode]:
    path = tmp_path / "config.yaml"
    path.write_text(parameter_file(settings))
    rclpy.init(
        args=["--ros-args", "--params-file", str(path), "-p", f"run_dir:={tmp_path / 'run'}"], domain_id=domain_id
    )
    node = LearnerNode()
    yield node
    node.destroy_node()
    rclpy.shutdown()


class Actor:
    """Sends made-up steps as a policy does, and keeps ``most`` bytes of them."""

    def __init__(self, settings: Settings, run: Path, domain: int, most: int) -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = Node("policy", context=self._context)
        trust = Trust(self.node, settings, str(run))
        self._out = PolicyOutputs(self.node, "actor_0", trust, learning=True)
        self.source = LearnedActionSource(settings, 0)
        self.healing = Healing(self.node, ("actor_0", SESSION), self._out.again, self.source.note_gone, most)
        self.statuses: list[LearnerStatus] = []
        trust.sealed_subscription(LearnerStatus, topics.LEARNER_STATUS, self._on_status, qos.STATUS)
        self._steps = made_up_experience(settings, state_dim(settings.observation), 200)

    def _on_status(self, status: LearnerStatus) -> None:
        self.statuses.append(status)
        self.healing.heed(status)

    def send(self, count: int) -> None:
        """The next steps reach the learner."""
        for experience in self._next(count):
            self.healing.keep(self._out._replay.publish(conversions.experience_message(experience, 0)))

    def lose(self, count: int) -> None:
        """The next steps are sent and never arrive."""
        publisher, self._out._replay.plain = self._out._replay.plain, _Nowhere()
        self.send(count)
        self._out._replay.plain = publisher

    def _next(self, count: int) -> Iterator[Experience]:
        for _ in range(count):
            yield replace(next(self._steps), session_id=SESSION)

    def connected(self) -> bool:
        return self._out._replay.plain.get_subscription_count() > 0

    def close(self) -> None:
        self.node.destroy_node()
        self._context.try_shutdown()


class _Nowhere:
    def publish(self, _: bytes) -> None:
        """Nobody gets it."""


class Pair:
    """The learner and an actor, spun in turns."""

    def __init__(self, learner: LearnerNode, actor: Actor) -> None:
        self.learner, self.actor = learner, actor
        self._executors = SingleThreadedExecutor(), SingleThreadedExecutor(context=actor.node.context)
        for executor, node in zip(self._executors, (learner, actor.node)):
            executor.add_node(node)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + HANG
        while not condition():
            assert time.monotonic() < deadline, f"no {what}; {self.counters}"
            for executor in self._executors:
                executor.spin_once(timeout_sec=0.02)

    @property
    def counters(self):
        """The learner's account."""
        return self.learner._trainer.counters


@pytest.fixture
def pair(
    learner: LearnerNode, settings: Settings, tmp_path: Path, domain_id: int, request: pytest.FixtureRequest
) -> Iterator[Pair]:
    actor = Actor(settings, tmp_path / "run", domain_id, request.param)
    pair = Pair(learner, actor)
    pair.until(actor.connected, "learner")
    yield pair
    actor.close()


@pytest.mark.parametrize("pair", [2**20], indirect=True)
def test_a_lost_step_is_named_and_sent_again(pair: Pair) -> None:
    pair.actor.send(20)
    pair.actor.lose(3)
    pair.actor.send(17)
    pair.until(lambda: any("message 20 of actor_0" in s.reason for s in pair.actor.statuses), "reason of the wait")
    pair.until(lambda: pair.counters.inserted == 40, "all steps in the memory")
    counters = pair.counters
    assert (counters.lost, counters.gone, counters.rejected) == (3, 0, 0)
    assert counters.received == counters.inserted + counters.duplicate
    memory = pair.learner._trainer.memory
    # The frame that closes an episode has the number of its step.
    assert list(dict.fromkeys(memory._store.records["sequence"][: memory.used].tolist())) == list(range(40))


@pytest.mark.parametrize("pair", [1], indirect=True)
def test_a_step_that_is_lost_for_good_ends_no_run(pair: Pair) -> None:
    """The actor keeps one step: of three lost ones it can send none again. Both go on and the run is finished."""
    pair.actor.send(20)
    pair.until(lambda: pair.counters.inserted == 20, "the first steps")
    pair.actor.lose(3)
    pair.actor.send(2)
    pair.until(lambda: pair.actor.source.gone > 0, "word of what is gone")
    gone = pair.actor.source.gone
    # The one before the last came, and was left out because it came before the missing ones.
    assert gone == pair.counters.gone == 4 and pair.counters.lost == 3
    assert pair.actor.source.steps == 60 + gone
    pair.actor.send(60 + gone - 25)
    pair.until(lambda: pair.learner._saved, "end of the run")
    counters = pair.counters
    assert (counters.inserted, counters.gone, counters.rejected) == (60, 4, 0)
    assert counters.received == counters.inserted + counters.duplicate
    assert pair.learner._trainer.pending == 0
    pair.until(lambda: pair.actor.statuses[-1].state == LearnerStatus.FINISHED, "status of the end")
    assert pair.actor.statuses[-1].gone == 4
    tags = {tag for status in pair.actor.statuses for tag in status.tags}
    assert "replay/gone" in tags
