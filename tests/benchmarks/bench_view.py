# SPDX-License-Identifier: Apache-2.0
"""What looking on costs: lockstep steps per second without a visualizer, with an idle one, and with a viewer."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import rclpy
from bench_lockstep import DOMAIN, Listener, acting_only, drive, report
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from td3_driving.nodes.ros import qos
from td3_driving.runs.profiles import load_profile, profile_path

STEPS = 1500


class Viewer(Listener):
    """Also subscribes to everything that a visualizer makes, as RViz does."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0
        self.create_subscription(Image, "td3/view/image", self._on_image, qos.onlooker(1))
        self.create_subscription(MarkerArray, "td3/markers", lambda _: None, qos.MARKERS)
        self.create_subscription(TFMessage, "tf", lambda _: None, qos.TF)

    def _on_image(self, _: Image) -> None:
        self.images += 1


def rate(listener: Listener, visualizer: bool) -> float:
    """Steps per second from the end of the first episode on."""
    settings = acting_only(load_profile(profile_path("quick")), STEPS)
    with ExitStack() as held:
        if visualizer:
            words = [sys.executable, "-m", "td3_driving.launching.child", "visualizer"]
            process = held.enter_context(subprocess.Popen(words))
            held.callback(process.terminate)
        drive(settings, listener, "embedded", lambda children: children["policy"].poll() is not None)
    (start, before), (end, after) = listener.marks[0], listener.marks[-1]
    listener.destroy_node()
    return (after - before) / (end - start)


def main() -> None:
    """Measure and print."""
    os.environ.update(ROS_DOMAIN_ID=DOMAIN, ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    rclpy.init(args=[])
    alone = rate(Listener(), visualizer=False)
    report("lockstep, quick, no visualizer", alone, "steps/s", None, None)
    idle = rate(Listener(), visualizer=True)
    report("lockstep, quick, a visualizer that nobody watches", idle, "steps/s", alone, idle / alone)
    viewer = Viewer()
    watched = rate(viewer, visualizer=True)
    report("lockstep, quick, image, markers and frames watched", watched, "steps/s", alone, watched / alone)
    report("images shown meanwhile", viewer.images, "images", None, None)
    rclpy.shutdown()


if __name__ == "__main__":
    main()
