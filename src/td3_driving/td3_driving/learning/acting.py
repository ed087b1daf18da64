"""Who chooses the actions of a run: the policy that is being learned, or a reference driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from td3_driving.driving.drivers import Driver, LaneKeeper, RandomDriver, Situation, parked
from td3_driving.driving.observation import Observation
from td3_driving.driving.seeding import actor_seed
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.teacher import make_teacher
from td3_driving.learning.exploration import Exploration
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.pacing import RateLimiter
from td3_driving.settings import Settings, SettingsError

DRIVERS = ("policy", "lane_keeper", "parked", "random")


class Chooser(Protocol):
    """Chooses actions and says what must be there before it can.

    Attributes:
        steps: steps that this actor takes in this session.
        first_step: steps that it took in earlier sessions of the run.
        noise: standard deviation of the last exploration noise.
    """

    noise: float

    @property
    def steps(self) -> int: ...

    @property
    def first_step(self) -> int: ...

    def offer(self, data: bytes, version: int, inserted: int, sha256: str) -> None:
        """New weights came."""
        ...

    def before_first_step(self) -> str:
        """What is missing before the first episode can begin; empty when nothing is."""
        ...

    def before_publishing(self, published: int) -> str:
        """What is missing before the step after ``published`` steps may be published."""
        ...

    def before_acting(self, published: int) -> str:
        """What is missing before the next action may be chosen."""
        ...

    def choose(self, observation: Observation, situation: Situation) -> tuple[np.ndarray, int]:
        """The action (2,) float32 and the version of the weights behind it."""
        ...


@dataclass(frozen=True, slots=True)
class _Offer:
    data: bytes
    version: int
    inserted: int
    sha256: str


class LearnedChooser:
    """The policy under training: the actor's action with exploration, in step with the learner.

    In mode strict new weights are taken exactly when the rate limiter says that they are due, whenever they arrived;
    that is what makes two runs equal. In mode async the newest are taken at once.
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
        self._newest: _Offer | None = None
        self._in_use = b""
        self._inserted_before = 0
        self._acted = 0
        self.noise = 1.0

    @property
    def version(self) -> int | None:
        """Updates behind the weights in use; ``None`` before the first came."""
        return self._policy.version

    @property
    def steps(self) -> int:
        return _share(self._run.steps - self._inserted_before, self._run.num_actors, self._index)

    @property
    def first_step(self) -> int:
        return self._inserted_before // self._run.num_actors

    @property
    def in_use(self) -> bytes:
        """The weights that act now, as they came; empty before the first."""
        return self._in_use

    @property
    def newest(self) -> tuple[int, bytes]:
        """The newest weights and the updates behind them, in use or not; version -1 before the first came."""
        return (-1, b"") if self._newest is None else (self._newest.version, self._newest.data)

    def offer(self, data: bytes, version: int, inserted: int, sha256: str) -> None:
        """Keep the weights until they are due; the very first say how far the run has come."""
        self._newest = _Offer(data, version, inserted, sha256)
        if self._policy.version is None:
            self._inserted_before = inserted
            self._load()
        elif not self._strict and version > self._policy.version:
            self._load()

    def before_first_step(self) -> str:
        return "the learner's first weights" if self._policy.version is None else ""

    def before_publishing(self, published: int) -> str:
        return self._missing(published + 1) if self._ahead else ""

    def before_acting(self, published: int) -> str:
        return "" if self._ahead else self._missing(published)

    def choose(self, observation: Observation, situation: Situation) -> tuple[np.ndarray, int]:
        step = self.first_step + self._acted
        self._acted += 1
        wanted = self._wanted(step, observation, situation)
        action, self.noise = self._exploration.action(step, wanted)
        assert self._policy.version is not None
        return action, self._policy.version

    def _wanted(self, step: int, observation: Observation, situation: Situation) -> np.ndarray | None:
        if not self._exploration.is_random(step):
            return self._policy.act(observation.stack, observation.state)
        return None if self._teacher is None else self._teacher.act(situation)

    def _missing(self, published: int) -> str:
        expected = self._limiter.weights_expected(self._inserted_before + published * self._run.num_actors)
        if self._policy.version is not None and self._policy.version >= expected:
            return ""
        if self._newest is not None and self._newest.version >= expected:
            self._load()
            return ""
        have = "none" if self._newest is None else str(self._newest.version)
        return f"the learner's weights of update {expected} (newest here: {have})"

    def _load(self) -> None:
        assert self._newest is not None
        self._policy.load(self._newest.data, self._newest.sha256)
        self._in_use = self._newest.data


class DriverChooser:
    """A reference driver; needs no learner."""

    def __init__(self, settings: Settings, driver: Driver) -> None:
        self._driver = driver
        self.steps = settings.run.steps
        self.first_step = 0
        self.noise = 0.0

    def offer(self, data: bytes, version: int, inserted: int, sha256: str) -> None:
        """A reference driver has no weights."""

    def before_first_step(self) -> str:
        return ""

    def before_publishing(self, published: int) -> str:
        return ""

    def before_acting(self, published: int) -> str:
        return ""

    def choose(self, observation: Observation, situation: Situation) -> tuple[np.ndarray, int]:
        return self._driver.act(situation), 0


def make_chooser(settings: Settings, name: str, actor_index: int) -> Chooser:
    """The chooser called ``name``.

    Raises:
        SettingsError: there is none of that name.
    """
    if name == "policy":
        return LearnedChooser(settings, actor_index)
    if name == "lane_keeper":
        return DriverChooser(settings, LaneKeeper(settings.reward.target_speed, settings.simulator.fixed_delta))
    if name == "parked":
        return DriverChooser(settings, parked())
    if name == "random":
        return DriverChooser(settings, RandomDriver(np.random.default_rng(actor_seed(settings.run.seed, actor_index))))
    raise SettingsError(f"driver {name!r} is not one of {', '.join(DRIVERS)}")


def _share(steps: int, actors: int, index: int) -> int:
    """Steps of actor ``index`` when ``steps`` are dealt out evenly; the first actors take the remainder."""
    return steps // actors + (1 if index < steps % actors else 0)
