# SPDX-License-Identifier: Apache-2.0
"""Replay memory: bytes per stored transition, time to insert and to sample, at 84x84 frames stacked by four.

    python tests/benchmarks/bench_replay.py [--transitions 100000] [--directory DIR]

Without a directory the memory stays in main memory. Prints one JSON object a line; the baselines are the bytes that
full stacks of both observations would take, and the bounds that the project has set itself for the times.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from td3_driving.driving.observation import stack_shape
from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.settings import Settings, from_flat

EPISODE = 200  # steps; each episode costs one frame more than it has transitions
SAMPLE_BOUND_MS = 3.0
INSERT_BOUND_MS = 1.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transitions", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    settings = from_flat({"replay.capacity": options.transitions + options.transitions // EPISODE + 1})
    memory = ReplayMemory(settings, state_dim(settings.observation), options.directory)
    inserting = fill(memory, settings, options.transitions)
    stacks = 2 * math.prod(stack_shape(settings.observation))
    report("replay_bytes_per_transition", memory.reserved_bytes / memory.sampleable, "B", stacks)
    report("replay_insert", inserting * 1e3, "ms", INSERT_BOUND_MS)
    report("replay_sample_256", sampling(memory) * 1e3, "ms", SAMPLE_BOUND_MS)


def fill(memory: ReplayMemory, settings: Settings, transitions: int) -> float:
    """Insert episodes of ``EPISODE`` steps and return the median time of one insertion [s]."""
    (step,) = made_up_experience(settings, state_dim(settings.observation), 1)
    times = []
    for number in range(transitions):
        episode, index = divmod(number, EPISODE)
        last = index == EPISODE - 1 or number == transitions - 1
        current = replace(
            step,
            sequence=number,
            episode_id=episode,
            step_index=index,
            truncated=last,
            final_frame=step.frame if last else None,
            final_state=step.state if last else None,
            final_privileged=step.privileged if last else None,
        )
        start = time.perf_counter()
        memory.append(current, linked=index > 0)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def sampling(memory: ReplayMemory) -> float:
    """Median time of a batch of 256 [s]."""
    generator, times = np.random.default_rng(0), []
    for _ in range(200):
        start = time.perf_counter()
        memory.sample(256, generator)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(name: str, value: float, unit: str, baseline: float) -> None:
    """One line of JSON; ``ratio`` above 1 is better than the baseline."""
    print(
        json.dumps(
            {
                "name": name,
                "value": round(value, 4),
                "unit": unit,
                "baseline": baseline,
                "ratio": round(baseline / value, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
