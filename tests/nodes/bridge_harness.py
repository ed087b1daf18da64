# SPDX-License-Identifier: Apache-2.0
"""A simulator process and a client beside it, over real DDS in a domain of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from carla_msgs.srv import GetBlueprints
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos

from ..shared.patience import HANG
from .asking import Question

EGO = "carla/ego_vehicle"
SMALL = {
    "simulator.map": "straight",
    "simulator.vehicles": 3,
    "simulator.route": "100 -1.75 400 -1.75",
    "simulator.camera_width": 64,
    "simulator.camera_height": 36,
    "simulator.control_timeout": 20.0,
}


SIMULATOR = ("-m", "td3_driving.nodes.bridge.simulator")


def start(
    domain: int, arguments: tuple[str, ...] = (), program: tuple[str, ...] = SIMULATOR, **settings: Any
) -> subprocess.Popen[str]:
    """The simulator as a process; ``settings`` names the parameters of its ``simulator`` group."""
    values = {**SMALL, **{f"simulator.{name}": value for name, value in settings.items() if name != "faults"}}
    values["faults"] = settings.get("faults", "")
    parameters = [part for name, value in values.items() for part in ("-p", f"{name}:={_yaml(value)}")]
    command = [sys.executable, *program, "--ros-args", *arguments, *parameters]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _yaml(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


class Client:
    """A node that drives the simulator and keeps what it hears."""

    def __init__(self, domain: int, namespace: str = "") -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = Node("client", context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self._command = self.node.create_publisher(CarlaEgoVehicleControl, f"{EGO}/vehicle_control_cmd", qos.BRIDGE)
        self.listen(f"{EGO}/rgb_front/image", Image)
        self.listen(f"{EGO}/odometry", Odometry)

    def listen(self, topic: str, kind: Any, profile: QoSProfile = qos.BRIDGE) -> None:
        """Keep the messages of a topic in ``heard``."""
        self.node.create_subscription(kind, topic, self.heard[topic].append, profile)

    def until(self, condition: Callable[[], Any], timeout: float = HANG) -> Any:
        """Spin until ``condition`` holds; its value. It must hold within ``timeout`` [s]."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, "the simulator did not do in time what the test waits for"
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def listen_for(self, seconds: float) -> None:
        """Spin for a while: whoever claims that nothing comes has to give it the time to come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def stamps(self, topic: str) -> list[int]:
        """Stamps [ns] of what was heard on a topic."""
        return [nanoseconds(message.header.stamp) for message in self.heard[topic]]

    @property
    def last(self) -> int:
        """Stamp of the last complete frame [ns], 0 before the first."""
        complete = set(self.stamps(f"{EGO}/rgb_front/image")) & set(self.stamps(f"{EGO}/odometry"))
        return max(complete, default=0)

    def first_frame(self) -> int:
        """Send commands until frames come; the simulator waits for the command of the last one."""
        while not self.last:
            self.send()
            self.listen_for(0.2)
        self.settle()
        return self.last

    def settle(self) -> None:
        """What was sent so far has taken effect and was heard of: the simulator answers calls after messages."""
        for _ in range(2):
            self.call(GetBlueprints, "carla/get_blueprints", GetBlueprints.Request(filter="vehicle.*"))
        self.listen_for(0.3)

    def send(self, **command: Any) -> None:
        """One command."""
        self._command.publish(CarlaEgoVehicleControl(**command))

    def step(self, **command: Any) -> Odometry:
        """One command, and the odometry of the frame that follows."""
        before = self.last
        self.send(**command)
        self.until(lambda: self.last > before)
        return self.heard[f"{EGO}/odometry"][-1]

    def call(self, kind: Any, name: str, request: Any, once: bool = False) -> Any:
        """The answer of a service; ``once``: it must not be asked again where no answer comes."""
        client: Any = self.node.create_client(kind, name)
        question = Question(client, request, once)
        self.until(question.answered)
        self.node.destroy_client(client)
        return question.answer

    def publisher(self, kind: Any, topic: str, profile: QoSProfile = qos.BRIDGE) -> Any:
        """A publisher that the simulator already listens to."""
        made = self.node.create_publisher(kind, topic, profile)
        self.until(lambda: made.get_subscription_count() > 0)
        return made

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


def stop(process: subprocess.Popen[str], how: int = signal.SIGINT) -> tuple[int, str]:
    """End a simulator: exit code and standard error."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        _, errors = process.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, errors


def end(process: subprocess.Popen[str], how: int = signal.SIGINT) -> None:
    """End a simulator, which must end well, whatever was done to it before."""
    code, errors = stop(process, how)
    assert (code, "Traceback" in errors) == (0, False), errors
