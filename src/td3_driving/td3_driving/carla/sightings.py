# SPDX-License-Identifier: Apache-2.0
"""Collects the state of the bridge's topics for a thread that waits on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

from td3_driving.driving.vehicle_state import VehicleState


class Sightings:
    """Written by the node that subscribes to the bridge, read by the session; thread-safe.

    Attributes:
        frames: messages of the bridge's status so far.
        number: CARLA's number of the last frame.
        states: messages of the ego's odometry so far.
        images: camera images announced so far.
        state: the last odometry.
        running: whether the simulation goes on, as opposed to being paused.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._news = Condition()
        self._last_frame_at = clock()
        self.frames = self.states = self.images = self.number = 0
        self.state: VehicleState | None = None
        self.running = True

    def on_status(self, number: int, running: bool) -> None:
        """Call when the bridge made a frame or was paused."""
        with self._news:
            self.frames, self.number, self.running = self.frames + 1, number, running
            self._last_frame_at = self._clock()
            self._news.notify_all()

    def on_state(self, state: VehicleState) -> None:
        """Call with the ego's odometry."""
        with self._news:
            self.states, self.state = self.states + 1, state
            self._news.notify_all()

    def on_camera(self) -> None:
        """Call when an image was announced."""
        with self._news:
            self.images += 1
            self._news.notify_all()

    def wake(self) -> None:
        """Wake all waiting threads to check their conditions."""
        with self._news:
            self._news.notify_all()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait up to ``timeout`` [s] for a condition on the sightings; return whether it holds."""
        with self._news:
            return self._news.wait_for(condition, timeout)

    def now(self) -> float:
        """The wall time by which frames and waits count [s]."""
        return self._clock()

    def restart_silence(self) -> None:
        """Count silence from now on."""
        self._last_frame_at = self._clock()

    @property
    def silence(self) -> float:
        """Wall time since the last frame [s]; 0 while the simulation is paused."""
        return self._clock() - self._last_frame_at if self.running else 0.0
