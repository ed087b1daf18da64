# SPDX-License-Identifier: Apache-2.0
"""``hears.py TOPIC package/Message [SECONDS]``: whether a topic speaks; 0 if a message comes in time, else 1."""

from __future__ import annotations

import sys
import time
from importlib import import_module

import rclpy
from rclpy.node import Node


def main() -> int:
    """Listen until the first message."""
    topic, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 8.0
    package, name = kind.split("/")
    message = getattr(import_module(f"{package}.msg"), name)
    rclpy.init(args=[])
    node = Node("hears", enable_rosout=False, start_parameter_services=False)
    heard: list[object] = []
    node.create_subscription(message, topic, heard.append, 1)
    deadline = time.monotonic() + seconds
    while not heard and (left := deadline - time.monotonic()) > 0.0:
        rclpy.spin_once(node, timeout_sec=left)
    return 0 if heard else 1


if __name__ == "__main__":
    sys.exit(main())
