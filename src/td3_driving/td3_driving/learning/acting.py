# SPDX-License-Identifier: Apache-2.0
"""Chooses the actions of a run: by the policy under training, or by a reference driver."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import DRIVERS, Situation, is_driver, reference_driver
from td3_driving.driving.episode_driver import episode_driver
from td3_driving.driving.observation import Observation
from td3_driving.driving.privileged import others_needed
from td3_driving.driving.seeding import actor_seed
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.teacher import make_teacher
from td3_driving.learning.driver_source import DriverActionSource
from td3_driving.learning.exploration import Exploration
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.pacing import RateLimiter
from td3_driving.learning.weights import FitWeights, PolicySnapshot, WeightsError
from td3_driving.settings import Settings, SettingsError

POLICY = "policy"
"""Name of the policy that is being learned, beside the names of the reference drivers."""


class ActionSource(Protocol):
    """Chooses actions, and says what it still needs before it can.

    Attributes:
        steps: steps that this actor takes in this session.
        first_step: steps that it took in earlier sessions of the run.
        noise: standard deviation of the last exploration noise.
        gone: steps of this session that are lost for good.
    """

    noise: float
    gone: int

    @property
    def steps(self) -> int: ...

    @property
    def first_step(self) -> int: ...

    def note_gone(self, steps: int) -> None:
        """Called when ``steps`` of this actor and session are lost for good: others take their place."""
        ...

    def offer(self, weights: PolicySnapshot) -> None:
        """Called when new weights came.

        Raises:
            WeightsError: they cannot be used.
        """
        ...

    def before_first_step(self) -> str:
        """What is missing before the first episode can begin; "" if nothing is."""
        ...

    def before_publishing(self, published: int) -> str:
        """What is missing before the next step may be published; ``published`` steps were."""
        ...

    def before_acting(self, published: int) -> str:
        """What is missing before the next action may be chosen; ``published`` steps were."""
        ...

    def begin(self, seed: int) -> None:
        """Called when an episode with this ``seed`` begins."""
        ...

    def choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        """The action (2,) float32, and the version of the weights that chose it."""
        ...


class LearnedActionSource:
    """The policy under training: the actor's action with exploration, in step with the learner.

    Mode strict takes new weights exactly when the rate limiter says that they are due, whenever they arrived; so two
    runs of one seed are equal. Mode async takes the newest at once.
    """

    def __init__(self, settings: Settings, actor_index: int) -> None:
        self._run = settings.run
        self._index = actor_index
        self._policy = ActorPolicy(settings, state_dim(settings.observation))
        self._exploration = Exploration(settings.exploration, actor_seed(settings.run.seed, actor_index))
        self._teacher = make_teacher(settings)
        self._limiter = RateLimiter(settings.pacing)
        self._strict = settings.pacing.mode == "strict"
        self._ahead = self._strict and settings.pacing.lead > 0
        self._newest: PolicySnapshot | None = None
        self._fit: FitWeights | None = None
        self._in_use = b""
        self._inserted_before = self._done = 0
        self._told = False
        self._acted = self.gone = 0
        self.noise = 1.0

    @property
    def version(self) -> int | None:
        """Updates behind the weights in use; ``None`` before the first came."""
        return self._policy.version

    @property
    def steps(self) -> int:
        share = _share(self._run.steps - self._inserted_before, self._run.num_actors, self._index)
        return max(share - self._done, 0) + self.gone

    @property
    def first_step(self) -> int:
        return self._inserted_before // self._run.num_actors + self._done

    def begin_at(self, inserted_before: int, done: int) -> None:
        """Join a run that is under way, instead of counting from what the first weights say.

        Args:
            inserted_before: steps that the run had when all its actors began.
            done: steps that this actor has taken since then, in earlier sessions.
        """
        self._inserted_before, self._done, self._told = inserted_before, done, True

    def note_gone(self, steps: int) -> None:
        self.gone = max(self.gone, steps)

    @property
    def frozen(self) -> str:
        """SHA-256 of the encoder's frozen weights; "" where it has none."""
        return self._policy.frozen

    @property
    def weights_in_use(self) -> bytes:
        """All weights that act now; empty before the first came."""
        return self._policy.whole(self._in_use) if self._in_use else b""

    @property
    def newest_version(self) -> int:
        """Updates behind the newest weights, in use or not; -1 before the first came."""
        return -1 if self._newest is None else self._newest.version

    @property
    def newest_weights(self) -> bytes:
        """All of the newest weights, in use or not; empty before the first came."""
        return b"" if self._newest is None else self._policy.whole(self._newest.data)

    def read(self, weights: PolicySnapshot) -> FitWeights | None:
        """Read and check the weights for :meth:`offer`, in any thread; ``None`` while frozen ones are missing.

        Raises:
            WeightsError: they cannot be used.
        """
        return self._policy.fit(weights.data, weights.sha256, weights.version)

    def offer(self, weights: PolicySnapshot, read: FitWeights | None = None) -> None:
        """Keep the weights until they are due; the first ones also tell how many steps the run has behind it.

        Args:
            read: what :meth:`read` made of them, where it was called before.

        Raises:
            WeightsError: they cannot be used, or their numbers are not of this run; those before them stay.
        """
        self._check_numbers(weights)
        self._fit = self.read(weights) if read is None else read
        self._newest = weights
        if self._policy.version is None:
            self._load_first()
        elif not self._strict and weights.version > self._policy.version:
            self._load()

    def offer_frozen(self, weights: PolicySnapshot) -> None:
        """Take over the frozen weights of the encoder, which the learner sends once.

        Raises:
            WeightsError: they cannot be used.
        """
        self._policy.load_frozen(weights.data, weights.sha256)
        if self._policy.version is None:
            self._load_first()

    def before_first_step(self) -> str:
        if self._policy.version is not None:
            return ""
        return "the learner's first weights" if self._newest is None else "the frozen weights of the learner's encoder"

    def before_publishing(self, published: int) -> str:
        return self._missing(published + 1) if self._ahead else ""

    def before_acting(self, published: int) -> str:
        return "" if self._ahead else self._missing(published)

    def begin(self, seed: int) -> None:
        if self._teacher is not None:
            self._teacher.begin(seed)

    def choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        step = self.first_step + self._acted
        self._acted += 1
        wanted = self._wanted(step, observation, situation)
        action, self.noise = self._exploration.action(step, wanted)
        assert self._policy.version is not None
        return action, self._policy.version

    def _wanted(self, step: int, observation: Observation, situation: Situation) -> NDArray[np.float32] | None:
        if not self._exploration.is_random(step):
            return self._policy.act(observation.stack, observation.state)
        return None if self._teacher is None else self._teacher.act(situation)

    def _check_numbers(self, weights: PolicySnapshot) -> None:
        steps, updates = self._run.steps, self._limiter.updates_due(self._run.steps)
        if not 0 <= weights.version <= updates:
            raise WeightsError(f"version {weights.version} is outside 0 .. {updates}, the updates of the run")
        if not 0 <= weights.inserted <= steps:
            raise WeightsError(f"{weights.inserted} inserted steps are outside 0 .. {steps}, the steps of the run")

    def _missing(self, published: int) -> str:
        there = max(published - self.gone, 0) + self._done
        expected = self._limiter.weights_expected(self._inserted_before + there * self._run.num_actors)
        if self._policy.version is not None and self._policy.version >= expected:
            return ""
        if self._newest is not None and self._newest.version >= expected and self._load():
            return ""
        have = "none" if self._newest is None else str(self._newest.version)
        return f"the learner's weights of update {expected} (newest here: {have})"

    def _load_first(self) -> None:
        """Load the newest weights once the frozen ones that they need are here."""
        if self._newest is not None and not self._policy.lacks_frozen(self._newest.data):
            if not self._told:
                self._inserted_before = self._newest.inserted
            self._load()

    def _load(self) -> bool:
        """Take over the newest weights; not while the frozen ones that they need are missing."""
        assert self._newest is not None
        if self._fit is None:
            self._fit = self._policy.fit(self._newest.data, self._newest.sha256, self._newest.version)
        if self._fit is None:
            return False
        self._policy.take(self._fit)
        self._in_use = self._newest.data
        return True


def make_action_source(settings: Settings, name: str, actor_index: int) -> ActionSource:
    """The action source called ``name``.

    Raises:
        SettingsError: there is none of that name.
    """
    if name == POLICY:
        return LearnedActionSource(settings, actor_index)
    if not is_driver(name):
        raise SettingsError(f"driver {name!r} is not one of {POLICY}, {', '.join(DRIVERS)}, nor an import path")
    speed, frame_time = settings.reward.target_speed, settings.simulator.fixed_delta
    seed = actor_seed(settings.run.seed, actor_index)
    return DriverActionSource(settings, episode_driver(name, speed, frame_time, seed))


def others_told(settings: Settings, driver: str) -> bool:
    """Whether the policy node must be told where the other vehicles are when ``driver`` acts."""
    return others_needed(settings) if driver == POLICY else reference_driver(driver).needs_others


def _share(steps: int, actors: int, index: int) -> int:
    """Steps of actor ``index``: an even share of ``steps``, and one of the remainder for each of the first actors."""
    return steps // actors + (1 if index < steps % actors else 0)
