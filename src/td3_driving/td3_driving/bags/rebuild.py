# SPDX-License-Identifier: Apache-2.0
"""Rebuilds the steps of one actor from its recorded topics.

The code that drove makes the steps: :class:`~td3_driving.driving.pilot.Pilot`. Only its commands are read from the
bag.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.bags.timeline import RecordedFrame, Timeline
from td3_driving.driving.decoding import action_of, nanoseconds, vehicle_state
from td3_driving.driving.drivers import NOBODY, Situation
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.experience import Experience
from td3_driving.driving.image_formats import picture
from td3_driving.driving.object_list import neighbours_of, without
from td3_driving.driving.observation import Observation, ObservationError, camera_frame
from td3_driving.driving.pilot import Pilot, TimeStep
from td3_driving.driving.privileged import others_needed
from td3_driving.driving.route import Route, RouteError
from td3_driving.driving.synchroniser import missed_at_start
from td3_driving.driving.teacher import make_teacher
from td3_driving.settings import Settings

MAX_ROUTE = 1_000_000
"""Most points of a route."""


class RebuildError(ValueError):
    """A message cannot have come from a run."""


class Rebuilder:
    """Turns the messages of one actor into its steps."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._frame_ns = round(settings.simulator.fixed_delta * 1e9)
        self._others = others_needed(settings)
        self._timeline = Timeline(self._frame_ns)
        self._clock = 0
        self._collisions: list[int] = []
        self._pilot: Pilot | None = None
        self._session: tuple[str, int] = ("", 0)
        self._session_steps = 0
        self._chosen: NDArray[np.float32] | None = None
        self._driving = self._begun = False
        self._start_ns = 0
        self._last_ns: int | None = None

    def add_image(self, message: Any) -> list[Experience]:
        """Take a camera image; return the steps that are now certain."""
        # The policy could not use this image either: the frame stays incomplete.
        with suppress(ObservationError):
            frame = camera_frame(*picture(message), self._settings.observation)
            return self._add(nanoseconds(message.header.stamp), "frame", frame)
        return []

    def add_odometry(self, message: Any) -> list[Experience]:
        """Take the state of the vehicle; return the steps that are now certain."""
        vehicle = vehicle_state(message)
        return self._add(vehicle.stamp_ns, "vehicle", vehicle)

    def add_objects(self, message: Any) -> list[Experience]:
        """Take the other vehicles; return the steps that are now certain."""
        with suppress(ObservationError):
            return self._add(nanoseconds(message.header.stamp), "objects", neighbours_of(message))
        return []

    def add_command(self, message: Any) -> list[Experience]:
        """Take the policy's command for a frame; return the steps that are now certain."""
        return self._add(nanoseconds(message.header.stamp), "action", action_of(message))

    def add_collision(self, message: Any) -> list[Experience]:
        """Take a contact; return the steps that are now certain."""
        return self._add(nanoseconds(message.header.stamp), "collided", True)

    def add_start(self, message: Any) -> list[Experience]:
        """Take the beginning of an episode; return the steps that are now certain."""
        return self._add(nanoseconds(message.header.stamp), "start", message)

    def finish(self) -> list[Experience]:
        """Return the steps in the remaining messages."""
        return self._steps(self._timeline.rest())

    def _add(self, stamp: int, part: str, value: Any) -> list[Experience]:
        return self._steps(self._timeline.add(stamp, part, value))

    def _steps(self, recorded_frames: Iterator[tuple[int, RecordedFrame]]) -> list[Experience]:
        found = (self._frame(stamp, recorded) for stamp, recorded in recorded_frames)
        return [step for step in found if step is not None]

    def _frame(self, stamp: int, recorded: RecordedFrame) -> Experience | None:
        """Replay one frame as the policy saw it; return the step that ended with it."""
        self._note_clock()
        if recorded.start is not None:
            self._begin(recorded.start)
        if recorded.collided:
            self._collisions.append(stamp)
        objects = recorded.objects if self._others else NOBODY
        if recorded.frame is None or recorded.vehicle is None or objects is None:
            if recorded.action is not None and self._driving:
                # The policy answered a complete frame: the bag lacks a part of it.
                self._cut()
            return None
        gap = self._last_ns is not None and round((stamp - self._last_ns) / self._frame_ns) > 1
        self._last_ns = stamp
        if not self._driving or self._pilot is None or stamp < self._start_ns:
            return None
        if not self._begun:
            gap = missed_at_start(self._start_ns, stamp, self._frame_ns) > 0
            self._begun = True
        try:
            others = without(recorded.vehicle, objects)
            time_step = None if gap else self._pilot.see(recorded.frame, recorded.vehicle, others)
        except ObservationError:
            time_step = None
        if time_step is None:
            self._cut()
            return None
        return self._drive(self._pilot, time_step, stamp, recorded.action)

    def _note_clock(self) -> None:
        if self._clock != self._timeline.clock:
            self._clock, self._last_ns = self._timeline.clock, None
            self._collisions.clear()

    def _drive(
        self, pilot: Pilot, time_step: TimeStep, stamp: int, action: NDArray[np.float32] | None
    ) -> Experience | None:
        collided = any(self._start_ns < at <= stamp for at in self._collisions)
        self._collisions = [at for at in self._collisions if at > stamp]
        scored = pilot.score(time_step, collided, last=pilot.steps + 1 >= self._session_steps)
        if scored is not None and scored.exit_reason is not None:
            self._stop()
            return scored.experience
        if action is None:
            # Without an answer the policy did not see this frame and did not score it.
            self._cut()
            return None
        self._chosen = action
        pilot.act(time_step)
        return None if scored is None else scored.experience

    def _begin(self, start: Any) -> None:
        """The episode that ``start`` announces."""
        if not len(start.route_x) == len(start.route_y) <= MAX_ROUTE:
            raise RebuildError(
                f"a route of {len(start.route_x)} x and {len(start.route_y)} y is outside 2 .. {MAX_ROUTE} points"
            )
        session = str(start.actor_id), int(start.session_id)
        if self._pilot is None or session != self._session:
            self._session = session
            self._pilot = Pilot(self._settings, *session, self._choose, make_teacher(self._settings))
        self._pilot.episodes, self._pilot.steps = int(start.episode_id), int(start.sequence)
        try:
            route = Route(np.column_stack((start.route_x, start.route_y)))
        except RouteError as error:
            raise RebuildError(str(error)) from error
        self._pilot.start(route, int(start.scenario), int(start.seed))
        self._session_steps = int(start.session_steps)
        self._start_ns = nanoseconds(start.header.stamp)
        self._collisions = [at for at in self._collisions if at > self._start_ns]
        self._driving, self._begun = True, False

    def _choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        assert self._chosen is not None
        return self._chosen, 0

    def _cut(self) -> None:
        assert self._pilot is not None
        self._pilot.abandon(ExitReason.SIMULATOR_FAULT)
        self._stop()

    def _stop(self) -> None:
        """The policy asks for the next episode and forgets the past of the clock."""
        self._driving = False
        self._last_ns = None
