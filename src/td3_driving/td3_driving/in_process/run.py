# SPDX-License-Identifier: Apache-2.0
"""Trains in one process without ROS: steps the embedded world, the pilot and the trainer in turn.

The classes are those of the nodes and act in the same order; only the messages are left out. It serves tuning,
comparisons with other learners, and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from td3_driving.driving.action import to_command
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.pilot import Pilot, Scored, TimeStep
from td3_driving.driving.route import Route
from td3_driving.driving.seeding import episode_seed
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.teacher import make_teacher
from td3_driving.learning.acting import LearnedActionSource
from td3_driving.learning.ranks.joining import led_trainer
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings
from td3_driving.sim.appearance import training_appearance
from td3_driving.sim.camera_rig import CameraRig
from td3_driving.sim.scenarios import training_scenario
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World, WorldFrame


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step of the run; ``ended`` is the record of the episode that it closed."""

    scored: Scored
    ended: EpisodeRecord | None


class PilotedWorld:
    """The embedded world with its camera, driven by a pilot."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        simulator = settings.simulator
        self.world = World(simulator, settings.run.seed)
        self.camera = CameraRig(self.world.roads, simulator, settings.observation)

    def start(self, pilot: Pilot, seed: int) -> None:
        """A new episode on the route and among the traffic of ``seed``."""
        scenario = training_scenario(self.settings.simulator, seed)
        route = Route(self.world.reset(scenario, seed))
        self.camera.enter(self.world.roads)
        self.camera.dress(training_appearance(self.settings, scenario, seed), self.world.next_stamp_ns)
        pilot.start(route, scenario, seed)

    def look(self, pilot: Pilot) -> tuple[WorldFrame, TimeStep]:
        """The next frame, and what ``pilot`` sees of it; its record counts the frames with a marking crossed."""
        frame = self.world.tick()
        assert pilot.record is not None
        pilot.record.lane_invasions += int(bool(frame.lane_invasions))
        seen = self.camera.frame(frame.ego, frame.vehicles)
        return frame, pilot.see(seen, frame.ego, frame.vehicles.neighbours())

    def act(self, pilot: Pilot, time_step: TimeStep) -> None:
        """Put the pilot's action into force for the next frame."""
        command = to_command(pilot.act(time_step))
        self.world.apply(Control(throttle=command.throttle, steer=command.steer, brake=command.brake))


class InProcessRun:
    """One actor and one learner in lockstep.

    Args:
        directory: the run folder, for the replay memory and the checkpoints.
        make_trainer: for tests that put a fault into the learner.
    """

    def __init__(
        self, settings: Settings, directory: Path, make_trainer: Callable[[Settings, Path, int], Trainer] = led_trainer
    ) -> None:
        self.settings = settings
        self.trainer = make_trainer(settings, directory, state_dim(settings.observation))
        self.scene = PilotedWorld(settings)
        self._action_source = LearnedActionSource(settings, actor_index=0)
        self.pilot = Pilot(settings, "actor_0", 0, self._action_source.choose, make_teacher(settings))
        self._sent = -1
        frozen = self.trainer.frozen_weights
        if frozen is not None:
            self._action_source.offer_frozen(frozen)
        self._take_weights()

    def steps(self) -> Iterator[Stepped]:
        """Drive and learn to the end of the run, yielding after every step."""
        while not self.trainer.finished:
            yield from self._episode()
        self.trainer.save()

    def _episode(self) -> Iterator[Stepped]:
        seed = episode_seed(self.settings.run.seed, 0, self._action_source.first_step, self.pilot.episodes)
        self._action_source.begin(seed)
        self.scene.start(self.pilot, seed)
        while True:
            frame, time_step = self.scene.look(self.pilot)
            last = self.pilot.steps + 1 >= self._action_source.steps
            _nothing(self._action_source.before_publishing(self.pilot.steps))
            scored = self.pilot.score(time_step, bool(frame.collisions), last)
            if scored is not None:
                self.trainer.receive(scored.experience)
                self._take_weights()
                yield Stepped(scored, self.pilot.record if scored.exit_reason is not None else None)
                if scored.exit_reason is not None:
                    return
            _nothing(self._action_source.before_acting(self.pilot.steps))
            self.scene.act(self.pilot, time_step)

    def _take_weights(self) -> None:
        if self._sent != self.trainer.updates:
            self._action_source.offer(self.trainer.trained_weights())
            self._sent = self.trainer.updates


def _nothing(missing: str) -> None:
    """Raise RuntimeError if pacing would block."""
    if missing:
        raise RuntimeError(f"pacing waits for {missing}")
