# SPDX-License-Identifier: Apache-2.0
"""Drives agents over the fixed routes of an evaluation, in the embedded world and in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.action import to_command
from td3_driving.driving.route import Route
from td3_driving.driving.seeding import evaluation_seed
from td3_driving.evaluation.agents import EvaluatedAgent, View
from td3_driving.evaluation.camera_ablation import SEEN, ablated, checked
from td3_driving.evaluation.episode import ENDINGS, EpisodeLog, EpisodeResult, EpisodeScorer, FrameEvents, Others
from td3_driving.evaluation.link import Link, frames_of
from td3_driving.evaluation.perturbations import NONE, perturbation
from td3_driving.settings import ObservationSettings, Settings
from td3_driving.sim.appearance import NOMINAL, episode_appearance
from td3_driving.sim.camera_rig import CameraRig, frame_of
from td3_driving.sim.road_map import RoadMap
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World, WorldFrame

FULL_STOP = np.array([0.0, -1.0], dtype=np.float32)
"""The action before an agent's first view arrives."""
Watcher = Callable[[WorldFrame, NDArray[np.uint8] | None, NDArray[np.float32]], None]
"""Called with every frame, its camera image (height, width, 4) if any, and the action (2,) taken in it."""


@dataclass(frozen=True, slots=True)
class RouteStart:
    """What an observer is told of a route before it is driven.

    Attributes:
        number: of the route in its plan, from 0.
        line: (N, 5) of the route, as :meth:`td3_driving.sim.world.World.reset` gives it.
        roads: the road network.
        log: grows frame by frame while the route is driven.
    """

    number: int
    line: NDArray[np.float64]
    roads: RoadMap
    log: EpisodeLog

    @property
    def points(self) -> NDArray[np.float64]:
        """(N, 3) of the route in the map frame [m], on the ground: the embedded world is flat."""
        return np.column_stack((self.line[:, :2], np.zeros(len(self.line))))


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What every agent drives.

    Attributes:
        scenario: number of one of :data:`td3_driving.sim.scenarios.SCENARIOS`.
        routes: number of routes; route i has the seed ``evaluation_seed(seed, i)``.
        ending: one of :data:`td3_driving.evaluation.episode.ENDINGS`.
        delay: from the camera to the agent [s], in whole frames; drop: share of the frames that get lost, 0 .. 1.
        camera: the change to the frames, one of :data:`td3_driving.evaluation.camera_ablation.ABLATIONS`.
        perturbation: the change to the camera, one of :data:`td3_driving.evaluation.perturbations.PERTURBATIONS`.
    """

    scenario: int = 0
    routes: int = 10
    seed: int = 0
    ending: str = "leaderboard"
    delay: float = 0.0
    drop: float = 0.0
    camera: str = SEEN
    perturbation: str = NONE

    def __post_init__(self) -> None:
        if self.routes < 1:
            raise ValueError(f"routes: {self.routes} is less than 1")
        if self.ending not in ENDINGS:
            raise ValueError(f"ending: {self.ending!r} is not one of {', '.join(ENDINGS)}")
        if not 0.0 <= self.drop <= 1.0:
            raise ValueError(f"drop: {self.drop} is outside 0 .. 1")
        checked(self.camera)
        perturbation(self.perturbation)

    @property
    def seeds(self) -> list[int]:
        """Seeds of the routes, in their order."""
        return [evaluation_seed(self.seed, route) for route in range(self.routes)]


def together(observers: Sequence[Callable[[RouteStart], Watcher | None]]) -> Callable[[RouteStart], Watcher | None]:
    """One ``watch`` for several; one of none watches nothing."""

    def watch(start: RouteStart) -> Watcher | None:
        watchers = [watcher for watcher in (observer(start) for observer in observers) if watcher is not None]
        if not watchers:
            return None

        def take(frame: WorldFrame, image: np.ndarray | None, action: np.ndarray) -> None:
            for watcher in watchers:
                watcher(frame, image, action)

        return take

    return watch


class LaneBorders:
    """Keeps the borders of the lanes that were driven on."""

    def __init__(self) -> None:
        self._maps: dict[str, list[NDArray[np.float64]]] = {}

    def of(self, start: RouteStart) -> None:
        """A ``watch`` of :func:`evaluate` that looks at no frame."""
        if start.roads.name not in self._maps:
            self._maps[start.roads.name] = [border for lane in start.roads.lanes for border in lane.edges()]

    @property
    def borders(self) -> Sequence[NDArray[np.float64]]:
        """Each (N, 2) in the map frame [m]; none where the routes were on several maps, whose places mean nothing to
        one another."""
        return next(iter(self._maps.values())) if len(self._maps) == 1 else ()


class Stage:
    """The embedded world; its cameras are made when an agent first needs them.

    Args:
        observation: whose cameras there are.
        disturbance: name of the change to the camera.
    """

    def __init__(
        self, settings: Settings, scenario: int, disturbance: str = NONE, observation: ObservationSettings | None = None
    ) -> None:
        self._observation = observation or ObservationSettings()
        self._disturbance = perturbation(disturbance)
        self._generator = np.random.default_rng(0)
        self.settings = replace(settings, simulator=replace(settings.simulator, scenario=scenario))
        self.world = World(self.settings.simulator, settings.run.seed)
        self._camera: CameraRig | None = None
        self._appearance, self._first_ns = NOMINAL, 0

    def reset(self, scenario: int, seed: int) -> NDArray[np.float64]:
        """Begin an episode; see :meth:`td3_driving.sim.world.World.reset`."""
        line = self.world.reset(scenario, seed)
        drawn = episode_appearance(self.settings.appearance, scenario, seed)
        self._appearance = self._disturbance.dressed(drawn)
        self._generator = np.random.default_rng([seed, 5])
        self._first_ns = self.world.next_stamp_ns
        if self._camera is not None:
            self._camera.enter(self.world.roads)
            self._camera.dress(self._appearance, self._first_ns)
        return line

    def images(self, frame: WorldFrame) -> list[NDArray[np.uint8]]:
        """What each camera shows of ``frame``, (height, width, 4) uint8; the next call may overwrite it."""
        if self._camera is None:
            self._camera = CameraRig(self.world.roads, self.settings.simulator, self._observation)
            self._camera.dress(self._appearance, self._first_ns)
        images = self._camera.images(frame.ego, frame.vehicles)
        return [self._disturbance.image(image, self._generator) for image in images]

    def close(self) -> None:
        """Close the renderer."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None


