# SPDX-License-Identifier: Apache-2.0
"""Frames and the events within them, over real DDS."""

from __future__ import annotations

import array
import math
import time
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaCollisionEvent
from derived_object_msgs.msg import Object, ObjectArray
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from shape_msgs.msg import SolidPrimitive
from td3_driving_msgs.msg import PolicyFrame

from td3_driving.driving.object_list import LENGTH, NUMBERS, QW, X, serialised
from td3_driving.driving.topics import EGO, FRAME
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header
from td3_driving.nodes.ros.fast_wait import take_message
from td3_driving.nodes.training.frame_intake import FrameIntake, SensorFrame
from td3_driving.nodes.training.object_source import FULL_LIST, OWN_LIST, PATIENCE
from td3_driving.settings import from_flat

WIDTH, HEIGHT = 64, 36
STEP_NS = 50_000_000


@pytest.fixture
def node(domain_id: int) -> Iterator[Node]:
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    made = Node("intake", context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


class Simulator:
    """Publishes frames in the bridge's order: image, events, odometry."""

    def __init__(self, node: Node, objects: str = "") -> None:
        self._images = node.create_publisher(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        self._collisions = node.create_publisher(CarlaCollisionEvent, f"{EGO}/collision", qos.BRIDGE)
        self._odometries = node.create_publisher(Odometry, f"{EGO}/odometry", qos.BRIDGE)
        self._objects = node.create_publisher(ObjectArray, objects, qos.BRIDGE) if objects else None

    def heard(self) -> bool:
        """Whether somebody listens to each topic."""
        made = [self._images, self._collisions, self._odometries, *([self._objects] if self._objects else [])]
        return all(publisher.get_subscription_count() for publisher in made)

    def objects(self, number: int, *places: float) -> None:
        """The object list of frame ``number``: cars at rest on the x axis."""
        assert self._objects is not None
        rows = np.zeros((len(places), NUMBERS))
        rows[:, X], rows[:, QW], rows[:, LENGTH] = places, 1.0, 4.0
        ids = np.arange(len(places))
        self._objects.publish(serialised(number * STEP_NS, ids, ids, rows))

    def frame(self, number: int, *, collided: bool = False, early: bool = False) -> None:
        """Frame ``number``; with ``early``, the event of the frame after it is already there."""
        image = Image(header=header(number * STEP_NS, ""), width=WIDTH, height=HEIGHT, step=4 * WIDTH, encoding="bgra8")
        image.data = array.array("B", bytes(4 * WIDTH * HEIGHT))
        self._images.publish(image)
        if collided or early:
            self._collisions.publish(CarlaCollisionEvent(header=header((number + early) * STEP_NS, "")))
        odometry = Odometry(header=header(number * STEP_NS, "map"))
        odometry.pose.pose.orientation.w = 1.0
        self._odometries.publish(odometry)


def wait(simulator: Simulator) -> None:
    """Until everything that is published is heard."""
    deadline = time.monotonic() + HANG
    while not simulator.heard():
        assert time.monotonic() < deadline, "nobody listens"


def take_frame(intake: FrameIntake) -> None:
    """Image and odometry, as from a wait that saw nothing of the events."""
    deadline = time.monotonic() + HANG
    for subscription in intake.subscriptions[2:]:
        while not take_message(subscription):
            assert time.monotonic() < deadline, f"nothing on {subscription.topic_name}"


def test_an_event_belongs_to_its_frame_whatever_a_wait_saw_first(node: Node) -> None:
    sensor_frames: list[SensorFrame] = []
    intake = FrameIntake(node, from_flat({}), sensor_frames.append, pytest.fail)
    simulator = Simulator(node)
    wait(simulator)
    simulator.frame(1)
    take_frame(intake)
    intake.start(2 * STEP_NS)
    for number, (collided, early) in enumerate([(False, False), (True, False), (False, True), (False, False)], start=2):
        simulator.frame(number, collided=collided, early=early)
        take_frame(intake)
    assert [sensor_frame.collided for sensor_frame in sensor_frames] == [False, True, False, True]


def take(subscription: Subscription) -> None:
    """One message."""
    deadline = time.monotonic() + HANG
    while not take_message(subscription):
        assert time.monotonic() < deadline, f"nothing on {subscription.topic_name}"


def test_a_frame_waits_for_its_own_objects_wherever_they_come_in_it(node: Node) -> None:
    sensor_frames: list[SensorFrame] = []
    intake = FrameIntake(node, from_flat({}), sensor_frames.append, pytest.fail, others=True)
    simulator = Simulator(node, OWN_LIST)
    wait(simulator)
    intake.start(2 * STEP_NS)
    image, odometry, objects = intake.subscriptions[2:]
    for number, order in enumerate(permutations((image, odometry, objects)), start=2):
        simulator.frame(number)
        simulator.objects(number, 10.0 * number, 20.0)
        for subscription in order:
            assert len(sensor_frames) == number - 2, "not before the last of the three"
            take(subscription)
        assert len(sensor_frames) == number - 1
        assert sensor_frames[-1].neighbours.x.tolist() == [10.0 * number, 20.0]
        assert sensor_frames[-1].vehicle.stamp_ns == number * STEP_NS


def test_objects_of_another_frame_complete_none(node: Node) -> None:
    sensor_frames: list[SensorFrame] = []
    intake = FrameIntake(node, from_flat({}), sensor_frames.append, pytest.fail, others=True)
    simulator = Simulator(node, OWN_LIST)
    wait(simulator)
    intake.start(2 * STEP_NS)
    simulator.frame(2)
    simulator.objects(3, 10.0)
    take_frame(intake)
    assert sensor_frames == []
    assert "missing: nothing, but no stamp has all parts" in intake.silent(time.monotonic())


def test_what_is_missing_is_said(node: Node) -> None:
    intake = FrameIntake(node, from_flat({}), lambda _: None, pytest.fail, others=True)
    simulator = Simulator(node, OWN_LIST)
    wait(simulator)
    intake.start(STEP_NS)
    assert "missing: image, odometry, objects" in intake.silent(time.monotonic())
    simulator.frame(1)
    for subscription in intake.subscriptions[2:4]:
        take(subscription)
    said = intake.silent(intake.last_at + 7.0)
    assert said == "no complete frame (image, odometry and objects with one stamp) for 7 s; missing: objects"


def test_the_list_with_the_vehicle_serves_where_it_is_the_only_one(node: Node) -> None:
    """After a while, lest the other one is only being found later; the vehicle itself is left out."""
    sensor_frames: list[SensorFrame] = []
    intake = FrameIntake(node, from_flat({}), sensor_frames.append, pytest.fail, others=True)
    assert "nobody publishes carla/ego_vehicle/objects or carla/objects" in intake.before_first_frame(0.0)
    simulator = Simulator(node, FULL_LIST)
    deadline = time.monotonic() + HANG
    while not node.count_publishers(FULL_LIST):
        assert time.monotonic() < deadline, "the publisher is not found"
    assert "nobody publishes" in intake.before_first_frame(10.0)
    assert "nobody publishes" in intake.before_first_frame(10.0 + 0.9 * PATIENCE)
    intake.before_first_frame(10.0 + PATIENCE)
    assert intake.before_first_frame(11.0 + PATIENCE) == ""
    assert intake.subscriptions[-1].topic_name == f"/{FULL_LIST}"
    wait(simulator)
    intake.start(STEP_NS)
    simulator.frame(1)
    simulator.objects(1, 0.0, 12.0)
    take_frame(intake)
    assert sensor_frames[0].neighbours.x.tolist() == [12.0], "the vehicle is at 0"


def test_an_unusable_list_is_a_fault_and_a_list_of_another_form_is_not(node: Node) -> None:
    sensor_frames: list[SensorFrame] = []
    faults: list[str] = []
    intake = FrameIntake(node, from_flat({}), sensor_frames.append, faults.append, others=True)
    simulator = Simulator(node, OWN_LIST)
    publisher = node.create_publisher(ObjectArray, OWN_LIST, qos.BRIDGE)
    wait(simulator)
    intake.start(STEP_NS)
    deadline = time.monotonic() + HANG
    while not publisher.get_subscription_count():
        assert time.monotonic() < deadline, "nobody listens"
    thing = Object(shape=SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[1.0]))
    thing.pose.position.x, thing.pose.orientation.w = 8.0, 1.0
    simulator.frame(1)
    publisher.publish(ObjectArray(header=header(STEP_NS, "somewhere"), objects=[thing]))
    take_frame(intake)
    assert (sensor_frames[0].neighbours.x.tolist(), faults) == ([8.0], [])
    thing.pose.position.x = math.nan
    publisher.publish(ObjectArray(header=header(2 * STEP_NS, "somewhere"), objects=[thing]))
    take(intake.subscriptions[-1])
    assert faults == ["unusable object list: pose, velocity or size of an object is not finite"]


def test_a_whole_frame_is_its_own_events_and_vehicles(node: Node) -> None:
    """The simulator's own message: as from the bridge's topics, an event counts for the frame that it comes with."""
    sensor_frames: list[SensorFrame] = []
    faults: list[str] = []
    settings = from_flat({"observation.frame_height": 42, "observation.frame_width": 42})
    intake = FrameIntake(node, settings, sensor_frames.append, faults.append, others=True, whole=True)
    publisher = node.create_publisher(PolicyFrame, FRAME, qos.BRIDGE)
    (subscription,) = intake.subscriptions
    deadline = time.monotonic() + HANG
    while not publisher.get_subscription_count():
        assert time.monotonic() < deadline, "nobody listens"

    def send(number: int, pixels: int = 42 * 42, **events: int) -> None:
        message = PolicyFrame(header=header(number * STEP_NS, "map"), frame_height=42, frame_width=42, **events)
        message.frame = array.array("B", bytes([number]) * pixels)
        message.others = array.array("d", [float(number), 0.0, 0.0, 1.0, 4.0])
        publisher.publish(message)
        take(subscription)

    send(1, collisions=1)
    intake.start(2 * STEP_NS)
    assert intake.silent(intake.last_at + 7.0).startswith(f"no complete frame (topic /{FRAME}) for 7 s; missing: frame")
    send(2)
    send(3, collisions=2, lane_invasions=3)
    send(4)
    assert [seen.collided for seen in sensor_frames] == [False, True, False]
    assert [seen.crossings for seen in sensor_frames] == [0, 1, 0], "a frame crosses or it does not"
    assert [int(seen.frame.mean()) for seen in sensor_frames] == [2, 3, 4]
    assert [seen.neighbours.x.tolist() for seen in sensor_frames] == [[2.0], [3.0], [4.0]]
    send(6)
    assert faults == ["1 frame(s) lost before the one at 0.30 s"]
    send(7, pixels=5)
    assert faults[1:] == ["unusable frame: a frame of 42x42 with 5 bytes, needed are 42x42 with 1764"]
    send(1)
    assert len(faults) == 3 and "the clock went back to 0.05 s" in faults[2] and len(sensor_frames) == 3
