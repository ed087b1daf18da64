# SPDX-License-Identifier: Apache-2.0
"""The last words of a node over real DDS."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from ...shared.patience import HANG

pytest.importorskip("rclpy", reason="ROS 2 is not there; run: make build")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import UInt8MultiArray

COUNT, SIZE = 3, 1_000_000
SPEAKER = f"""
import os, sys, time
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import UInt8MultiArray
from td3_driving.nodes.ros.ending import await_arrival

rclpy.init(domain_id=int(sys.argv[1]))
words = Node("speaker").create_publisher(UInt8MultiArray, "words", QoSProfile(depth={COUNT}))
deadline = time.monotonic() + {HANG}
while words.get_subscription_count() == 0 and time.monotonic() < deadline:
    time.sleep(0.01)
for number in range({COUNT}):
    words.publish(UInt8MultiArray(data=bytes([number]) * {SIZE}))
await_arrival(words)
os._exit(0)
"""


def test_what_was_said_last_arrives(domain_id: int) -> None:
    """The speaker is gone at once; three large messages take longer than that to travel."""
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain_id)
    node, executor = Node("ear", context=context), SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[int] = []
    node.create_subscription(UInt8MultiArray, "words", lambda said: heard.append(said.data[0]), QoSProfile(depth=COUNT))
    speaker = subprocess.Popen([sys.executable, "-c", SPEAKER, str(domain_id)])
    deadline = time.monotonic() + HANG
    while (speaker.poll() is None or len(heard) < COUNT) and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert speaker.wait(HANG) == 0
    assert heard == list(range(COUNT))
