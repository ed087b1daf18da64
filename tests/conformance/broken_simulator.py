# SPDX-License-Identifier: Apache-2.0
"""The simulator, broken on demand: a fault for each point of the contract, switched on by its name.

Run like the simulator; the name of the fault comes on the topic ``conformance/fault``, and ``conformance/broken``
(latched) says which one is in force.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from carla_msgs.msg import CarlaEgoVehicleControl
from geometry_msgs.msg import Quaternion
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from td3_driving.driving.topics import EGO
from td3_driving.nodes.bridge import messages as bridge_messages
from td3_driving.nodes.bridge.frame_publisher import FramePublisher, Outlet
from td3_driving.nodes.bridge.inputs import BridgeInputs
from td3_driving.nodes.bridge.objects import ObjectLists
from td3_driving.nodes.bridge.services import Spawner
from td3_driving.nodes.bridge.simulator import REFUSALS, SimulatorNode
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.entry import leave, run
from td3_driving.sim.world import Collision, World

FAULTS = {
    "interfaces": "best effort odometry",
    "coordinate-frames": "camera axes as the vehicle's",
    "stamps": "odometry stamped late",
    "frame-order": "odometry before the image",
    "camera": "negative focal length",
    "motion": "yaw rate right positive",
    "commands": "steering left positive",
    "command-echo": "command not echoed",
    "events": "collision in every frame",
    "teleport": "teleport stops the car",
    "pause": "pause not heard",
    "command-wait": "short wait for commands",
    "pace": "frame number stands still",
    "vehicle-and-map": "two wheels",
    "object-lists": "ego among its own objects",
    "spawning": "no reason for a failed spawn",
    "route": "route in every frame",
    "clients": "first command of several wins",
}
"""The fault that each check finds, by the name of the check."""
BURST = 0.05
"""Commands that come sooner after another are one burst [s]."""
_in_force = ""


def broken(name: str) -> bool:
    """Whether the fault ``name`` is in force."""
    assert name in FAULTS.values()
    return _in_force == name


def patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a function by what ``make`` makes of it."""
    setattr(owner, name, make(getattr(owner, name)))


def break_messages() -> None:
    def odometry(real: Any) -> Any:
        def filled(message: Odometry, frame: Any) -> Odometry:
            message = real(message, frame)
            if broken("yaw rate right positive"):
                message.twist.twist.angular.z *= -1.0
            if broken("odometry stamped late"):
                message.header.stamp.nanosec += 1_000_000
            return message

        return filled

    def vehicle_status(real: Any) -> Any:
        def filled(frame: Any) -> Any:
            message = real(frame)
            if broken("command not echoed"):
                message.control = CarlaEgoVehicleControl()
            return message

        return filled

    def mount(real: Any) -> Any:
        def filled(stamp: int, place: Any) -> Any:
            message = real(stamp, place)
            if broken("camera axes as the vehicle's"):
                message.transform.rotation = Quaternion(x=0.0, y=0.0, z=0.0, w=1.0)
            return message

        return filled

    for name, make in (("odometry", odometry), ("vehicle_status", vehicle_status), ("camera_transform", mount)):
        patch(bridge_messages, name, make)


def break_vehicle() -> None:
    def vehicle_info(real: Any) -> Any:
        def filled(car: Any) -> Any:
            message = real(car)
            if broken("two wheels"):
                message.wheels = message.wheels[:2]
            return message

        return filled

    def control(real: Any) -> Any:
        def read(message: Any) -> Any:
            command = real(message)
            return replace(command, steer=-command.steer) if broken("steering left positive") else command

        return read

    for name, make in (("vehicle_info", vehicle_info), ("control", control)):
        patch(bridge_messages, name, make)


