"""One step of driving, from a frame to an action and an experience. Training and driving share this code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.drivers import Situation
from td3_driving.driving.episode import EpisodeMonitor, EpisodeRecord, ExitReason
from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import FrameStack, Observation, encode_state
from td3_driving.driving.reward import RewardModel, RewardTerms
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import Settings

VIOLATIONS = (ExitReason.COLLISION, ExitReason.OFF_LANE, ExitReason.WRONG_WAY)


@dataclass(frozen=True, slots=True)
class Sight:
    """One frame as the pilot sees it."""

    vehicle: VehicleState
    place: RoutePlace
    observation: Observation


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
    """Frame and vehicle state in, observation out; remembers the stack, the place on the route and the last action."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.observation
        self._stack = FrameStack(settings.observation)
        self._place: RoutePlace | None = None
        self.last_action = np.zeros(ACTION_DIM, dtype=np.float32)
        self.route: Route | None = None

    def start(self, route: Route) -> None:
        """A new episode on ``route``."""
        self.route = route
        self._stack.clear()
        self._place = None
        self.last_action = np.zeros(ACTION_DIM, dtype=np.float32)

    def reroute(self, route: Route) -> None:
        """Another route in the midst of driving: the place on it is looked for anew, the memory is kept."""
        self.route = route
        self._place = None

    def see(self, frame: np.ndarray, vehicle: VehicleState) -> Sight:
        """Take the grey frame (height, width) uint8 and the vehicle state of one instant.

        Raises:
            ObservationError: the vehicle state is not finite; nothing was taken then.
            RuntimeError: no route was given before.
        """
        if self.route is None:
            raise RuntimeError("see() needs a route: call start() first")
        place = self.route.locate(vehicle, None if self._place is None else self._place.s)
        state = encode_state(vehicle, place, self.route, self.last_action, self._settings)
        self._place = place
        return Sight(vehicle, place, Observation(frame, self._stack.push(frame), state))


class Pilot:
    """Drives episodes: scores the step that ends with a frame, then takes the next action.

    Args:
        actor_id, session_id: identity of the sender of experiences.
        choose: the action (2,) float32 in [-1, 1] for an observation, exploration included, with the version of the
            weights that chose it.
    """

    def __init__(
        self,
        settings: Settings,
        actor_id: str,
        session_id: int,
        choose: Callable[[Observation, Situation], tuple[np.ndarray, int]],
    ) -> None:
        self.reward = RewardModel(settings.reward, settings.simulator.fixed_delta)
        self.identity = actor_id, session_id
        self._config_hash = settings.digest()
        self._choose = choose
        self._eyes = Eyes(settings)
        self._monitor = EpisodeMonitor(settings.episode)
        self._last: tuple[Sight, np.ndarray, np.ndarray, int] | None = None
        self.record: EpisodeRecord | None = None
        self.episodes = 0
        self.steps = 0

    def start(self, route: Route, scenario: int, seed: int) -> None:
        """Begin an episode; the next frame given to :meth:`see` is its first."""
        self._eyes.start(route)
        self._monitor.start()
        self._last = None
        self.record = EpisodeRecord(self.episodes, scenario, seed, route.length, start_s=0.0)
        self.episodes += 1

    def see(self, frame: np.ndarray, vehicle: VehicleState) -> Sight:
        """Take one frame of the episode; see :meth:`Eyes.see`."""
        sight = self._eyes.see(frame, vehicle)
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
        start, action, previous_action, version = self._last
        self._last = None
        exit_reason = self._monitor.step(sight.vehicle, sight.place, self._eyes.route, collided)
        if last and exit_reason is None:
            exit_reason = ExitReason.RUN_END
        violation = exit_reason in VIOLATIONS
        terms = self.reward.score(sight.vehicle, start.place, sight.place, action, previous_action, violation)
        self.record.add(terms, sight.vehicle, sight.place)
        self.record.collisions += int(collided)
        experience = self._experience(start, action, version, terms, sight, exit_reason)
        self.steps += 1
        if exit_reason is not None:
            self._close(exit_reason)
        return Scored(experience, start.vehicle.stamp_ns, terms, sight, exit_reason)

    def act(self, sight: Sight) -> np.ndarray:
        """The action (2,) for this frame."""
        assert self._eyes.route is not None
        situation = Situation(sight.vehicle, sight.place, self._eyes.route)
        action, version = self._choose(sight.observation, situation)
        self._last = sight, action, self._eyes.last_action, version
        self._eyes.last_action = action
        return action

    def abandon(self, reason: ExitReason) -> None:
        """End the episode without a further frame: its last, unfinished step is forgotten."""
        self._close(reason)

    def _close(self, reason: ExitReason) -> None:
        if self.record is not None:
            self.record.exit_reason = reason
        self._last = None

    def _experience(
        self, start: Sight, action: np.ndarray, version: int, terms: RewardTerms, end: Sight, reason: ExitReason | None
    ) -> Experience:
        assert self.record is not None
        closing = end.observation if reason is not None else None
        return Experience(
            actor_id=self.identity[0],
            session_id=self.identity[1],
            sequence=self.steps,
            episode_id=self.record.episode_id,
            step_index=self.record.length - 1,
            config_hash=self._config_hash,
            policy_version=version,
            frame=start.observation.frame,
            state=start.observation.state,
            action=action,
            reward=terms.total,
            reward_parts=terms.as_array(),
            terminated=reason is not None and reason.terminated,
            truncated=reason is not None and not reason.terminated,
            final_frame=None if closing is None else closing.frame,
            final_state=None if closing is None else closing.state,
        )
