# SPDX-License-Identifier: Apache-2.0
"""The simulator node: an embedded world that speaks the contract of the CARLA bridge.

The loop ticks, publishes the frame and waits for the command that answers it. It does not run in an
executor: see :mod:`td3_driving.nodes.ros.fast_wait`. Several worlds in one process take turns: whichever has its
command steps.
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
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.ros.together import FIRST, TOGETHER, arguments_of, destroy
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

    def __init__(self, arguments: list[str] | None = None) -> None:
        super().__init__("simulator", cli_args=arguments, automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"faults": "", "run_dir": "", TOGETHER: 1, FIRST: 0})
        self.together, self.index = int(own[TOGETHER]), int(own[FIRST])
        self._all_settings, self._settings = settings, settings.simulator
        self._faults = FaultPlan.parse(own["faults"])
        self._world = World(self._settings, settings.run.seed)
        self._camera = CameraRig(self._world.roads, self._settings, settings.observation)
        trust = Trust(self, settings, own["run_dir"], needed=False)
        self._publisher = FramePublisher(self, self._settings, self._world, self._camera, trust)
        self._inputs = BridgeInputs(self, self._world, self._publish_route)
        self._spawner = Spawner(self._world)
        self._ticks = 0
        self._kept_house_at = self._deadline = self._due = 0.0
        self._frame: WorldFrame | None = None
        self._standing = self._stepping = False
        self._pace = self._new_pace()
        reset = self.create_service(ResetEpisode, topics.RESET_EPISODE, self._on_reset)
        self.create_service(SpawnObject, topics.SPAWN_OBJECT, self._spawner.spawn)
        self.create_service(DestroyObject, topics.DESTROY_OBJECT, self._spawner.destroy)
        self.create_service(GetBlueprints, topics.GET_BLUEPRINTS, self._spawner.blueprints)
        self.commands, self.resets = self._inputs.commands, [reset]
        self._fast = FastWait(self.context, self.commands, self.resets)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)

    def live(self) -> None:
        """Simulate until the context ends."""
        take_turns([self], self._fast)

    def begin(self) -> None:
        """Publish what is published once, and begin the pace."""
        self._publisher.publish_status(0, running=True)
        self._publisher.publish_once(self._world.next_stamp_ns)
        self._publish_route(self._world.route)
        self._pace = self._new_pace()

    def turn(self, alone: bool) -> float:
        """Do what is due; returns when to come again unless a message comes before: monotonic time [s].

        Args:
            alone: no other world waits for its turn.
        """
        self._keep_house()
        if self._frame is not None and not self._answered(self._frame):
            return self._deadline
        if self._inputs.mode == CarlaControl.PAUSE:
            return self._stand(alone)
        if self._standing:
            self._standing = False
            self._publisher.publish_status(self._world.number, running=True)
            self._pace = self._new_pace()
            self._due = 0.0
        if time.monotonic() < self._due:
            return self._due
        self._step()
        return self._due if self._frame is None else self._deadline

    def _new_pace(self) -> Pace:
        return Pace(self._settings.real_time_factor, time.monotonic(), self._world.elapsed)

    def _step(self) -> None:
        """Publish one frame."""
        self._stepping = self._inputs.mode == CarlaControl.STEP_ONCE
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
            self._frame, self._deadline = frame, time.monotonic() + self._settings.control_timeout
        else:
            self._end_step()

    def _answered(self, frame: WorldFrame) -> bool:
        """Whether to go on after ``frame``: its command came, or it is overdue."""
        if not self._inputs.answered:
            if time.monotonic() < self._deadline:
                return False
            waited = f"{self._settings.control_timeout:g} s"
            text = f"no command for frame {frame.number} within {waited}; going on with the last"
            self.get_logger().warning(text, throttle_duration_sec=5.0)
        self._end_step()
        return True

    def _end_step(self) -> None:
        self._frame, self._due = None, self._pace.due(self._world.elapsed)
        if self._stepping and self._inputs.mode == CarlaControl.STEP_ONCE:
            self._inputs.mode = CarlaControl.PAUSE

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now - self._kept_house_at >= HOUSEKEEPING:
            self._publisher.look_for_listeners()
            self._executor.spin_once(timeout_sec=0.0)
            self._kept_house_at = time.monotonic()

    def _stand(self, alone: bool) -> float:
        """Publish that the simulation is paused, and serve whatever may resume it."""
        if not self._standing:
            self._standing = True
            self._publisher.publish_status(self._world.number, running=False)
        self._executor.spin_once(timeout_sec=HOUSEKEEPING if alone else 0.0)
        return time.monotonic() + (0.0 if alone else HOUSEKEEPING)

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


def take_turns(worlds: Sequence[SimulatorNode], fast: FastWait) -> None:
    """Simulate until the context ends; ``fast`` serves the commands and resets of all."""
    context = worlds[0].context
    for world in worlds:
        world.begin()
    while context.ok():
        left = min(world.turn(len(worlds) == 1) for world in worlds) - time.monotonic()
        if left > 0.0:
            fast.once(min(left, HOUSEKEEPING))


class Worlds:
    """The worlds of one process: that of its first actor, and those of the others that the parameters ask for."""

    def __init__(self) -> None:
        first = SimulatorNode()
        indices = range(first.index + 1, first.index + first.together)
        self._worlds = [first, *(SimulatorNode(arguments_of(index)) for index in indices)]
        commands = [subscription for world in self._worlds for subscription in world.commands]
        resets = [service for world in self._worlds for service in world.resets]
        self._fast = FastWait(first.context, commands, resets)

    def live(self) -> None:
        """Simulate until the context ends."""
        take_turns(self._worlds, self._fast)

    def close(self) -> None:
        """Do nothing, as :meth:`SimulatorNode.close`."""

    def destroy_node(self) -> None:
        """Leave the ROS graph."""
        destroy(self._worlds)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``simulator``."""
    leave(run(Worlds, arguments, REFUSALS))


if __name__ == "__main__":
    main()
