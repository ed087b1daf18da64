# SPDX-License-Identifier: Apache-2.0
"""Lockstep steps per second through ROS 2, beside a bare rclpy ping-pong of the same image size, in one run.

Both exchange one 256x144 bgra8 image and one odometry for one command per step, in separate processes over real DDS.
Also: time from camera message to command, with the policy's network on the CPU.
"""

from __future__ import annotations

import array
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from derived_object_msgs.msg import ObjectArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import EpisodeSummary
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving.decoding import nanoseconds
from td3_driving.launching.child import command
from td3_driving.launching.node_table import RunOptions, processes
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import time_message
from td3_driving.runs.profiles import load_profile, parameter_file, profile_path
from td3_driving.settings import PacingSettings, Settings, from_flat
from td3_driving.trust.token import renew_token

WIDTH, HEIGHT = 256, 144
WARM_UP, COUNTED = 200, 2000
STACK_STEPS = 3000
COMMANDS = 800
FRAME_TIME = 0.05
TIMEOUT = 120.0
EGO = "carla/ego_vehicle"
DOMAIN = "97"


class Server(Node):
    """Publishes the next frame as soon as the command for the last one has come."""

    def __init__(self) -> None:
        super().__init__("bench_server")
        self._image = Image(height=HEIGHT, width=WIDTH, encoding="bgra8", step=4 * WIDTH)
        self._image.data = array.array("B", bytes(4 * WIDTH * HEIGHT))
        self._odometry = Odometry()
        self._images = self.create_publisher(Image, "bench/image", qos.BRIDGE)
        self._odometries = self.create_publisher(Odometry, "bench/odometry", qos.BRIDGE)
        self.create_subscription(CarlaEgoVehicleControl, "bench/command", self._on_command, qos.BRIDGE)
        self.frames = 0
        self.times: list[float] = []

    def connected(self) -> bool:
        """Whether the client listens and is listened to."""
        heard = all(publisher.get_subscription_count() for publisher in (self._images, self._odometries))
        return heard and self.count_publishers("bench/command") > 0

    def send(self) -> None:
        """One frame."""
        self.frames += 1
        self._image.header.stamp.nanosec = self._odometry.header.stamp.nanosec = self.frames
        self._images.publish(self._image)
        self._odometries.publish(self._odometry)

    def _on_command(self, message: CarlaEgoVehicleControl) -> None:
        self.times.append(time.perf_counter())
        self.send()


class Client(Node):
    """Answers each complete frame with a command; image and odometry come in any order."""

    def __init__(self) -> None:
        super().__init__("bench_client")
        self._stamps = {Image: 0, Odometry: 0}
        self._commands = self.create_publisher(CarlaEgoVehicleControl, "bench/command", qos.BRIDGE)
        self.create_subscription(Image, "bench/image", self._on_message, qos.BRIDGE)
        self.create_subscription(Odometry, "bench/odometry", self._on_message, qos.BRIDGE)

    def _on_message(self, message: Image | Odometry) -> None:
        self._stamps[type(message)] = message.header.stamp.nanosec
        if self._stamps[Image] == self._stamps[Odometry]:
            self._commands.publish(CarlaEgoVehicleControl(header=message.header))


def client() -> None:
    """The other process of the ping-pong."""
    rclpy.init(args=[])
    executor = SingleThreadedExecutor()
    executor.add_node(Client())
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException, RCLError):
        # Ended in the middle of an answer, it has no context left to publish with.
        return


def spin_until(executor: SingleThreadedExecutor, reached: Callable[[], bool], what: str) -> None:
    """Handle messages until ``reached``.

    Raises:
        TimeoutError: that did not happen in time.
    """
    deadline = time.monotonic() + TIMEOUT
    while not reached():
        executor.spin_once(timeout_sec=0.1)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not seen within {TIMEOUT:.0f} s")


def ping_pong() -> float:
    """Steps per second of the bare exchange."""
    other = subprocess.Popen([sys.executable, __file__, "client"])
    executor = SingleThreadedExecutor()
    server = Server()
    executor.add_node(server)
    try:
        spin_until(executor, server.connected, "the client")
        # The first frames may be lost: the two ends learn of each other one after the other.
        while not server.times:
            server.send()
            executor.spin_once(timeout_sec=0.5)
        spin_until(executor, lambda: len(server.times) >= WARM_UP + COUNTED, "the last command")
    finally:
        other.terminate()
        other.wait(10.0)
        executor.remove_node(server)
        server.destroy_node()
    return COUNTED / (server.times[WARM_UP + COUNTED - 1] - server.times[WARM_UP - 1])


class Listener(Node):
    """Notes when episodes ended."""

    def __init__(self) -> None:
        super().__init__("bench_listener")
        self.marks: list[tuple[float, int]] = []
        self.create_subscription(EpisodeSummary, "td3/episode", self._on_episode, qos.EPISODE)

    def _on_episode(self, message: EpisodeSummary) -> None:
        self.marks.append((time.perf_counter(), message.step))