def break_publisher() -> None:
    def publish(real: Any) -> Any:
        def published(self: FramePublisher, frame: Any, faults: frozenset[str]) -> None:
            if broken("collision in every frame"):
                message = bridge_messages.collision(Collision(0, (0.0, 0.0)), frame.ego.stamp_ns)
                self._send(f"{EGO}/collision", message)
            if broken("route in every frame"):
                self.publish_route(self._world.route[:5], frame.ego.stamp_ns)
            info = self._cameras[0].info
            info.k[0] = -22973.0 if broken("negative focal length") else info.k[4]
            real(self, frame, faults)

        return published

    def camera(real: Any) -> Any:
        def published(self: FramePublisher, camera: Any, frame: Any, faults: frozenset[str]) -> None:
            if broken("odometry before the image"):
                self._publish_motion(frame, faults)
            real(self, camera, frame, faults)

        return published

    def motion(real: Any) -> Any:
        done = [0]

        def published(self: FramePublisher, frame: Any, faults: frozenset[str]) -> None:
            if done[0] != frame.number:
                real(self, frame, faults)
            done[0] = frame.number

        return published

    def status(real: Any) -> Any:
        return lambda self, number, running: real(self, 7 if broken("frame number stands still") else number, running)

    for name, make in (
        ("publish", publish),
        ("_publish_camera", camera),
        ("_publish_motion", motion),
        ("publish_status", status),
    ):
        patch(FramePublisher, name, make)


def break_behaviour() -> None:
    def teleport(real: Any) -> Any:
        def moved(self: World, x: float, y: float, yaw: float) -> None:
            if broken("teleport stops the car"):
                self.set_speed(0.0)
            real(self, x, y, yaw)

        return moved

    def set_mode(real: Any) -> Any:
        return lambda self, sent: None if broken("pause not heard") else real(self, sent)

    def command(real: Any) -> Any:
        last = [0.0]

        def taken(self: BridgeInputs, sent: Any, manual: bool) -> None:
            burst, last[0] = time.monotonic() - last[0] < BURST, time.monotonic()
            if not (burst and broken("first command of several wins")):
                real(self, sent, manual)

        return taken

    for owner, name, make in (
        (World, "teleport", teleport),
        (BridgeInputs, "_set_mode", set_mode),
        (BridgeInputs, "_command", command),
    ):
        patch(owner, name, make)


def break_lists() -> None:
    def others(real: Any) -> Any:
        def listed(self: Any, frame: Any) -> Any:
            own = not getattr(self, "whole", False)
            return self.all_of(frame) if own and broken("ego among its own objects") else real(self, frame)

        return listed

    def everything(real: Any) -> Any:
        def listed(self: ObjectLists, frame: Any) -> Any:
            # The list of all objects is made of the same function; the fault concerns the ego's own list alone.
            self.whole = True  # type: ignore[attr-defined]
            try:
                return real(self, frame)
            finally:
                self.whole = False  # type: ignore[attr-defined]

        return listed

    def spawned(real: Any) -> Any:
        def answer(self: Spawner, kind: str, transform: Any) -> tuple[int, str]:
            number, reason = real(self, kind, transform)
            return number, "" if broken("no reason for a failed spawn") else reason

        return answer

    ObjectLists.all_of = everything(ObjectLists.all)  # type: ignore[attr-defined]
    for owner, name, make in (
        (ObjectLists, "others", others),
        (ObjectLists, "all", everything),
        (Spawner, "_spawn", spawned),
    ):
        patch(owner, name, make)


class BrokenSimulator(SimulatorNode):
    """The simulator with a switch."""

    def __init__(self) -> None:
        super().__init__()
        self._sound = self._settings
        self.create_subscription(String, "conformance/fault", self._on_fault, qos.BRIDGE)
        self._said = self.create_publisher(String, "conformance/broken", qos.BRIDGE_LATCHED_ONE)
        self._said.publish(String(data=""))

    def _on_fault(self, sent: String) -> None:
        global _in_force
        before, _in_force = _in_force, sent.data
        timeout = 0.2 if broken("short wait for commands") else self._sound.control_timeout
        self._settings = replace(self._sound, control_timeout=timeout)
        if "best effort odometry" in (before, sent.data):
            self._renew_odometry(reliable=sent.data != "best effort odometry")
        if "two wheels" in (before, sent.data):
            self._publisher._send(f"{EGO}/vehicle_info", bridge_messages.vehicle_info(self._world.parameters))
        self._said.publish(sent)

    def _renew_odometry(self, reliable: bool) -> None:
        name = f"{EGO}/odometry"
        best_effort = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.destroy_publisher(self._publisher._outlets[name].publisher)
        made = self.create_publisher(Odometry, name, qos.BRIDGE if reliable else best_effort)
        self._publisher._outlets[name] = Outlet(made, heard=True)


if __name__ == "__main__":
    for break_part in (break_messages, break_vehicle, break_publisher, break_behaviour, break_lists):
        break_part()
    leave(run(BrokenSimulator, None, REFUSALS))
