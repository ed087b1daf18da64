# SPDX-License-Identifier: Apache-2.0
"""The simulator node: an embedded world that speaks the contract of the CARLA bridge.

The loop ticks, publishes the frame and waits for the command that answers it. It does not run in an
executor: see :mod:`td3_driving.nodes.ros.fast_wait`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from carla_msgs.msg import CarlaControl
from carla_msgs.srv import DestroyObject, GetBlueprints, SpawnObject
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving import topics
from td3_driving.nodes.bridge import messages as convert
from td3_driving.nodes.bridge.frame_publisher import FramePublisher
from td3_driving.nodes.bridge.inputs import BridgeInputs
from td3_driving.nodes.bridge.services import Spawner
from td3_driving.nodes.ros.conversions import time_message
from td3_driving.nodes.ros.entry import leave, run
from td3_driving.nodes.ros.fast_wait import FastWait
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.sim.appearance import training_appearance
from td3_driving.sim.camera import CameraError
from td3_driving.sim.camera_rig import CameraRig
from td3_driving.sim.faults import CRASH_CODE, FaultPlan
from td3_driving.sim.world import World, WorldFrame

HOUSEKEEPING = 0.1
"""Wall time between two rounds of counting subscribers and serving the slower inputs [s]."""
REFUSALS = (ValueError, OSError, ImportError, CameraError)
"""Errors of bad settings and a bad installation: one sentence, exit code 2."""


class SimulatorNode(Node):
    """Wires the world to the topics and services of the bridge."""

    def __init__(self) -> None:
        super().__init__("simulator", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"faults": ""})
        self._all_settings, self._settings = settings, settings.simulator
        self._faults = FaultPlan.parse(own["faults"])
        self._world = World(self._settings, settings.run.seed)
        self._camera = CameraRig(self._world.roads, self._settings, settings.observation)
        self._publisher = FramePublisher(self, self._settings, self._world, self._camera.cameras)
        self._inputs = BridgeInputs(self, self._world, self._publish_route)
        self._spawner = Spawner(self._world)
        self._ticks = 0
        self._kept_house_at = 0.0
        reset = self.create_service(ResetEpisode, topics.RESET_EPISODE, self._on_reset)
        self.create_service(SpawnObject, topics.SPAWN_OBJECT, self._spawner.spawn)
        self.create_service(DestroyObject, topics.DESTROY_OBJECT, self._spawner.destroy)
        self.create_service(GetBlueprints, topics.GET_BLUEPRINTS, self._spawner.blueprints)
        self._fast = FastWait(self.context, self._inputs.commands, [reset])
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)

    def live(self) -> None:
        """Simulate until the context ends."""
        self._publisher.publish_status(0, running=True)
        self._publisher.publish_once(self._world.next_stamp_ns)
        self._publish_route(self._world.route)
        pace = Pace(self._settings.real_time_factor, time.monotonic(), self._world.elapsed)
        while self.context.ok():
            self._keep_house()
            if self._inputs.mode == CarlaControl.PAUSE:
                self._pause()
                pace = Pace(self._settings.real_time_factor, time.monotonic(), self._world.elapsed)
                continue
            stepping = self._inputs.mode == CarlaControl.STEP_ONCE
            self._step()
            if stepping and self._inputs.mode == CarlaControl.STEP_ONCE:
                self._inputs.mode = CarlaControl.PAUSE
            self._serve_until(pace.due(self._world.elapsed))

    def _step(self) -> None:
        """Publish one frame and wait for its answer."""
        self._fast.drain()
        self._spawner.before_tick()
        self._inputs.answered = False
        frame = self._world.tick()
        self._ticks += 1
        faults = self._faults.active(self._ticks)
        self._end_if_asked(faults)
        if "drop" not in faults:
            self._publisher.publish(frame, faults)
        self._world.prepare()
        if self._settings.wait_for_control:
            self._await_answer(frame)

    def _await_answer(self, frame: WorldFrame) -> None:
        deadline = time.monotonic() + self._settings.control_timeout
        while not self._inputs.answered and self.context.ok():
            left = deadline - time.monotonic()
            if left <= 0.0:
                waited = f"{self._settings.control_timeout:g} s"
                text = f"no command for frame {frame.number} within {waited}; going on with the last"
                self.get_logger().warning(text, throttle_duration_sec=5.0)
                return
            if not self._fast.once(min(left, HOUSEKEEPING)):
                self._keep_house()

    def _serve_until(self, due: float) -> None:
        """Serve inputs until the wall clock (monotonic) reads ``due`` [s]."""
        while (left := due - time.monotonic()) > 0.0 and self.context.ok():
            self._fast.once(min(left, HOUSEKEEPING))
            self._keep_house()

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now - self._kept_house_at >= HOUSEKEEPING:
            self._publisher.look_for_listeners()
            self._executor.spin_once(timeout_sec=0.0)
            self._kept_house_at = time.monotonic()

    def _pause(self) -> None:
        """Publish that the simulation is paused, then serve inputs until it is resumed."""
        number = self._world.number
        self._publisher.publish_status(number, running=False)
        while self._inputs.mode == CarlaControl.PAUSE and self.context.ok():
            self._executor.spin_once(timeout_sec=0.1)
        if self.context.ok():
            self._publisher.publish_status(number, running=True)

    def _end_if_asked(self, faults: frozenset[str]) -> None:
        if "crash" in faults:
            os._exit(CRASH_CODE)
        if "dead" in faults:
            deaf = FastWait(self.context, [], [])
            while self.context.ok():
                deaf.once(1.0)

    def _on_reset(self, request: ResetEpisode.Request, response: ResetEpisode.Response) -> ResetEpisode.Response:
        before = self._world.roads
        try:
            route = self._world.reset(request.scenario, request.seed)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        appearance = training_appearance(self._all_settings, request.scenario, request.seed)
        self._camera.enter(self._world.roads)
        self._camera.dress(appearance, self._world.next_stamp_ns)
        if self._world.roads is not before:
            self._publisher.publish_once(self._world.next_stamp_ns)
        self._inputs.answered = True
        response.success, response.stamp = True, time_message(self._world.next_stamp_ns)
        response.route = self._publish_route(route)
        return response

    def _publish_route(self, route: NDArray[np.float64]) -> convert.Path:
        return self._publisher.publish_route(route, self._world.next_stamp_ns)

    def close(self) -> None:
        """Do nothing: nothing needs saving, see :func:`td3_driving.nodes.ros.entry.leave`."""


class Pace:
    """Computes when the next frame is due by the wall clock.

    Args:
        factor: simulated seconds per wall second; 0 means at once.
        now, elapsed: wall clock and simulated time at the start [s].
    """

    def __init__(self, factor: float, now: float, elapsed: float) -> None:
        self._factor, self._start, self._elapsed = factor, now, elapsed

    def due(self, elapsed: float) -> float:
        """Wall time [s] at which the frame after simulated time ``elapsed`` [s] may begin."""
        if self._factor <= 0.0:
            return self._start
        return self._start + (elapsed - self._elapsed) / self._factor


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``simulator``."""
    leave(run(SimulatorNode, arguments, REFUSALS))


if __name__ == "__main__":
    main()