class Camera(Node):
    """A vehicle with a camera at 20 Hz that drives straight on; notes how long each command took."""

    def __init__(self) -> None:
        super().__init__("bench_camera")
        self.latencies: list[float] = []
        self._image = Image(height=HEIGHT, width=WIDTH, encoding="bgra8", step=4 * WIDTH)
        self._image.data = array.array("B", bytes(4 * WIDTH * HEIGHT))
        self._odometry = Odometry()
        self._odometry.pose.pose.orientation.w = 1.0
        self._odometry.twist.twist.linear.x = 2.0
        self._time_ns, self._sent_at, self._x = 10**9, 0.0, 0.0
        self._images = self.create_publisher(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        self._odometries = self.create_publisher(Odometry, f"{EGO}/odometry", qos.BRIDGE)
        self._objects = self.create_publisher(ObjectArray, f"{EGO}/objects", qos.BRIDGE)
        self.create_subscription(CarlaEgoVehicleControl, f"{EGO}/vehicle_control_cmd", self._on_command, qos.BRIDGE)
        self.create_service(ResetEpisode, "td3/reset_episode", self._on_reset)
        self.create_timer(FRAME_TIME, self._send)

    def _on_reset(self, request: ResetEpisode.Request, answer: ResetEpisode.Response) -> ResetEpisode.Response:
        self._x = 0.0
        answer.success, answer.stamp = True, time_message(self._time_ns + round(FRAME_TIME * 1e9))
        answer.route = PathMessage(poses=[PoseStamped() for _ in range(300)])
        for number, pose in enumerate(answer.route.poses):
            pose.pose.position.x = float(number)
        return answer

    def _send(self) -> None:
        self._time_ns += round(FRAME_TIME * 1e9)
        self._x += 0.1
        self._odometry.pose.pose.position.x = self._x
        self._image.header.stamp = self._odometry.header.stamp = time_message(self._time_ns)
        self._sent_at = time.perf_counter()
        self._images.publish(self._image)
        self._odometries.publish(self._odometry)
        self._objects.publish(ObjectArray(header=self._image.header))

    def _on_command(self, message: CarlaEgoVehicleControl) -> None:
        if nanoseconds(message.header.stamp) == self._time_ns:
            self.latencies.append(time.perf_counter() - self._sent_at)


def acting_only(settings: Settings, steps: int) -> Settings:
    """The settings with the network acting from the first step and learning beyond the end of the run."""
    changed = from_flat({"run.steps": steps, "exploration.random_steps": 0, "episode.max_steps": 200}, settings)
    return replace(changed, pacing=PacingSettings(learning_starts=10 * steps))


def drive(
    settings: Settings, node: Node, simulator: str, finished: Callable[[dict[str, subprocess.Popen[bytes]]], bool]
) -> None:
    """A run without diagnostics and with an idle learner beside ``node``, until ``finished``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(parameter_file(settings))
        renew_token(folder)
        specs = [spec for spec in processes(RunOptions(folder, simulator)) if spec.executable != "diagnostics"]
        words = {spec.name: command(spec, str(folder / "config.yaml")) for spec in specs}
        children = {name: subprocess.Popen(line, stderr=subprocess.DEVNULL) for name, line in words.items()}
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            spin_until(executor, lambda: finished(children), "the end of the run")
        finally:
            for child in children.values():
                child.terminate()
            for child in children.values():
                child.wait(20.0)
            executor.remove_node(node)


def report(name: str, value: float, unit: str, baseline: float | None, ratio: float | None) -> None:
    """One line of the result."""
    rounded = {"name": name, "value": round(value, 3), "unit": unit}
    rounded |= {
        "baseline": None if baseline is None else round(baseline, 3),
        "ratio": None if ratio is None else round(ratio, 3),
    }
    print(json.dumps(rounded), flush=True)


def begin() -> float:
    """Join the graph; measure, print and return the steps per second of the bare exchange."""
    os.environ.update(ROS_DOMAIN_ID=DOMAIN, ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    rclpy.init(args=[])
    bare = ping_pong()
    report("bare rclpy ping-pong, 256x144 bgra8", bare, "steps/s", None, None)
    return bare


def main() -> None:
    """Measure and print."""
    bare = begin()
    for profile in ("validation_5k", "quick"):
        listener = Listener()
        settings = acting_only(load_profile(profile_path(profile)), STACK_STEPS)
        drive(settings, listener, "embedded", lambda children: children["policy"].poll() is not None)
        (start, before), (end, after) = listener.marks[0], listener.marks[-1]
        rate = (after - before) / (end - start)
        report(f"lockstep, 20 cars, policy acting, no learning, {profile}", rate, "steps/s", bare, rate / bare)
    camera = Camera()
    settings = acting_only(load_profile(profile_path("validation_5k")), STACK_STEPS)
    drive(settings, camera, "none", lambda children: len(camera.latencies) >= COMMANDS)
    for percentile in (50, 99):
        value = float(np.percentile(camera.latencies[-COMMANDS // 2 :], percentile)) * 1e3
        report(f"camera message to command at 20 Hz, validation_5k, p{percentile}", value, "ms", 10.0, value / 10.0)
    rclpy.shutdown()


if __name__ == "__main__":
    client() if sys.argv[1:] == ["client"] else main()
