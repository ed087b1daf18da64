# SPDX-License-Identifier: Apache-2.0
"""Runs one session on CARLA: ordered start, resets, supervision, orderly end.

A session runs in a thread of its own, in blocking steps; every wait has a limit and a reason. Each stage of the
start has the wall time ``carla.stage_timeout`` and an error that says what to check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.stack import Stack
from td3_driving.carla.teleport import CLEARANCE, Limits, Pose, teleport
from td3_driving.driving.route import RouteError
from td3_driving.driving.seeding import episode_generators
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.sim.roads import MapError, RoadMap
from td3_driving.sim.routes import plan_route
from td3_driving.sim.scenarios import scenario_of

WATCH_PERIOD = 0.5
"""Wall time between two checks of the programs while idle [s]."""


@dataclass(frozen=True)
class Answer:
    """The result of a reset.

    Attributes:
        success: whether an episode may begin.
        message: why not.
        stamp_ns: earliest stamp of the new episode [ns].
        route: (N, 4) x, y [m], heading [rad], lane width [m] in the map frame; (0, 4) without success.
    """

    success: bool
    message: str
    stamp_ns: int
    route: np.ndarray


@dataclass(frozen=True)
class Order:
    """A requested reset."""

    scenario: int
    seed: int
    done: Callable[[Answer], None]


class Session:
    """A CARLA server, its bridge, the ego vehicle and the traffic.

    Args:
        stack: all of them, not started.

    Attributes:
        failure: why the session ended by itself; None while it goes on.
        ready: whether resets are carried out at once.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack, self._settings, self._say = stack, stack.settings, stack.say
        self._ego, self._sightings, self._stopping = stack.ego, stack.sightings, stack.stopping
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._restarts = 0
        self.failure: Exception | None = None
        self.ready = False

    def order(self, order: Order) -> None:
        """Ask for a reset; its ``done`` is called from the session's thread, or never when the session ends before."""
        self._orders.put(order)

    def live(self) -> None:
        """Start, serve and watch until :meth:`stop`; never raises."""
        try:
            self._start()
            while not self._stopping.is_set():
                self._serve()
        except Exception as error:  # noqa: BLE001 - without a session the node would live on and answer nothing
            # Whatever it is: without a session the node would live on and answer nothing.
            if not self._stopping.is_set():
                self.failure = error
        finally:
            self._stack.stop(for_good=True)

    def stop(self) -> None:
        """Ask the session to end; it then leaves the server running asynchronously."""
        self._stopping.set()
        self._sightings.wake()

    def _start(self) -> None:
        self._stack.start()
        self._sightings.restart_silence()
        self.ready = True
        self._say("CARLA is ready for episodes")

    def _serve(self) -> None:
        try:
            order = self._orders.get(timeout=WATCH_PERIOD)
        except Empty:
            trouble = self._trouble()
            if trouble:
                self._recover(trouble)
            return
        while not self._stopping.is_set():
            try:
                order.done(self._reset(order))
                return
            except ServerLost as error:
                self._recover(str(error))

    def _trouble(self) -> str:
        limit = self._settings.carla.silence_timeout
        silence = self._sightings.silence
        return self._stack.trouble() or (f"no frame for {silence:.0f} s" if silence > limit else "")

    def _recover(self, trouble: str) -> None:
        """Restart everything; by then the policy has cut its episode, because frames stopped coming."""
        self.ready = False
        while not self._stopping.is_set():
            self._restarts += 1
            limit = self._settings.carla.restarts
            if self._restarts > limit:
                raise CarlaError(f"gave up after {limit} new starts; the last reason: {trouble}")
            self._say(f"{trouble}; new start {self._restarts} of {limit}")
            self._stack.stop(for_good=False)
            try:
                return self._start()
            except ServerLost as error:
                trouble = str(error)

    def _reset(self, order: Order) -> Answer:
        """One reset.

        Raises:
            ServerLost: the server or the bridge is gone.
        """
        simulator = self._settings.simulator
        try:
            scenario = scenario_of(order.scenario)
        except ValueError as error:
            return _refusal(str(error))
        roads: RoadMap = self._stack.roads
        route_rng, _ = episode_generators(order.scenario, order.seed)
        try:
            route = plan_route(roads, simulator.route, order.scenario, route_rng)
        except RouteError as error:
            return _refusal(str(error))
        x, y, yaw, _, z = (float(value) for value in route[0])
        start = Pose(x, y, z + CLEARANCE, yaw)
        count = simulator.vehicles if simulator.vehicles >= 0 else scenario.vehicles
        self._stack.traffic.prepare(count, order.seed, x, y)
        carla = self._settings.carla
        limits = Limits(carla.discard_frames, carla.silence_timeout, carla.reset_timeout)
        frame_ns = round(simulator.fixed_delta * 1e9)
        return Answer(True, "", teleport(self._ego, self._sightings, start, limits, frame_ns), route)


def ending(failure: Exception) -> tuple[int, str]:
    """Exit code and sentence for what ended a session; what a new start would meet again is bad input."""
    if isinstance(failure, (CarlaError, MapError, ImportError, OSError)):
        return BAD_INPUT, str(failure)
    return 1, f"the CARLA session ended unexpectedly: {type(failure).__name__}: {failure}"


def _refusal(message: str) -> Answer:
    return Answer(False, message, 0, np.zeros((0, 4)))
