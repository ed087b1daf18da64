# SPDX-License-Identifier: Apache-2.0
"""Rebuilds the steps of one actor from its recorded topics.

The code that drove makes the steps: :class:`~td3_driving.driving.pilot.Pilot`. Only its commands are read from the
bag. A command bears the stamp of its frame, and a simulator that is started anew gives the same stamps again. So the
message of the reward, which bears the number of the step, says with which action a step began and with which frame it
ended.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.bags.answers import Answers
from td3_driving.bags.provenance import UNKNOWN
from td3_driving.bags.timeline import Moments, RecordedFrame, Timeline
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
from td3_driving.trust.sources import process_of

MAX_ROUTE = 1_000_000
"""Most points of a route."""


class RebuildError(ValueError):
    """A message cannot have come from a run."""


class Rebuilder:
    """Turns the messages of one actor into its steps.

    Args:
        told: whether it is known which process sent which message; see :mod:`td3_driving.bags.provenance`.
    """

    def __init__(self, settings: Settings, told: bool = True) -> None:
        self._settings = settings
        self._frame_ns = round(settings.simulator.fixed_delta * 1e9)
        self._others = others_needed(settings)
        self._timeline = Timeline(self._frame_ns, told)
        self._life = 0
        self._collisions: list[int] = []
        self._answers = Answers()
        self._pilot: Pilot | None = None
        self._session: tuple[str, int] = ("", 0)
        self._session_steps = 0
        self._chosen: NDArray[np.float32] | None = None
        self._ends_ns: int | None = None
        self._driving = self._begun = False
        self._start_ns = 0
        self._last_ns: int | None = None

    def add_image(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take a camera image that ``process`` sent; return the steps that are now certain."""
        # The policy could not use this image either: the frame stays incomplete.
        with suppress(ObservationError):
            frame = camera_frame(*picture(message), self._settings.observation)
            return self._add(process, nanoseconds(message.header.stamp), "frame", frame)
        return []

    def add_odometry(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take the state of the vehicle; return the steps that are now certain."""
        vehicle = vehicle_state(message)
        return self._add(process, vehicle.stamp_ns, "vehicle", vehicle)

    def add_objects(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take the other vehicles; return the steps that are now certain."""
        with suppress(ObservationError):
            return self._add(process, nanoseconds(message.header.stamp), "objects", neighbours_of(message))
        return []

    def add_collision(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take a contact; return the steps that are now certain."""
        return self._add(process, nanoseconds(message.header.stamp), "collided", True)

    def add_start(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take the beginning of an episode; return the steps that are now certain.

        Args:
            process: of the policy; that of its simulator is in the message.
        """
        simulator = process_of(bytes(bytearray(getattr(message, "simulator", ()))))
        return self._add(simulator, nanoseconds(message.header.stamp), "start", message)

    def add_command(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take the policy's command for a frame."""
        self._answers.add_command(nanoseconds(message.header.stamp), action_of(message))
        return []

    def add_reward(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take the reward of a step."""
        session = str(message.actor_id), int(message.session_id)
        key = *session, int(message.episode_id), int(message.step_index)
        self._answers.add_reward(key, nanoseconds(message.header.stamp), np.asarray(message.action, np.float32))
        return []

    def add_summary(self, message: Any, process: bytes = UNKNOWN) -> list[Experience]:
        """Take the summary of an episode."""
        episode = str(message.actor_id), int(message.session_id), int(message.episode_id)
        self._answers.add_end(episode, int(message.length), int(message.exit_reason))
        return []

    def finish(self) -> list[Experience]:
        """Return the steps in the remaining messages."""
        return self._steps(self._timeline.rest())

    def _add(self, process: bytes, stamp: int, part: str, value: Any) -> list[Experience]:
        return self._steps(self._timeline.add(process, stamp, part, value))

    def _steps(self, recorded_frames: Moments) -> list[Experience]:
        found = (self._frame(stamp, recorded) for stamp, recorded in recorded_frames)
        return [step for step in found if step is not None]

    def _frame(self, stamp: int, recorded: RecordedFrame) -> Experience | None:
        """Replay one frame as the policy saw it; return the step that ended with it."""
        self._note_life()
        if recorded.start is not None:
            self._begin(recorded.start)
        if recorded.collided:
            self._collisions.append(stamp)
        objects = recorded.objects if self._others else NOBODY
        if recorded.frame is None or recorded.vehicle is None or objects is None:
            # Where the policy saw this frame, the bag lacks a part of it; where it did not, its episode ended here.
            if (recorded.frame is not None or recorded.vehicle is not None) and stamp >= self._start_ns:
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
        return self._drive(self._pilot, time_step, stamp)

    def _note_life(self) -> None:
        if self._life != self._timeline.life:
            self._cut()
            self._life = self._timeline.life
            self._collisions.clear()

    def _drive(self, pilot: Pilot, time_step: TimeStep, stamp: int) -> Experience | None:
        if self._ends_ns not in (None, stamp):
            # The policy scored its step with another frame than this one.
            self._cut()
            return None
        collided = any(self._start_ns < at <= stamp for at in self._collisions)
        self._collisions = [at for at in self._collisions if at > stamp]
        scored = pilot.score(time_step, collided, last=pilot.steps + 1 >= self._session_steps)
        if scored is not None and scored.exit_reason is not None:
            certain = self._ended(pilot, scored.exit_reason)
            self._stop()
        else:
            certain = self._act(pilot, time_step, stamp)
        return scored.experience if certain and scored is not None else None

    def _act(self, pilot: Pilot, time_step: TimeStep, stamp: int) -> bool:
        """Answer the frame as the policy did; return whether it is certain that the episode did not end by itself."""
        assert pilot.record is not None
        step = *self._session, pilot.record.episode_id, pilot.record.length
        answer = self._answers.take(step, stamp)
        if answer is None:
            # No step came of this frame, or the bag lacks its command or its reward.
            certain = self._ended(pilot, ExitReason.SIMULATOR_FAULT)
            self._cut()
            return certain
        self._chosen, self._ends_ns = answer
        pilot.act(time_step)
        return True

    def _ended(self, pilot: Pilot, reason: ExitReason) -> bool:
        """Whether the policy ended the episode here for this ``reason``: the bag may lack a contact that it felt."""
        assert pilot.record is not None
        episode = *self._session, pilot.record.episode_id
        return self._answers.end(episode) == (pilot.record.length, int(reason))

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
        self._driving, self._begun, self._ends_ns = True, False, None

    def _choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        assert self._chosen is not None
        return self._chosen, 0

    def _cut(self) -> None:
        if self._driving and self._pilot is not None:
            self._pilot.abandon(ExitReason.SIMULATOR_FAULT)
        self._stop()

    def _stop(self) -> None:
        """The policy asks for the next episode and forgets the past of the clock."""
        self._driving = False
        self._last_ns = None
