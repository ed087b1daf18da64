"""Training without transport: the embedded world, the pilot and the trainer in one process, step by step.

The same classes as in the nodes do the same things in the same order; only the messages are left out. For tuning, for
comparisons with other learners, and for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from td3_driving.driving.action import to_command
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.observation import grey_frame, state_dim
from td3_driving.driving.pilot import Pilot, Scored
from td3_driving.driving.route import Route
from td3_driving.driving.seeding import episode_seed
from td3_driving.learning.acting import LearnedChooser
from td3_driving.learning.trainer import Trainer
from td3_driving.settings import Settings
from td3_driving.sim.camera import Camera
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import Frame, World

CAMERA_ENCODING = "bgra8"


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step of the run; ``ended`` is the record of the episode that it closed."""

    scored: Scored
    ended: EpisodeRecord | None


class InProcessRun:
    """One actor and one learner in lockstep.

    Args:
        directory: the run folder, for the replay memory and the checkpoints.
        make_trainer: for tests that put a fault into the learner.
    """

    def __init__(
        self, settings: Settings, directory: Path, make_trainer: Callable[[Settings, Path, int], Trainer] = Trainer
    ) -> None:
        self.settings = settings
        self.trainer = make_trainer(settings, directory, state_dim(settings.observation))
        self.world = World(settings.simulator, settings.run.seed)
        simulator = settings.simulator
        self._camera = Camera(self.world.roads, simulator.camera_width, simulator.camera_height, simulator.camera_fov)
        self._chooser = LearnedChooser(settings, actor_index=0)
        self.pilot = Pilot(settings, "actor_0", 0, self._chooser.choose)
        self._take_weights()

    def steps(self) -> Iterator[Stepped]:
        """Drive and learn to the end of the run, yielding after every step."""
        while not self.trainer.finished:
            yield from self._episode()
        self.trainer.save()

    def _episode(self) -> Iterator[Stepped]:
        scenario = self.settings.simulator.scenario
        seed = episode_seed(self.settings.run.seed, 0, self._chooser.first_step, self.pilot.episodes)
        self.pilot.start(Route(self.world.reset(scenario, seed)), scenario, seed)
        while True:
            frame = self.world.tick()
            sight = self.pilot.see(grey_frame(self._look(frame), CAMERA_ENCODING, self.settings.observation), frame.ego)
            last = self.pilot.steps + 1 >= self._chooser.steps
            scored = self.pilot.score(sight, bool(frame.collisions), last)
            if scored is not None:
                self.trainer.receive(scored.experience)
                self._take_weights()
                yield Stepped(scored, self.pilot.record if scored.exit_reason is not None else None)
                if scored.exit_reason is not None:
                    return
            command = to_command(self.pilot.act(sight))
            self.world.apply(Control(throttle=command.throttle, steer=command.steer, brake=command.brake))

    def _look(self, frame: Frame) -> np.ndarray:
        return self._camera.render(frame.ego, frame.vehicles)

    def _take_weights(self) -> None:
        if self._chooser.version != self.trainer.updates:
            snapshot = self.trainer.weights()
            self._chooser.offer(snapshot.data, snapshot.version, snapshot.inserted, snapshot.sha256)
            self._chooser.before_acting(self.pilot.steps)
