"""One step of driving, from a frame to an action and an experience. Training and driving share this code."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable

import numpy as np

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.drivers import NOBODY, Driver, Neighbours, Situation
from td3_driving.driving.episode import EpisodeMonitor, EpisodeRecord, ExitReason
from td3_driving.driving.experience import Experience
from td3_driving.driving.navigation import LocalisationError, Navigator
from td3_driving.driving.observation import FrameStack, Observation, ObservationError
from td3_driving.driving.privileged import encode_privileged, privileged_dim
from td3_driving.driving.reward import RewardModel, RewardTerms
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.state_vector import encode_state
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import Settings

VIOLATIONS = (ExitReason.COLLISION, ExitReason.OFF_LANE, ExitReason.WRONG_WAY)


@dataclass(frozen=True, slots=True)
class Sight:
    """One frame as the pilot sees it.

    Attributes:
        place: where the vehicle really is on its route.
        neighbours: the other vehicles, where somebody told them.
        privileged: (privileged_dim,) float32, what the critic may know.
    """

    vehicle: VehicleState
    place: RoutePlace
    observation: Observation
    neighbours: Neighbours = NOBODY
    privileged: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


@dataclass(frozen=True, slots=True)
class _Begun:
    """A step under way: what was seen and done at its begin, and what the teacher would have done."""

    sight: Sight
    action: np.ndarray
    previous_action: np.ndarray
    version: int
    teacher_action: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Scored:
    """The step that ended with this frame.

    Attributes:
        experience: what the learner gets.
        started_ns: stamp of the frame at which the step began [ns].
        sight: the frame at which the step was scored.
        exit_reason: set when the step closed the episode.
    """

    experience: Experience
    started_ns: int
    terms: RewardTerms
    sight: Sight
    exit_reason: ExitReason | None


class Eyes:
    """Frame and vehicle state in, observation out; remembers the stack, the place on the route and the last action.

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
        """A new episode on ``route``; ``seed`` is of the error of the localisation."""
        self._error = LocalisationError(self._localisation, self._frame_time, seed) if self._simulated else None
        self._take_route(route)
        self._stack.clear()
        self.last_action = np.zeros(ACTION_DIM, dtype=np.float32)

    def reroute(self, route: Route) -> None:
        """Another route in the midst of driving: the place on it is looked for anew, the memory is kept."""
        self._take_route(route)

    def see(self, frame: np.ndarray, vehicle: VehicleState) -> Sight:
        """Take the frame and the vehicle state of one instant; see :func:`observation.frame_shape`.

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
        return Sight(vehicle, place, Observation(frame, self._stack.push(frame), state))

    def _take_route(self, route: Route) -> None:
        self.route = route
        self._place = None
        # The exact lane makes navigation needless, and it costs a tenth of a millisecond per frame.
        self._navigator = None if self._settings.state == "map" else Navigator(route, self._settings, self._error)


class Pilot:
    """Drives episodes: scores the step that ends with a frame, then takes the next action.

    Args:
        actor_id, session_id: identity of the sender of experiences.
        choose: the action (2,) float32 in [-1, 1] for an observation, exploration included, with the version of the
            weights that chose it.
        teacher: the driver whose action goes with every experience.
    """

    def __init__(
        self,
        settings: Settings,
        actor_id: str,
        session_id: int,
        choose: Callable[[Observation, Situation], tuple[np.ndarray, int]],
        teacher: Driver | None = None,
    ) -> None:
        self.reward = RewardModel(settings.reward, settings.simulator.fixed_delta)
        self.identity = actor_id, session_id
        self._config_hash = settings.digest()
        self._choose = choose
        self._teacher = teacher
        self._privileged = privileged_dim(settings) > 0
        self._eyes = Eyes(settings)
        self._monitor = EpisodeMonitor(settings.episode)
        self._last: _Begun | None = None
        self.record: EpisodeRecord | None = None
        self.episodes = 0
        self.steps = 0

    def start(self, route: Route, scenario: int, seed: int) -> None:
        """Begin an episode; the next frame given to :meth:`see` is its first."""
        self._eyes.start(route, seed)
        self._monitor.start()
        self._last = None
        self.record = EpisodeRecord(self.episodes, scenario, seed, route.length, start_s=0.0)
        self.episodes += 1

    def see(self, frame: np.ndarray, vehicle: VehicleState, neighbours: Neighbours = NOBODY) -> Sight:
        """Take one frame of the episode; see :meth:`Eyes.see`."""
        last_action = self._eyes.last_action
        sight = replace(self._eyes.see(frame, vehicle), neighbours=neighbours)
        if self._privileged:
            assert self._eyes.route is not None
            vector = encode_privileged(vehicle, sight.place, self._eyes.route, last_action, neighbours)
            sight = replace(sight, privileged=vector)
        if self._last is None and self.record is not None:
            self.record.start_s = self.record.last_s = sight.place.s
        return sight

    def score(self, sight: Sight, collided: bool, last: bool = False) -> Scored | None:
        """Score the step that ended with ``sight``; ``None`` on an episode's first frame, and if it was scored before.

        Args:
            collided: a collision happened within the step.
            last: the run ends here, so the episode is cut if it does not end by itself.
        """
        if self._last is None or self._eyes.route is None or self.record is None:
            return None
        begun, self._last = self._last, None
        exit_reason = self._monitor.step(sight.vehicle, sight.place, self._eyes.route, collided)
        if last and exit_reason is None:
            exit_reason = ExitReason.RUN_END
        violation = exit_reason in VIOLATIONS
        terms = self.reward.score(
            sight.vehicle, begun.sight.place, sight.place, begun.action, begun.previous_action, violation
        )
        self.record.add(terms, sight.vehicle, sight.place)
        self.record.collisions += int(collided)
        experience = self._experience(begun, terms, sight, exit_reason)
        self.steps += 1
        if exit_reason is not None:
            self._close(exit_reason)
        return Scored(experience, begun.sight.vehicle.stamp_ns, terms, sight, exit_reason)

    def act(self, sight: Sight) -> np.ndarray:
        """The action (2,) for this frame."""
        assert self._eyes.route is not None
        situation = Situation(sight.vehicle, sight.place, self._eyes.route, sight.neighbours)
        action, version = self._choose(sight.observation, situation)
        shown = None if self._teacher is None else self._teacher.act(situation)
        self._last = _Begun(sight, action, self._eyes.last_action, version, shown)
        self._eyes.last_action = action
        return action

    def abandon(self, reason: ExitReason) -> None:
        """End the episode without a further frame: its last, unfinished step is forgotten."""
        self._close(reason)

    def _close(self, reason: ExitReason) -> None:
        if self.record is not None:
            self.record.exit_reason = reason
        self._last = None

    def _experience(self, begun: _Begun, terms: RewardTerms, end: Sight, reason: ExitReason | None) -> Experience:
        start = begun.sight
        assert self.record is not None
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
            reward_parts=terms.as_array(),
            terminated=reason is not None and reason.terminated,
            truncated=reason is not None and not reason.terminated,
            final_frame=None if closing is None else closing.frame,
            final_state=None if closing is None else closing.state,
            privileged=start.privileged,
            final_privileged=None if closing is None else end.privileged,
            teacher_action=begun.teacher_action,
        )
