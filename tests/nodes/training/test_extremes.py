# SPDX-License-Identifier: Apache-2.0
"""Messages with the extremes of every field, through the callbacks of learner, policy and diagnostics."""

from __future__ import annotations

import array
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaCollisionEvent, CarlaLaneInvasionEvent
from derived_object_msgs.msg import Object, ObjectArray
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import (
    EpisodeSummary,
    EvaluationSummary,
    Experience,
    Guard,
    LearnerStatus,
    PolicyWeights,
    RewardTerms,
)
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving import decoding
from td3_driving.driving.reward import term_names
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.acting import LearnedActionSource
from td3_driving.learning.bounds import ExperienceBounds
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.trainer import Trainer
from td3_driving.monitor.bounds import RunBounds
from td3_driving.nodes.bridge.messages import path
from td3_driving.nodes.ros.conversions import experience_message, time_message
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.training.diagnostics import DiagnosticsNode
from td3_driving.nodes.training.orders import Orders
from td3_driving.nodes.training.policy import PolicyNode
from td3_driving.nodes.training.reset_calls import EpisodeStart
from td3_driving.nodes.training.weights_intake import WeightsIntake
from td3_driving.nodes.training.weights_messages import weights_message
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import Settings, from_flat

from ...shared.tiny import small_settings
from ..extremes import CASES, FEW, Extremes, QuietLogger, ends_run, hurl, quieten, say
from ..run_harness import SMALL as SMALL_OF_A_RUN

SMALL_RUN = {name: value for name, value in SMALL_OF_A_RUN.items() if value is not None}
NODE: Any = SimpleNamespace(get_logger=QuietLogger)


@pytest.fixture
def diagnostics(tmp_path: Path, domain_id: int) -> Iterator[DiagnosticsNode]:
    rclpy.init(args=["--ros-args", "-p", f"run_dir:={tmp_path}"], domain_id=domain_id)
    node = DiagnosticsNode()
    quieten(node)
    yield node
    node.close()
    node.destroy_node()
    rclpy.shutdown()


BLOCK = 40
"""Cases of one memory: a step of a later session closes the one before for ever."""


@pytest.mark.parametrize("heal", [False, True])
def test_the_learner_takes_nothing_that_is_out_of_range(heal: bool) -> None:
    """Two of three messages are genuine ones in their order, so that most extremes meet an open episode."""
    settings = small_settings(run__steps=400, replay__capacity=200)
    dimension = state_dim(settings.observation)
    bounds, extremes, start = ExperienceBounds(settings, dimension), Extremes(0), time.monotonic()
    genuine = [experience_message(step, 0) for step in made_up_experience(settings, dimension, BLOCK)]
    taken = 0
    for number in range(CASES):
        if number % BLOCK == 0:
            memory = ReplayMemory(settings, dimension, None)
            intake, inserted = ExperienceIntake(settings, dimension, memory, heal), 0
        extremes.put_right()
        message = genuine[min(inserted, BLOCK - 1)]
        step = decoding.experience(extremes.of(message) if number % 3 == 0 else message)
        outcome = intake.accept(step)
        inserted, taken = inserted + outcome.inserted, taken + outcome.inserted
        assert not outcome.inserted or (bounds.foreign(step) or bounds.fault(step)) == ""
        counters = intake.counters
        assert counters.received == number % BLOCK + 1 == counters.inserted + counters.duplicate + counters.rejected
        assert 0 <= counters.lost <= 400 and counters.inserted == memory.inserted == inserted
    assert taken > CASES // 3
    say("Experience", CASES, 0, time.monotonic() - start)


def test_the_diagnostics_bear_every_message(diagnostics: DiagnosticsNode) -> None:
    terms = term_names(Settings().reward)
    values = [0.1] * len(terms)
    place = {"actor_id": "actor_0", "step": 7}
    reward = RewardTerms(**place, names=terms, values=values, total=0.1 * len(terms))
    hurl(reward, 1, diagnostics._on_reward)
    hurl(EpisodeSummary(**place, term_names=terms, term_returns=values), 2, diagnostics._on_episode)
    hurl(EvaluationSummary(**place, tags=["eval/score"], values=[1.0]), 3, diagnostics._on_evaluation)
    hurl(
        LearnerStatus(log_point=True, tags=["train/q1_value"], values=[1.0]),
        4,
        diagnostics._on_learner_status,
        cases=FEW,
    )
    with contextlib.suppress(RunEnd):  # A status said that all is done.
        diagnostics._publish_diagnostics()
    diagnostics._print_progress()


def test_the_policy_bears_every_order_and_status() -> None:
    heard: list[LearnerStatus] = []
    orders = Orders(NODE, RunBounds(Settings()), lambda: None, heard.append)
    hurl(LearnerStatus(), 5, orders.status)
    hurl(Guard(), 6, orders.guard)
    assert orders.learner_updates <= 2**53 and all(message.inserted <= 5000 for message in heard)


def test_the_policy_takes_no_weights_out_of_range(tmp_path: Path) -> None:
    settings = small_settings()
    trainer = Trainer(settings, tmp_path, state_dim(settings.observation))
    source = LearnedActionSource(settings, 0)
    trust: Any = SimpleNamespace(sealed_subscription=lambda *_: None)
    intake = WeightsIntake(NODE, trust, source, settings.digest(), lambda: None)
    genuine: PolicyWeights = weights_message(trainer.trained_weights(), 1)
    hurl(genuine, 7, intake._take_trained)
    assert source.version == source.newest_version == 0 and source.steps == 60


