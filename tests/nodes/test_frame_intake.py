"""Frames and the events within them, over real DDS."""

from __future__ import annotations

import array
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaCollisionEvent
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import Image

from td3_driving.nodes import qos
from td3_driving.nodes.conversions import header
from td3_driving.nodes.fast_wait import take_message
from td3_driving.nodes.frame_intake import EGO, FrameIntake, Moment
from td3_driving.settings import from_flat

WIDTH, HEIGHT = 64, 36
STEP_NS = 50_000_000
TIMEOUT = 30.0


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

    def __init__(self, node: Node) -> None:
        self._images = node.create_publisher(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        self._collisions = node.create_publisher(CarlaCollisionEvent, f"{EGO}/collision", qos.BRIDGE)
        self._odometries = node.create_publisher(Odometry, f"{EGO}/odometry", qos.BRIDGE)

    def heard(self) -> bool:
        """Whether somebody listens to each topic."""
        return all(made.get_subscription_count() for made in (self._images, self._collisions, self._odometries))

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


def take_frame(intake: FrameIntake) -> None:
    """Image and odometry, as from a wait that saw nothing of the events."""
    deadline = time.monotonic() + TIMEOUT
    for subscription in intake.subscriptions[2:]:
        while not take_message(subscription):
            assert time.monotonic() < deadline, f"nothing on {subscription.topic_name}"


def test_an_event_belongs_to_its_frame_whatever_a_wait_saw_first(node: Node) -> None:
    moments: list[Moment] = []
    intake = FrameIntake(node, from_flat({}), moments.append, pytest.fail)
    simulator = Simulator(node)
    deadline = time.monotonic() + TIMEOUT
    while not simulator.heard():
        assert time.monotonic() < deadline, "nobody listens"
    simulator.frame(1)
    take_frame(intake)
    intake.start(2 * STEP_NS)
    for number, (collided, early) in enumerate([(False, False), (True, False), (False, True), (False, False)], start=2):
        simulator.frame(number, collided=collided, early=early)
        take_frame(intake)
    assert [moment.collided for moment in moments] == [False, True, False, True]
