# SPDX-License-Identifier: Apache-2.0
"""A gate process over real DDS, on a bench of made-up inputs.

Time is simulated and goes on frame by frame, when everybody has answered: however busy the machine is, a budget is a
number of frames.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy
from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from td3_driving_msgs.msg import GateStatus

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header, time_message

from ..shared.patience import HANG
from .asking import Question

EGO = "carla/ego_vehicle"
COMMAND = f"{EGO}/vehicle_control_cmd"
FRAME_NS = 50_000_000
SILENT = (GateStatus.WAITING, GateStatus.DISENGAGED)
FOREIGN = "foreign"
"""Frame of the commands of somebody else."""


def process(domain: int, *command: str, **environment: str) -> subprocess.Popen[str]:
    """A Python process in a ROS domain; its standard error can be read."""
    variables = {**os.environ, "ROS_DOMAIN_ID": str(domain), **environment}
    return subprocess.Popen([sys.executable, *command], env=variables, stderr=subprocess.PIPE, text=True)


def gate_process(domain: int, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The gate, on simulated time unless ``arguments`` say otherwise."""
    given = ("-p", "use_sim_time:=true", *arguments)
    return process(domain, "-m", "td3_driving.nodes.vehicle.gate", "--ros-args", *given, **environment)


class Bench:
    """Inputs for a gate, frame by frame.

    Args:
        domain: ROS domain of the gate.
        command: topic and type of the vehicle's command.

    Attributes:
        now: stamp of the last frame [ns].
        silent: inputs that do not come: ``camera``, ``odometry``, ``command``.
        speed: of the made-up vehicle [m/s].
        compressed: the camera's images are.
        statuses: what the gate said; ``commands``: what it told the vehicle; ``diagnostics``: its lines by name.
    """

    def __init__(self, domain: int, command: tuple[str, Any] = (COMMAND, CarlaEgoVehicleControl)) -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = Node("bench", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.now, self.frames = 100 * 10**9, 0
        self.silent: set[str] = set()
        self.speed = 5.0
        self.compressed = False
        self.statuses: list[GateStatus] = []
        self.commands: list[Any] = []
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        advertise, listen = self.node.create_publisher, self.node.create_subscription
        self.clock = advertise(Clock, "/clock", qos.BRIDGE)
        self.camera = advertise(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        self.odometry = advertise(Odometry, f"{EGO}/odometry", qos.BRIDGE)
        self.override = advertise(Bool, "manual/override", qos.BRIDGE_LATCHED_ONE)
        self.manual = advertise(CarlaEgoVehicleControl, "manual/command", qos.BRIDGE)
        listen(GateStatus, "gate/status", self.statuses.append, qos.STATUS)
        listen(command[1], command[0], self.commands.append, qos.BRIDGE)
        listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics.update({status.name: status for status in message.status})

    @property
    def status(self) -> GateStatus:
        """What the gate said last."""
        return self.statuses[-1]

    def until(self, condition: Callable[[], Any], what: str, timeout: float = HANG) -> Any:
        """Spin until ``condition`` holds; its value. It must hold within ``timeout`` [s] of wall time."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            said = self.statuses[-1] if self.statuses else "nothing"
            assert time.monotonic() < deadline, f"no {what} within {timeout:.0f} s; the gate said last: {said}"
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """The answer of a service."""
        client: Any = self.node.create_client(kind, name)
        question = Question(client, request)
        self.until(question.answered, f"answer of {name}")
        self.node.destroy_client(client)
        return question.answer

    def trigger(self, name: str) -> Trigger.Response:
        """The answer of one of the gate's services."""
        return self.call(Trigger, name, Trigger.Request())

    def heard_since(self, count: int, *inputs: str) -> bool:
        """Whether the gate spoke of the present frame since there were ``count`` statuses, and commanded if it may.

        Args:
            inputs: that it had of this frame when it spoke: ``camera``, ``odometry``, ``command``. It speaks between
                them, too, and the next frame must not come before it has all of this one.
        """
        told = [s for s in self.statuses[count:] if nanoseconds(s.header.stamp) == self.now]
        if not told or any(getattr(told[-1], f"{name}_age") > 0.0 for name in inputs if name not in self.silent):
            return False
        return told[-1].mode in SILENT or self._commands()

    def _commands(self) -> bool:
        """Whether the last command to the vehicle is the gate's, of this frame: it speaks more often than others."""
        if not self.commands:
            return False
        last = self.commands[-1]
        foreign = getattr(last, "header", None) is not None and last.header.frame_id == FOREIGN
        return not foreign and nanoseconds(last.header.stamp if hasattr(last, "header") else last.stamp) == self.now

    def send_inputs(self) -> None:
        """Clock, odometry and image of the present frame."""
        self.clock.publish(Clock(clock=time_message(self.now)))
        if "odometry" not in self.silent:
            moved = Odometry(header=header(self.now, "map"))
            moved.pose.pose.orientation.w, moved.twist.twist.linear.x = 1.0, self.speed
            self.odometry.publish(moved)
        if "camera" not in self.silent:
            content = bytes([self.frames % 256])
            if self.compressed:
                self.camera.publish(CompressedImage(header=header(self.now, "camera"), format="jpeg", data=content))
            else:
                image = Image(header=header(self.now, "camera"), width=1, height=1, step=1, encoding="mono8")
                image.data = content
                self.camera.publish(image)

    def step(self, frames: int = 1) -> GateStatus:
        """Some frames; the gate's last word on the last one."""
        raise NotImplementedError

    def active(self) -> bool:
        """Whether the policy drives after another frame. A busy machine sends no frames for a while, for which the gate
        latches a stop: it is taken back."""
        status = self.step()
        if status.latched and status.reason.startswith("clock: it stands still"):
            self.trigger("gate/reset")
        return bool(status.mode == GateStatus.ACTIVE)

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


class MadeUp(Bench):
    """A bench whose policy is made up, too: it always asks for ``throttle`` and ``steer``."""

    def __init__(self, domain: int, command: tuple[str, Any] = (COMMAND, CarlaEgoVehicleControl)) -> None:
        super().__init__(domain, command)
        self.policy = self.node.create_publisher(CarlaEgoVehicleControl, "policy/command", qos.BRIDGE)
        self.throttle, self.steer = 0.2, 0.0

    def step(self, frames: int = 1) -> GateStatus:
        """Some frames; the gate's last word on the last one."""
        for _ in range(frames):
            self.now, self.frames = self.now + FRAME_NS, self.frames + 1
            self.send_inputs()
            seen = partial(self.heard_since, len(self.statuses), "camera", "odometry")
            self.until(seen, "word of the gate on this frame")
            if "command" not in self.silent:
                sent = CarlaEgoVehicleControl(header=header(self.now, ""), throttle=self.throttle, steer=self.steer)
                count = len(self.statuses)
                self.policy.publish(sent)
                self.until(partial(self.heard_since, count, "command"), "word of the gate on this command")
        return self.status

    def meet(self) -> None:
        """The gate has all inputs, and its word arrives here: the present frame is shown until it does."""
        inputs = (self.clock, self.camera, self.odometry, self.policy)
        self.until(lambda: all(made.get_subscription_count() for made in inputs), "gate")

        def greeted() -> bool:
            self.send_inputs()
            return bool(self.statuses) and nanoseconds(self.status.header.stamp) == self.now

        self.until(greeted, "gate on simulated time")

    def engage(self) -> None:
        """Frames until the policy drives."""
        self.meet()
        self.until(self.active, "active gate")


def end(running: subprocess.Popen[str]) -> None:
    """SIGKILL, unless it has ended."""
    running.kill()
    running.wait()
    if running.stderr is not None:
        running.stderr.close()
