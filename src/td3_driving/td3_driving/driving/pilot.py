# SPDX-License-Identifier: Apache-2.0
"""One step of driving, from a frame to an action and an experience. Training and driving share this code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.drivers import NOBODY, Neighbours, Situation
from td3_driving.driving.episode import EpisodeMonitor, EpisodeRecord, ExitReason
from td3_driving.driving.episode_driver import EpisodeDriver
from td3_driving.driving.experience import Experience
from td3_driving.driving.navigation import LocalisationError, Navigator
from td3_driving.driving.observation import FrameStack, Observation, ObservationError
from td3_driving.driving.privileged import encode_privileged, privileged_dim
from td3_driving.driving.reward import DrivenStep, RewardModel, RewardTerms
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.state_vector import encode_state
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import Settings

NOTHING: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
"""What a critic knows that looks through the camera alone."""
VIOLATIONS = (ExitReason.COLLISION, ExitReason.OFF_LANE, ExitReason.WRONG_WAY)


@dataclass(frozen=True, slots=True)
class TimeStep:
    """One frame as the pilot sees it.

    Attributes:
        place: where the vehicle really is on its route.
        neighbours: the other vehicles, where somebody told them.
    """

    vehicle: VehicleState
    place: RoutePlace
    observation: Observation
    neighbours: Neighbours = NOBODY


@dataclass(frozen=True, slots=True)
class _Told:
    """What the learner alone is told of the begin of a step: what the critic may know, what the teacher would do."""

    privileged: NDArray[np.float32]
    teacher_action: NDArray[np.float32] | None


@dataclass(slots=True)
class _Begun:
    """A step under way: what the pilot saw and did at its begin; ``told`` once it was worked out."""

    time_step: TimeStep
    situation: Situation
    action: NDArray[np.float32]
    previous_action: NDArray[np.float32]
    version: int
    told: _Told | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """The step that ended with this frame.

    Attributes:
        experience: what the learner gets.
        started_ns: stamp of the frame at which the step began [ns].
        time_step: the frame at which the step was scored.
        exit_reason: set when the step closed the episode.
    """

    experience: Experience
    started_ns: int
    terms: RewardTerms
    time_step: TimeStep
    exit_reason: ExitReason | None


class ObservationBuilder:
    """Builds an observation of each frame. It remembers the stack, the place on the route and the last action.

    Args:
        simulated: the vehicle's positions are exact and get the error of ``settings.localisation``; on a vehicle they
            have their own.
    """

    def __init__(self, settings: Settings, simulated: bool = True) -> None:
        self._settings = settings.observation
        self._localisation = settings.localisation
        self._frame_time = settings.simulator.fixed_delta
        self._simulated = simulated
        self._stack = FrameStack(settings.observation)
        self._place: RoutePlace | None = None
        self._navigator: Navigator | None = None
        self._error: LocalisationError | None = None
        self.last_action = np.zeros(ACTION_DIM, dtype=np.float32)
        self.route: Route | None = None

    def start(self, route: Route, seed: int = 0) -> None:
        """Begin an episode on ``route``. ``seed`` seeds the error of the localisation."""
        self._error = LocalisationError(self._localisation, self._frame_time, seed) if self._simulated else None
        self._take_route(route)
        self._stack.clear()
        self.last_action = np.zeros(ACTION_DIM, dtype=np.float32)

    def reroute(self, route: Route) -> None:
        """Take another route while driving: search the place on it anew, keep the memory."""
        self._take_route(route)

    def see(self, frame: NDArray[np.uint8], vehicle: VehicleState, neighbours: Neighbours = NOBODY) -> TimeStep:
        """Take the frame and the vehicle state of one instant; see :func:`observation.frame_shape`.

        Args:
            neighbours: the other vehicles, which are handed on.

        Raises:
            ObservationError: the vehicle state is not finite; nothing was taken then.
            RuntimeError: no route was given before.
        """
        if self.route is None:
            raise RuntimeError("see() needs a route: call start() first")
        if not vehicle.finite():
            raise ObservationError(f"odometry is not finite: {vehicle}")
        place = self.route.locate(vehicle, None if self._place is None else self._place.s)
        navigation = None if self._navigator is None else self._navigator.look(vehicle)
        state = encode_state(vehicle, place, self.route, navigation, self.last_action, self._settings)
        self._place = place
        return TimeStep(vehicle, place, Observation(frame, self._stack.push(frame), state), neighbours)

    def _take_route(self, route: Route) -> None:
        self.route = route
        self._place = None
        # State map knows the exact lane. Navigation would cost a tenth of a millisecond per frame for nothing.
        self._navigator = None if self._settings.state == "map" else Navigator(route, self._settings, self._error)


class Pilot:
    """Drives episodes: scores the step that ends with a frame, then takes the next action.

    Args:
        actor_id, session_id: identity of the sender of experiences.
        choose: the action (2,) float32 in [-1, 1] for an observation, exploration included, with the version of the
            weights that chose it.
        teacher: the driver whose action goes with every experience; each episode has its own.
    """

    def __init__(
        self,
        settings: Settings,
        actor_id: str,
        session_id: int,
        choose: Callable[[Observation, Situation], tuple[NDArray[np.float32], int]],
        teacher: EpisodeDriver | None = None,
    ) -> None:
        self.reward = RewardModel(settings.reward, settings.simulator.fixed_delta)
        self.identity = actor_id, session_id
        self._config_hash = settings.digest()
        self._choose = choose
        self._teacher = teacher
        self._privileged = privileged_dim(settings) > 0
        self._builder = ObservationBuilder(settings)
        self._monitor = EpisodeMonitor(settings.episode)
        self._last: _Begun | None = None
        self.record: EpisodeRecord | None = None
        self.episodes = 0
        self.steps = 0

    def start(self, route: Route, scenario: int, seed: int) -> None:
        """Begin an episode; the next frame given to :meth:`see` is its first."""
        self._drop_step()
        if self._teacher is not None:
            self._teacher.begin(seed)
        self._builder.start(route, seed)
        self._monitor.start()
        self.record = EpisodeRecord(self.episodes, scenario, seed, route.length, start_s=0.0)
        self.episodes += 1

    def see(self, frame: NDArray[np.uint8], vehicle: VehicleState, neighbours: Neighbours = NOBODY) -> TimeStep:
        """Take one frame of the episode; see :meth:`ObservationBuilder.see`."""
        time_step = self._builder.see(frame, vehicle, neighbours)
        if self._last is None and self.record is not None:
            self.record.start_s = self.record.last_s = time_step.place.s
        return time_step

    def score(self, time_step: TimeStep, collided: bool, last: bool = False) -> Scored | None:
        """Score the step that ended with ``time_step``; ``None`` on an episode's first frame, and where it was scored.

        Args:
            collided: a collision happened within the step.
            last: the run ends here, so the episode is cut if it does not end by itself.
        """
        if self._last is None or self._builder.route is None or self.record is None:
            return None
        self.prepare()
        begun, self._last = self._last, None
        exit_reason = self._monitor.step(time_step.vehicle, time_step.place, self._builder.route, collided)
        if last and exit_reason is None:
            exit_reason = ExitReason.RUN_END
        terms = self.reward.score(self._driven(begun, time_step, exit_reason in VIOLATIONS))
        self.record.add(terms, time_step.vehicle, time_step.place)
        self.record.collisions += int(collided)
        experience = self._experience(begun, terms, time_step, exit_reason)
        self.steps += 1
        if exit_reason is not None:
            self._close(exit_reason)
        return Scored(experience, begun.time_step.vehicle.stamp_ns, terms, time_step, exit_reason)

    def _driven(self, begun: _Begun, end: TimeStep, violation: bool) -> DrivenStep:
        return DrivenStep(
            vehicle=end.vehicle,
            before=begun.time_step.place,
            after=end.place,
            action=begun.action,
            last_action=begun.previous_action,
            violation=violation,
            route=self._builder.route,
            neighbours=end.neighbours,
        )

    def act(self, time_step: TimeStep) -> NDArray[np.float32]:
        """The action (2,) for this frame."""
        self._drop_step()
        situation = self._situation(time_step)
        action, version = self._choose(time_step.observation, situation)
        self._last = _Begun(time_step, situation, action, self._builder.last_action, version)
        self._builder.last_action = action
        return action

    def prepare(self) -> None:
        """Work out what the learner alone is told of the step under way: the command need not wait for it.

        Whatever ends the step does this itself if the caller did not, with the same result.
        """
        begun = self._last
        if begun is not None and begun.told is None:
            vector = self._privileged_of(begun.situation, begun.previous_action)
            shown = None if self._teacher is None else self._teacher.act(begun.situation)
            begun.told = _Told(vector, shown)

    def _situation(self, time_step: TimeStep) -> Situation:
        assert self._builder.route is not None
        return Situation(time_step.vehicle, time_step.place, self._builder.route, time_step.neighbours)

    def _privileged_of(self, situation: Situation, last_action: NDArray[np.float32]) -> NDArray[np.float32]:
        return encode_privileged(situation, last_action) if self._privileged else NOTHING

    def abandon(self, reason: ExitReason) -> None:
        """End the episode without a further frame. Its unfinished step is dropped."""
        self._close(reason)

    def _close(self, reason: ExitReason) -> None:
        if self.record is not None:
            self.record.exit_reason = reason
        self._drop_step()

    def _drop_step(self) -> None:
        # A teacher with a memory is asked at every step of its episode, whether the step is dropped or not.
        self.prepare()
        self._last = None

    def _experience(self, begun: _Begun, terms: RewardTerms, end: TimeStep, reason: ExitReason | None) -> Experience:
        start, told = begun.time_step, begun.told
        assert self.record is not None and told is not None
        closing = end.observation if reason is not None else None
        return Experience(
            actor_id=self.identity[0],
            session_id=self.identity[1],
            sequence=self.steps,
            episode_id=self.record.episode_id,
            step_index=self.record.length - 1,
            config_hash=self._config_hash,
            policy_version=begun.version,
            frame=start.observation.frame,
            state=start.observation.state,
            action=begun.action,
            reward=terms.total,
            reward_terms=terms.values,
            terminated=reason is not None and reason.terminated,
            truncated=reason is not None and not reason.terminated,
            final_frame=None if closing is None else closing.frame,
            final_state=None if closing is None else closing.state,
            privileged=told.privileged,
            final_privileged=None if closing is None else self._privileged_of(self._situation(end), begun.action),
            teacher_action=told.teacher_action,
        )
