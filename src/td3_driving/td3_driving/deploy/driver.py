# SPDX-License-Identifier: Apache-2.0
"""Drives by a bundle: the observation code of training, the network, and a refusal of unusable input."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.deploy.bundle_archive import BundleError
from td3_driving.deploy.contract import Contract, first_difference
from td3_driving.deploy.runtime import InferenceError, Loaded
from td3_driving.driving.action import FULL_STOP, Command, to_command
from td3_driving.driving.episode import GOAL_DISTANCE
from td3_driving.driving.observation import Observation, ObservationError, camera_frame, undistorted
from td3_driving.driving.pilot import ObservationBuilder, TimeStep
from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState

GAP = 0.5
"""Time without a frame after which the stack of frames is dropped [s]."""
TRIAL = 100
"""Frames after a swap during which the earlier bundle is kept as fallback."""
STOP_ACTION = np.array([0.0, -1.0], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy's decision at one frame.

    Attributes:
        action: (2,) float32: steer (right positive), drive.
        command: the action as pedals and steering.
        observation_s, inference_s: wall time that observing and the network took [s].
        fingerprint: SHA-256 of the observation, see :func:`fingerprint`.
        goal: the end of the route is reached; the command stops the vehicle.
    """

    action: NDArray[np.float32]
    command: Command
    time_step: TimeStep
    observation_s: float
    inference_s: float
    fingerprint: str
    goal: bool


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A camera image as the policy sees it, and the wall time that this took [s]."""

    frame: NDArray[np.uint8]
    seconds: float


class DeployedDriver:
    """Frames in, commands out, by the bundle that is in use.

    Args:
        clock: wall time [s], for measuring alone.

    Attributes:
        loaded: the bundle in use.
        swaps, rollbacks: counts of swapped-in bundles, and of bundles rolled back because they failed while driving.
        restarts: times at which the memory of past frames was dropped.
    """

    def __init__(self, loaded: Loaded, clock: Callable[[], float] = time.perf_counter) -> None:
        self.loaded = loaded
        self.swaps = self.rollbacks = self.restarts = 0
        self._clock = clock
        self._builder = ObservationBuilder(loaded.bundle.contract.settings, simulated=False)
        self._before: Loaded | None = None
        self._trial = 0
        self._last: VehicleState | None = None
        self._arrived = False

    @property
    def contract(self) -> Contract:
        """The contract of the bundle in use; a swap does not change it."""
        return self.loaded.bundle.contract

    @property
    def has_route(self) -> bool:
        """True once a route was given."""
        return self._builder.route is not None

    def take_route(self, route: Route) -> None:
        """Drive along ``route`` from the next frame on; past frames stay in memory.

        The same route again changes nothing: passed waypoints stay passed.
        """
        known = self._builder.route
        if known is not None and np.array_equal(known.points, route.points):
            return
        self._arrived = False
        self._builder.reroute(route)

    def restart(self) -> None:
        """Forget past frames and the last action; call when the next frame does not follow them."""
        self._last, self._arrived = None, False
        if self._builder.route is not None:
            self._builder.start(self._builder.route)

    def look(self, image: NDArray[np.uint8], encoding: str) -> TimedFrame:
        """The frame of a camera image (rows, columns[, channels]).

        Raises:
            ShapeError: its shape is not that of the camera in training, so it would be distorted.
        """
        begin = self._clock()
        width, height, _ = self.contract.camera
        frame = camera_frame(undistorted(image, width, height), encoding, self.contract.observation)
        return TimedFrame(frame, self._clock() - begin)

    def decide(
        self, timed_frame: TimedFrame, vehicle: VehicleState, in_charge: NDArray[np.float32] | None = None
    ) -> Decision:
        """The decision for one instant.

        Args:
            in_charge: the last action of the driver in charge, where that is not this policy.

        Raises:
            ObservationError: the input is unusable: no route, a state that is not finite, too far from the route.
            InferenceError: the network failed, and there is no bundle to fall back on.
        """
        begin = self._clock()
        if self._builder.route is None:
            raise ObservationError("no route yet")
        self._restart_after_break(vehicle)
        if in_charge is not None:
            self._builder.last_action = in_charge
        time_step = self._builder.see(timed_frame.frame, vehicle)
        self._last = vehicle
        if abs(time_step.place.lateral) > self.contract.farthest:
            raise ObservationError(f"the vehicle is {abs(time_step.place.lateral):.1f} m away from its route")
        seen = self._clock()
        # Position noise may put the vehicle before its goal again; a reached goal stays reached.
        self._arrived |= time_step.place.s >= self._builder.route.length - GOAL_DISTANCE
        goal = self._arrived
        action = STOP_ACTION if goal else self._act(time_step.observation)
        self._builder.last_action = action
        decided = self._clock()
        command = FULL_STOP if goal else to_command(action)
        mark, spent = fingerprint(time_step.observation), timed_frame.seconds + seen - begin
        return Decision(action, command, time_step, spent, decided - seen, mark, goal)

    def check_swap(self, other: Loaded) -> None:
        """Refuse a bundle with another contract than the one in use.

        Raises:
            BundleError: their contracts differ.
        """
        difference = first_difference(other.bundle.contract.as_mapping(), self.contract.as_mapping())
        if difference:
            text = difference.replace("the software", "the one in use")
            raise BundleError(f"contract mismatch with the bundle in use: {text}")

    def swap(self, other: Loaded) -> None:
        """Drive by ``other`` from the next frame on; the one in use stays as fallback for :data:`TRIAL` frames."""
        self._before, self._trial, self.loaded = self.loaded, TRIAL, other
        self.swaps += 1

    def _act(self, observation: Observation) -> NDArray[np.float32]:
        try:
            action = self.loaded.runtime.act(observation.stack, observation.state)
        except InferenceError:
            if self._before is None:
                raise
            self.loaded, self._before = self._before, None
            self.rollbacks += 1
            return self.loaded.runtime.act(observation.stack, observation.state)
        if self._before is not None:
            self._trial -= 1
            self._before = self._before if self._trial > 0 else None
        return action

    def _restart_after_break(self, vehicle: VehicleState) -> None:
        """Drop the memory where time or position jump since the last frame."""
        last = self._last
        if last is None or not vehicle.finite():
            return
        gap = (vehicle.stamp_ns - last.stamp_ns) * 1e-9
        moved = float(np.hypot(vehicle.x - last.x, vehicle.y - last.y))
        explained = max(abs(last.speed), abs(vehicle.speed)) * max(gap, 0.0)
        if not 0.0 < gap <= GAP or moved > explained + self.contract.jump:
            self.restarts += 1
            self.restart()


def fingerprint(observation: Observation) -> str:
    """Hexadecimal SHA-256 of the stack (uint8) and the state vector (little-endian float32)."""
    digest = hashlib.sha256(observation.stack.tobytes())
    digest.update(observation.state.astype("<f4").tobytes())
    return digest.hexdigest()
