# SPDX-License-Identifier: Apache-2.0
"""Time of one action of a policy on one CPU thread: torch as a training has it, compiled by torch, and onnxruntime.

    python tests/benchmarks/bench_acting.py [--seconds 5] [--compiled]

The three have the same weights and take turns on the same observations. Prints one JSON object a line; ``baseline`` is
torch as it is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from bench_learner import QUICK
from numpy.typing import NDArray

from td3_driving.deploy.contract import contract_of
from td3_driving.deploy.runtime import PolicyRuntime
from td3_driving.driving.observation import stack_shape
from td3_driving.driving.state_vector import state_dim
from td3_driving.export.onnx_graph import model_bytes
from td3_driving.learning.agent import make_agent
from td3_driving.learning.inference import ActorPolicy
from td3_driving.learning.weights import take_snapshot
from td3_driving.settings import Settings, from_flat

TURN = 50  # actions
WARM_UP = 2  # turns that are not counted
SIZES = {"quick": QUICK, "default": {}}

Act = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each size [s]")
    parser.add_argument("--compiled", action="store_true", help="compile the network too; needs a C++ compiler")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, changes in SIZES.items():
        settings = from_flat(changes)
        times = take_turns(ways(settings, options.compiled), settings, options.seconds)
        for way, microseconds in times.items():
            figure = {"value": round(microseconds, 1), "unit": "us", "baseline": round(times["torch"], 1)}
            ratio = round(times["torch"] / microseconds, 3)
            print(json.dumps({"name": f"act_{name}_{way}", **figure, "ratio": ratio}), flush=True)


def ways(settings: Settings, compiled: bool) -> dict[str, Act]:
    """The ways to act, by name."""
    states = state_dim(settings.observation)
    actor = make_agent(settings, states, 0).actor
    weights = take_snapshot(actor, 0, 0, "").data
    found: dict[str, Act] = {"torch": policy(settings, weights).act}
    contract = contract_of(settings)
    found["onnxruntime"] = PolicyRuntime(model_bytes(actor, contract), contract).act
    if compiled:
        other = policy(settings, weights)
        other._actor.encoder.compile(dynamic=False)
        other._actor.trunk.compile(dynamic=False)
        found["compiled"] = other.act
    return found


def policy(settings: Settings, weights: bytes) -> ActorPolicy:
    """A policy that holds ``weights``."""
    made = ActorPolicy(settings, state_dim(settings.observation))
    made.load(weights)
    return made


def take_turns(contenders: dict[str, Act], settings: Settings, seconds: float) -> dict[str, float]:
    """Median time of an action of each contender [us]."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, stack_shape(settings.observation), dtype=np.uint8)
    state = rng.standard_normal(state_dim(settings.observation)).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    stop, turns = float("inf"), 0
    while turns <= WARM_UP or time.perf_counter() < stop:
        for name, act in contenders.items():
            start = time.perf_counter()
            for _ in range(TURN):
                act(frames, state)
            times[name].append((time.perf_counter() - start) / TURN * 1e6)
        turns += 1
        if turns == WARM_UP:
            stop = time.perf_counter() + seconds
    return {name: statistics.median(values[WARM_UP:]) for name, values in times.items()}


if __name__ == "__main__":
    main()
