# SPDX-License-Identifier: Apache-2.0
"""The drive node as a process of its own, in which importing torch fails, and a test beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from carla_msgs.msg import CarlaEgoVehicleControl
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import PolicyTick
from td3_driving_msgs.srv import SwapBundle

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import time_message

from .asking import Question
from .bridge_harness import EGO, Client

FRAME_NS = 50_000_000
WIDTH, HEIGHT = 64, 36
WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "safetensors", "tensorboard"):
            raise ModuleNotFoundError(f"{name} is not there on a vehicle", name=name)
sys.meta_path.insert(0, Blocked())
from td3_driving.nodes.vehicle.drive import main
main()
"""
PYTHON = os.environ.get("TD3_DRIVING_VEHICLE_PYTHON", sys.executable)
"""The node's interpreter: this one, or that of an environment in which there is no torch, see tools/vehicle_env.sh."""
COMMAND, TICK = "policy/command", "policy/tick"
TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "shutdown": Transition.TRANSITION_ACTIVE_SHUTDOWN,
}


def start_drive(domain: int, bundle: Path | str, *rules: str, **changes: Any) -> subprocess.Popen[str]:
    """The node as a process; ``changes`` are its parameters, ``rules`` remappings."""
    values = {"bundle": str(bundle), "autostart": True, "sensor_qos": "reliable", **changes}
    words = [part for name, value in values.items() for part in ("-p", f"drive.{name}:={_yaml(value)}")]
    words += [part for rule in rules for part in ("-r", rule)]
    return subprocess.Popen(
        [PYTHON, "-c", WITHOUT_TORCH, "--ros-args", *words],
        env={**os.environ, "ROS_DOMAIN_ID": str(domain)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _yaml(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def state_of(client: Client) -> str:
    """Label of the node's lifecycle state."""
    return str(client.call(GetState, "drive/get_state", GetState.Request()).current_state.label)


def change_state(client: Client, transition: str) -> bool:
    """Ask the node for a lifecycle transition; whether it succeeded."""
    request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
    return bool(client.call(ChangeState, "drive/change_state", request, once=True).success)


class Vehicle(Client):
    """A vehicle that is where the test puts it, with a camera that sees what the test makes up."""

    def __init__(self, domain: int, namespace: str = "") -> None:
        super().__init__(domain, namespace)
        self.stamp_ns = 10**9
        self.statuses: dict[str, DiagnosticStatus] = {}
        self.listen(COMMAND, CarlaEgoVehicleControl)
        self.listen(TICK, PolicyTick, qos.STATUS)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)
        make = self.node.create_publisher
        self.images = make(Image, f"{EGO}/rgb_front/image", qos.BRIDGE)
        self.odometry = make(Odometry, f"{EGO}/odometry", qos.BRIDGE)
        self.routes = make(PathMessage, f"{EGO}/waypoints", qos.BRIDGE_LATCHED)
        self._random = np.random.default_rng(0)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.statuses.update({status.name: status for status in message.status})

    @property
    def ticks(self) -> list[PolicyTick]:
        """The decisions heard of."""
        return self.heard[TICK]

    @property
    def commands(self) -> list[CarlaEgoVehicleControl]:
        """The commands heard."""
        return self.heard[COMMAND]

    def give_route(self, length: int = 300) -> None:
        """A straight route along the x axis of the map."""
        path = PathMessage(poses=[PoseStamped() for _ in range(length)])
        for number, pose in enumerate(path.poses):
            pose.pose.position.x = float(number)
        self.routes.publish(path)

    def connect(self) -> None:
        """Wait until the node listens to camera, odometry and route, and is listened to."""
        publishers = self.images, self.odometry, self.routes
        self.until(lambda: all(publisher.get_subscription_count() for publisher in publishers))
        self.until(lambda: self.node.count_publishers(TICK) > 0)

    def ready(self) -> None:
        """Wait until the node drives along a route."""
        self.connect()
        self.give_route()
        self.until(lambda: self.state() == "active")

    def frame(self, x: float = 5.0, y: float = 0.0, speed: float = 0.0, **changes: Any) -> int:
        """Send one frame, 50 ms after the last; its stamp [ns]."""
        self.stamp_ns += changes.pop("after_ns", FRAME_NS)
        stamp = time_message(self.stamp_ns)
        height, width = changes.pop("size", (HEIGHT, WIDTH))
        image = changes.pop("picture", None)
        if image is None:
            pixels = self._random.integers(0, 256, height * width * 4, dtype=np.uint8)
            image = Image(height=height, width=width, encoding="bgra8", step=4 * width, data=pixels.tobytes())
        image.header.stamp = stamp
        odometry = Odometry()
        odometry.header.stamp = stamp
        odometry.pose.pose.position.x, odometry.pose.pose.position.y = x, y
        odometry.pose.pose.orientation.w = 1.0
        odometry.twist.twist.linear.x = speed
        self.images.publish(image)
        self.odometry.publish(odometry)
        return self.stamp_ns

    def tick(self, **place: Any) -> PolicyTick:
        """One frame, and the decision that it led to."""
        stamp = self.frame(**place)
        self.until(lambda: any(nanoseconds(tick.sensor_stamp) == stamp for tick in self.ticks))
        return next(tick for tick in self.ticks if nanoseconds(tick.sensor_stamp) == stamp)

    def change(self, transition: str) -> bool:
        """Ask the node for a lifecycle transition; whether it succeeded."""
        return change_state(self, transition)

    def state(self) -> str:
        """Label of the node's lifecycle state."""
        return state_of(self)

    def swap(self, path: Path) -> SwapBundle.Response:
        """Ask for another bundle without sending frames meanwhile."""
        return self.call(SwapBundle, "drive/swap_bundle", SwapBundle.Request(path=str(path)))

    def swap_while_driving(self, path: Path) -> SwapBundle.Response:
        """Ask for another bundle while frames go on; each of them is waited for."""
        client: Any = self.node.create_client(SwapBundle, "drive/swap_bundle")
        question = Question(client, SwapBundle.Request(path=str(path)))
        for _ in range(1000):
            if question.answered():
                break
            self.tick()
        self.until(question.answered)
        self.node.destroy_client(client)
        return question.answer