def test_weights_that_were_read_late_do_not_replace_newer_ones(tmp_path: Path) -> None:
    """A repeated message passes the first look while a newer one is read aside, and is offered after it."""
    settings = small_settings()
    trainer, source = Trainer(settings, tmp_path, state_dim(settings.observation)), LearnedActionSource(settings, 0)
    read: list[tuple[Any, Any]] = []
    aside: Any = SimpleNamespace(do=lambda work, then: read.append((work, then)))
    trust: Any = SimpleNamespace(sealed_subscription=lambda *_: None)
    intake = WeightsIntake(NODE, trust, source, settings.digest(), lambda: None, aside)
    old = weights_message(trainer.trained_weights(), 1)
    for experience in made_up_experience(settings, state_dim(settings.observation), 60):
        trainer.receive(experience)
    new = weights_message(trainer.trained_weights(), 2)
    assert old.version < new.version
    for message in (new, old):
        intake._take_trained(message)
    for work, then in read:
        then(work)
    assert source.newest_version == new.version


@pytest.fixture
def policy(tmp_path: Path, domain_id: int) -> Iterator[PolicyNode]:
    """A policy with its first weights; it needs no learner and gets its frames by hand."""
    settings = from_flat({**SMALL_RUN, "run.steps": 10**6, "pacing.learning_starts": 10**5})
    (tmp_path / "config.yaml").write_text(parameter_file(settings))
    arguments = ["--ros-args", "--params-file", str(tmp_path / "config.yaml"), "-p", f"run_dir:={tmp_path}"]
    rclpy.init(args=arguments, domain_id=domain_id)
    node = PolicyNode()
    quieten(node)
    node.frames._senders = None
    trainer = Trainer(settings, tmp_path / "learner", state_dim(settings.observation))
    node._action_source.offer(trainer.trained_weights())
    yield node
    node.destroy_node()
    rclpy.shutdown()


class Frames:
    """Drives a policy along a straight road by frames that are passed to its callbacks."""

    def __init__(self, node: PolicyNode) -> None:
        self.node, self.number = node, 0
        self.road = Route(np.column_stack((np.arange(0.0, 300.0), np.zeros(300))))
        self.image = Image(height=36, width=64, encoding="bgra8", step=256, data=array.array("B", bytes(9216)))
        self.odometry = Odometry()
        self.odometry.pose.pose.orientation.w = 1.0
        self.objects = ObjectArray(objects=[Object()])
        self.objects.objects[0].pose.orientation.w = 1.0

    def stamp(self) -> None:
        """Move on to the next frame; after a fault or an end, to the first one of an episode."""
        self.number += 1
        if not self.node.frames.driving:
            self.node._faults_in_a_row = 0
            self.node.frames.forget()
            self.node._on_reset(EpisodeStart(self.road, 0, 1, self.number * 50_000_000))
        self.odometry.pose.pose.position.x = 5.0 + self.number % 2000 * 0.1
        for message in (self.image, self.odometry, self.objects):
            message.header.stamp = time_message(self.number * 50_000_000)

    def parts(self, *, but: str = "") -> None:
        """The genuine parts of the present frame, but for one."""
        frames = self.node.frames
        parts = {
            "image": lambda: frames._on_image("image", self.image, {}),
            "objects": lambda: (
                frames._objects is None or frames._objects._on_bytes(serialize_message(self.objects), {})
            ),
            "odometry": lambda: frames._on_odometry(self.odometry, {}),
        }
        for name, give in parts.items():
            if name != but:
                with contextlib.suppress(RunEnd):
                    give()

    def whole(self) -> None:
        """One genuine frame."""
        self.stamp()
        self.parts()


def test_the_policy_bears_every_frame_and_sends_nothing_out_of_range(policy: PolicyNode) -> None:
    """Every message for the learner is within its bounds, whatever came in."""
    frames, sent = Frames(policy), []
    bounds = ExperienceBounds(policy.settings, state_dim(policy.settings.observation))
    published = policy._out._replay.publish

    def check(message: Experience) -> bytes:
        step = decoding.experience(message)
        sent.append(bounds.foreign(step) or bounds.fault(step))
        return published(message)

    policy._out._replay.publish = check  # type: ignore[method-assign]
    for _ in range(50):
        frames.whole()
    assert sent.count("") > 40, "genuine frames make steps"
    intake = policy.frames
    hurl(frames.image, 8, lambda image: intake._on_image("image", image, {}), between=frames.whole)
    hurl(frames.odometry, 9, lambda sent: intake._on_odometry(sent, {}), between=frames.whole)
    assert intake._objects is not None
    objects_of = intake._objects

    def take(data: bytes) -> None:
        objects_of._on_bytes(data, {})

    hurl(frames.objects, 10, lambda objects: take(serialize_message(objects)), between=frames.whole, cases=FEW)
    garbled, data = Extremes(11), serialize_message(frames.objects)
    for _ in range(CASES):
        ends_run(take, garbled.bytes_of(data))
    hurl(CarlaCollisionEvent(), 12, lambda sent: intake._on_collision(sent, {}), between=frames.whole)
    hurl(CarlaLaneInvasionEvent(), 13, lambda sent: intake._on_crossing(sent, {}), between=frames.whole)
    assert set(sent) == {""}


def test_the_policy_bears_every_answer_to_a_reset(policy: PolicyNode) -> None:
    answer = ResetEpisode.Response(success=True, route=path(np.column_stack((np.arange(30.0), np.zeros((30, 2)))), 0))

    def take(changed: ResetEpisode.Response) -> None:
        policy.reset._asked_at = 0.0
        policy.reset._on_answer(changed, 0, 1)

    hurl(answer, 14, take, cases=FEW)
