# SPDX-License-Identifier: Apache-2.0
"""What a step costs the learner after 10^4, 10^5 and 10^6 steps, its memory on disk and nothing of it overwritten.

    python tests/benchmarks/bench_long_run.py [--steps 1000000] [--directory DIR]

A step is: made-up experience checked and stored, and half an update of the networks of the profile ``quick`` with a
batch drawn from the memory. Frames are small, so that the files are. A memory that keeps 10^4 steps takes turns with
the one that grows, so that a busy machine shows in both. Prints one JSON object a decade, first for the memory alone,
then with the networks; ``baseline`` is the small memory, ``ratio`` the growth of value by baseline since the first
decade. Takes 1.2 GB of the disk meanwhile.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bench_learner import QUICK

from td3_driving.driving.experience import Experience
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.agent import make_agent
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import from_flat

EPISODE = 200
FIRST = 10**4
TURNS, TURN = 15, 40  # blocks of a decade, and steps of a block
STEPS_PER_UPDATE = 2
SMALL = QUICK | {"observation.frame_height": 24, "observation.frame_width": 24, "learning.batch_size": 64}


class StepSink:
    """A learner's memory with the checks before it.

    Args:
        kept: steps that it keeps.
        directory: for its files.
    """

    def __init__(self, steps: int, kept: int, directory: Path) -> None:
        directory.mkdir()
        settings = from_flat(SMALL | {"run.steps": 2 * steps, "replay.capacity": kept + kept // EPISODE + 1})
        dimension = state_dim(settings.observation)
        self._memory = ReplayMemory(settings, dimension, directory)
        self._intake = ExperienceIntake(settings, dimension, self._memory, heal=True)
        (self._pattern,) = made_up_experience(settings, dimension, 1)
        self._batch, self._generator = settings.learning.batch_size, np.random.default_rng(0)
        self._agent = make_agent(settings, dimension, 0)
        self._steps = 0

    def fill(self, steps: int) -> None:
        """Store steps until there were so many."""
        while self._steps < steps:
            assert self._intake.accept(self._next()).inserted

    def cost(self) -> tuple[float, float]:
        """CPU time of one step of a block [us]: of the memory, and of memory and networks."""
        made, learning = [self._next() for _ in range(TURN)], 0.0
        start = time.process_time()
        for number, experience in enumerate(made):
            self._intake.accept(experience)
            if number % STEPS_PER_UPDATE == 0:
                batch = self._memory.sample(self._batch, self._generator)
                drawn = time.process_time()
                self._agent.update(batch)
                learning += time.process_time() - drawn
        whole = time.process_time() - start
        return (whole - learning) / TURN * 1e6, whole / TURN * 1e6

    def _next(self) -> Experience:
        step, episode, index = self._pattern, *divmod(self._steps, EPISODE)
        made = replace(step, sequence=self._steps, episode_id=episode, step_index=index)
        self._steps += 1
        if index < EPISODE - 1:
            return made
        return replace(
            made,
            truncated=True,
            final_frame=step.frame,
            final_state=step.state,
            final_privileged=step.privileged,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10**6, help="of the last decade")
    parser.add_argument("--directory", type=Path, default=None, help="where the files lie meanwhile")
    options = parser.parse_args()
    torch.set_num_threads(1)
    first: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        room = options.steps + TURNS * TURN
        grown, small = StepSink(room, room, Path(name, "grown")), StepSink(room, FIRST, Path(name, "small"))
        small.fill(FIRST + EPISODE)
        decade = FIRST
        while decade <= options.steps:
            grown.fill(decade)
            turns = np.array([(grown.cost(), small.cost()) for _ in range(TURNS)])
            for part, (cost, baseline) in zip(("memory", "step"), np.median(turns, axis=0).T.tolist()):
                growth = cost / baseline / first.setdefault(part, cost / baseline)
                figures = {"value": round(cost, 1), "unit": "us", "baseline": round(baseline, 1)}
                print(json.dumps({"name": f"{part}_after_{decade}", **figures, "ratio": round(growth, 3)}), flush=True)
            decade *= 10


if __name__ == "__main__":
    main()
