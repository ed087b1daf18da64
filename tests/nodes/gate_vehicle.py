# SPDX-License-Identifier: Apache-2.0
"""A gate in a vehicle that is the embedded simulator, each a process of its own over real DDS.

The vehicle is the bus between them: sensors reach policy and gate through it, and it can spoil them. Time goes on as in
:mod:`gate_bench`.
"""

from __future__ import annotations

import copy
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

from carla_msgs.msg import CarlaEgoVehicleControl
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from td3_driving_msgs.msg import GateStatus
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.bridge.messages import spoil
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.conversions import header, time_message

from ..shared.patience import HANG
from . import bridge_harness
from .gate_bench import COMMAND, EGO, Bench, end, gate_process, process

SPEED = 8.0
"""At which faults strike [m/s]."""


class Vehicle(Bench):
    """The embedded simulator, a scripted policy and a gate, each a process of its own, and the bus between them.

    Attributes:
        frozen: the camera repeats itself, with new stamps.
        nan_odometry: odometry is not a number.
        shift_ns: of all clocks and stamps against those of the simulator [ns].
        foreign: a command that somebody else sends in every frame.
    """

    def __init__(self, domain: int, *gate_arguments: str) -> None:
        super().__init__(domain)
        self.domain = domain
        self.frozen: Image | None = None
        self.nan_odometry = False
        self.shift_ns = 0
        self.foreign: Any = None
        self._images: list[Image] = []
        self._states: list[Odometry] = []
        self._answers: list[CarlaEgoVehicleControl] = []
        self._mode = "drive"
        self.mode = self.node.create_publisher(String, "test/mode", qos.BRIDGE_LATCHED_ONE)
        self._route = self.node.create_publisher(PathMessage, f"{EGO}/waypoints", qos.BRIDGE_LATCHED_ONE)
        self._actuators = self.node.create_publisher(CarlaEgoVehicleControl, f"sim/{COMMAND}", qos.BRIDGE)
        self._velocity = self.node.create_publisher(Twist, f"sim/{EGO}/control/set_target_velocity", qos.BRIDGE)
        listen = self.node.create_subscription
        listen(Image, f"sim/{EGO}/rgb_front/image", self._images.append, qos.BRIDGE)
        listen(Odometry, f"sim/{EGO}/odometry", self._states.append, qos.BRIDGE)
        listen(PathMessage, f"sim/{EGO}/waypoints", self._route.publish, qos.BRIDGE_LATCHED_ONE)
        listen(CarlaEgoVehicleControl, "policy/command", self._answers.append, qos.BRIDGE)
        road: dict[str, Any] = {"route": "100 -1.75 700 -1.75", "vehicles": 0, "control_timeout": 60.0}
        self.simulator = bridge_harness.start(domain, ("-r", "__ns:=/sim"), **road)
        self.gate = gate_process(domain, *gate_arguments)
        self.policy: subprocess.Popen[str] | None = None
        self.start_policy()

    def start_policy(self) -> None:
        """A policy process, also after the last one died."""
        self.policy = process(self.domain, str(Path(__file__).with_name("scripted_policy.py")))

    def kill_policy(self) -> None:
        """SIGKILL."""
        assert self.policy is not None
        end(self.policy)
        self.policy = None

    def say(self, mode: str) -> None:
        """How the policy shall behave."""
        self._mode = mode
        self.mode.publish(String(data=mode))

    def meet(self) -> None:
        """Everybody is there and hears everybody; the simulator waits for the answer to its last frame."""
        deadline = time.monotonic() + HANG
        while not (self._images and self._states):
            ended = [process.poll() for process in (self.simulator, self.gate)]
            assert ended == [None, None], f"a process ended with {ended}"
            assert time.monotonic() < deadline, "no frame of the simulator"
            self._actuators.publish(CarlaEgoVehicleControl(brake=1.0))
            self._listen(0.2)
        self._listen(1.0)
        self.until(lambda: self.clock.get_subscription_count() > 0, "gate on simulated time")
        self.meet_policy()

    def meet_policy(self) -> None:
        """The policy answers the present frame, which is shown to it until it does."""
        deadline = time.monotonic() + HANG
        while not self.answered():
            assert time.monotonic() < deadline, "the policy does not answer"
            self.send_inputs()
            self._listen(0.2)

    def _listen(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def answered(self) -> bool:
        return any(nanoseconds(answer.header.stamp) == self.now for answer in self._answers)

    def send_inputs(self) -> None:
        """The frame that the simulator shows, spoiled as the test wants it."""
        image, state = self._images[-1], self._states[-1]
        self.speed = state.twist.twist.linear.x
        self.now = nanoseconds(state.header.stamp) + self.shift_ns
        self.clock.publish(Clock(clock=time_message(self.now)))
        if "odometry" not in self.silent:
            sent = copy.deepcopy(state)
            sent.header.stamp = time_message(self.now)
            self.odometry.publish(spoil(sent) if self.nan_odometry else sent)
        if "camera" not in self.silent:
            shown = copy.copy(image if self.frozen is None else self.frozen)
            shown.header = header(self.now, image.header.frame_id)
            self.camera.publish(shown)

    def freeze(self) -> None:
        """The camera shows from now on what it shows now."""
        self.frozen = self._images[-1]

    def step(self, frames: int = 1) -> GateStatus:
        """Some frames of the simulator; the gate's last word on the last one."""
        for _ in range(frames):
            count = len(self.statuses)
            self.send_inputs()
            if self.foreign is not None:
                self.foreign(self.now)
            if self.policy is not None and "camera" not in self.silent:
                self.until(self.answered, "command of the policy")
            self.until(partial(self._followed, count), "word of the gate on this frame")
            self._actuate()
        return self.status

    def _followed(self, count: int) -> bool:
        """Whether the gate spoke of this frame and, where nothing is spoilt, by the command of this frame."""
        if not self.heard_since(count):
            return False
        sound = self.policy is not None and self._mode == "drive" and not (self.silent or self.nan_odometry)
        drives = self.status.mode in (GateStatus.ACTIVE, GateStatus.HOLDING)
        return not (sound and drives) or nanoseconds(self.status.sensor_stamp) == self.now

    def _actuate(self) -> None:
        """The vehicle hears the last of what there is to hear, and moves on by a frame."""
        ours = [command for command in self.commands if nanoseconds(command.header.stamp) == self.now]
        before = self._newest()
        self._actuators.publish(ours[-1] if ours else CarlaEgoVehicleControl(brake=1.0))
        self.commands.clear()
        self._await_frame(before)
        del self._answers[:-5], self._images[:-2], self._states[:-2], self.statuses[:-50]

    def _newest(self) -> int:
        """Stamp of the newest complete frame of the simulator [ns]; 0 while one half is missing."""
        image, state = (nanoseconds(part[-1].header.stamp) for part in (self._images, self._states))
        return image if image == state else 0

    def _await_frame(self, before: int) -> None:
        self.until(lambda: self._newest() > before, "next frame of the simulator")

    def reset_route(self) -> None:
        """The vehicle stands at the start of its route."""
        before = self._newest()
        answer = self.call(ResetEpisode, "sim/td3/reset_episode", ResetEpisode.Request(scenario=0, seed=1))
        assert answer.success
        self._await_frame(before)

    def get_going(self, speed: float = SPEED) -> None:
        """The policy drives with ``speed`` [m/s], and all has been well for half a second."""
        self.until(self.active, "active gate")
        self._velocity.publish(Twist())
        self._velocity.publish(_forward(speed))
        self.until(lambda: self.step() and self.speed > speed - 0.5, "speed")
        self.step(10)
        assert self.status.mode == GateStatus.ACTIVE, self.status
        assert abs(self.speed - speed) < 1.0

    def close(self) -> None:
        """End all processes."""
        super().close()
        for running in (self.policy, self.gate, self.simulator):
            if running is not None:
                end(running)


def _forward(speed: float) -> Twist:
    twist = Twist()
    twist.linear.x = speed
    return twist
