# SPDX-License-Identifier: Apache-2.0
"""Messages with the extremes of every field, through the callbacks of a policy."""

from __future__ import annotations

import array
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaCollisionEvent, CarlaControl, CarlaLaneInvasionEvent
from derived_object_msgs.msg import Object, ObjectArray
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Bool
from td3_driving_msgs.msg import Experience, PolicyFrame
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving import decoding
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.bounds import ExperienceBounds
from td3_driving.learning.trainer import Trainer
from td3_driving.nodes.bridge.messages import path
from td3_driving.nodes.ros.conversions import time_message
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.training.outside_orders import MOVES
from td3_driving.nodes.training.policy import PolicyNode
from td3_driving.nodes.training.reset_calls import EpisodeStart
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import from_flat

from ..extremes import CASES, FEW, Extremes, ends_run, hurl, quieten, say
from ..run_harness import SMALL as SMALL_OF_A_RUN

SMALL_RUN = {name: value for name, value in SMALL_OF_A_RUN.items() if value is not None}


@contextlib.contextmanager
def policy_node(folder: Path, domain_id: int, *options: str) -> Iterator[PolicyNode]:
    """A policy with its first weights; it needs no learner and gets its frames by hand."""
    settings = from_flat({**SMALL_RUN, "run.steps": 10**6, "pacing.learning_starts": 10**5})
    (folder / "config.yaml").write_text(parameter_file(settings))
    arguments = ["--ros-args", "--params-file", str(folder / "config.yaml"), "-p", f"run_dir:={folder}", *options]
    rclpy.init(args=arguments, domain_id=domain_id)
    node = PolicyNode()
    quieten(node)
    node.frames._senders = None
    trainer = Trainer(settings, folder / "learner", state_dim(settings.observation))
    node._action_source.offer(trainer.trained_weights())
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def policy(tmp_path: Path, domain_id: int) -> Iterator[PolicyNode]:
    with policy_node(tmp_path, domain_id) as node:
        yield node


@pytest.fixture
def whole_policy(tmp_path: Path, domain_id: int) -> Iterator[PolicyNode]:
    """One that takes the frames of the embedded simulator."""
    with policy_node(tmp_path, domain_id, "-p", "whole_frames:=true") as node:
        yield node


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
    start = time.monotonic()
    ended = sum(ends_run(take, garbled.bytes_of(data)) for _ in range(CASES))
    say("bytes of an ObjectArray", CASES, ended, time.monotonic() - start)
    hurl(CarlaCollisionEvent(), 12, lambda sent: intake._on_collision(sent, {}), between=frames.whole)
    hurl(CarlaLaneInvasionEvent(), 13, lambda sent: intake._on_crossing(sent, {}), between=frames.whole)
    assert set(sent) == {""}


def test_the_policy_bears_every_whole_frame(whole_policy: PolicyNode) -> None:
    frames, intake = Frames(whole_policy), whole_policy.frames
    genuine = PolicyFrame(frame_height=36, frame_width=36, frame=bytes(36 * 36), vehicle=[5.0, *[0.0] * 6])

    def whole() -> None:
        frames.stamp()
        genuine.header.stamp = frames.odometry.header.stamp
        ends_run(lambda sent: intake._on_whole(sent, {}), genuine)

    hurl(genuine, 18, lambda sent: intake._on_whole(sent, {}), between=whole)


def test_the_policy_bears_every_order_of_others(policy: PolicyNode) -> None:
    orders = policy._others._orders
    hurl(CarlaControl(), 19, lambda sent: orders._on_mode(sent, {}))
    hurl(Bool(), 20, lambda sent: orders._on_override(sent, {}))
    for number, (topic, kind) in enumerate(MOVES.items()):
        hurl(kind(), 21 + number, lambda sent, topic=topic: orders._on_move(topic, sent, {}))
    assert "moved the vehicle" in orders.moved
    orders._on_mode(CarlaControl(command=CarlaControl.PLAY), {})
    orders._on_override(Bool(data=False), {})
    assert orders.in_force() == ""


def test_the_policy_bears_every_answer_to_a_reset(policy: PolicyNode) -> None:
    answer = ResetEpisode.Response(success=True, route=path(np.column_stack((np.arange(30.0), np.zeros((30, 2)))), 0))

    def take(changed: ResetEpisode.Response) -> None:
        policy.reset._asked_at = 0.0
        policy.reset._on_answer(changed, 0, 1)

    hurl(answer, 14, take, cases=FEW)