def evaluate(
    settings: Settings,
    agent: EvaluatedAgent,
    plan: EvaluationPlan,
    watch: Callable[[RouteStart], Watcher | None] = lambda start: None,
) -> Iterator[EpisodeResult]:
    """Drive every route of ``plan``, one result after the other.

    Args:
        watch: gives the observer of a route, or None.

    Raises:
        ValueError: the plan does not fit the settings.
        MapError, RouteError: the map cannot be used.
    """
    delay = frames_of(plan.delay, settings.simulator.fixed_delta)
    agent = ablated(agent, plan.camera)
    stage = Stage(settings, plan.scenario, plan.perturbation, agent.observation_settings)
    try:
        for route, seed in enumerate(plan.seeds):
            link: Link[View] = Link(delay, plan.drop, np.random.default_rng([seed, 1]))
            yield _drive_route(stage, agent, plan, route, link, watch)
    finally:
        stage.close()


def _drive_route(
    stage: Stage,
    agent: EvaluatedAgent,
    plan: EvaluationPlan,
    number: int,
    link: Link[View],
    watch: Callable[[RouteStart], Watcher | None],
) -> EpisodeResult:
    seed = plan.seeds[number]
    line = stage.reset(plan.scenario, seed)
    route = Route(line)
    scorer = EpisodeScorer(stage.settings, plan.ending, route, _half_width(line, route))
    watcher = watch(RouteStart(number, line, stage.world.roads, scorer.log))
    agent.start(route, seed)
    action: NDArray[np.float32] | None = None
    while True:
        frame = stage.world.tick()
        ended = scorer.watch(_seen(frame), action)
        if ended is not None:
            return scorer.result(plan.scenario, seed, ended)
        images = stage.images(frame) if agent.observation_settings is not None or watcher is not None else []
        arrived = link.pass_on(_view(agent, frame, images))
        if arrived is not None:
            began = time.perf_counter()
            action = agent.decide(arrived)
            scorer.log.latencies.append(time.perf_counter() - began)
        action = FULL_STOP if action is None else action
        if watcher is not None:
            watcher(frame, images[0], action)
        command = to_command(action)
        stage.world.apply(Control(throttle=command.throttle, steer=command.steer, brake=command.brake))


def _half_width(line: NDArray[np.float64], route: Route) -> NDArray[np.float64]:
    """Half the lane width at the route's points; the route may have fewer points than its line (N, 5)."""
    s = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))))
    return np.asarray(0.5 * np.interp(route.s, s, line[:, 3]))


def _seen(frame: WorldFrame) -> FrameEvents:
    cars = frame.vehicles
    boxes = np.stack((cars.x, cars.y, cars.yaw, cars.length, cars.width), axis=1)
    contacts = [contact.actor_id for contact in frame.collisions]
    return FrameEvents(frame.ego, contacts, len(frame.lane_invasions), Others(boxes, cars.speed))


def _view(agent: EvaluatedAgent, frame: WorldFrame, images: list[NDArray[np.uint8]]) -> View:
    asked = agent.observation_settings
    seen = None if asked is None else frame_of(images, asked)
    return View(frame.ego, seen, frame.vehicles.neighbours())
