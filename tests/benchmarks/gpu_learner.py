# SPDX-License-Identifier: Apache-2.0
"""Updates per second on a CUDA device: this learner, Stable-Baselines3 where it is installed, and a bare reference.

    python tests/benchmarks/gpu_learner.py [--seconds 420]

Needs torch, numpy and safetensors. All have the camera critic on 84x84x4 frames. ``kernel_time`` is the sum of the
times of the kernels of one update: no learner that runs them one after the other is faster. Prints one JSON object a
line; what the time does not reach is printed as skipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable

import numpy as np
import torch
from bench_learner import stable_baselines
from gpu_reference import PlainLearner
from torch.profiler import ProfilerActivity, profile

from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.agent import make_agent
from td3_driving.learning.intake import ExperienceIntake
from td3_driving.learning.preflight import made_up_experience
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.updater import Updater, make_updater
from td3_driving.settings import Settings, from_flat

STORED = 3000
ROUNDS, ROUND_SECONDS = 3, 0.7
PROFILED = 10  # pairs of updates
PRECISIONS, BATCHES = ("tf32", "bfloat16", "float32"), (256, 1024, 4096)

Pair = Callable[[], None]
"""Two updates, the second with the actor."""


@dataclass(frozen=True)
class Case:
    """One thing to measure; ``form`` is eager, graph, compiled or, for the library, its own."""

    who: str
    precision: str
    batch: int
    form: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=420.0, help="no case is begun after it [s]")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("skipped: no GPU")
        sys.exit(0)
    start, rates = time.monotonic(), {}
    say({"name": "gpu_device", "value": torch.cuda.get_device_name(), "torch": torch.__version__})
    for check in (captured_is_eager, same_bits):
        guarded(check.__name__, check)
    for case in cases():
        if time.monotonic() - start > options.seconds:
            say({"name": "gpu_updates", **vars(case), "skipped": "the time is over"})
            continue
        measured = guarded("gpu_updates", partial(measure, case))
        rates[case] = float(measured.get("value", 0.0))
    for batch in BATCHES:
        compare(rates, batch)


def cases() -> Iterator[Case]:
    """What matters most comes first."""
    for batch in BATCHES:
        for precision in PRECISIONS:
            yield Case("ours", precision, batch, "graph")
            yield Case("reference", precision, batch, "graph")
        if batch == BATCHES[0]:
            yield Case("sb3", "float32", batch, "own")
            yield Case("ours", "tf32", batch, "eager")
            yield Case("reference", "tf32", batch, "eager")
            yield Case("ours", "tf32", batch, "compiled")
            yield Case("reference", "tf32", batch, "compiled")
            yield Case("ours privileged", "tf32", batch, "graph")
            yield Case("ours", "bfloat16", batch, "compiled")
            yield Case("reference", "bfloat16", batch, "compiled")
            yield Case("ours pinned", "tf32", batch, "graph")
    for batch in BATCHES[1:]:
        for who in ("ours", "reference"):
            yield Case(who, "bfloat16", batch, "compiled")


def guarded(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Print what ``work`` found, or why it failed; one case that fails must not cost the others."""
    try:
        found = work()
    except (RuntimeError, ValueError, TypeError, AttributeError, ImportError) as error:
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    say({"name": name, **found})
    torch.cuda.empty_cache()
    return found


def compare(rates: dict[Case, float], batch: int) -> None:
    """Print the best of ours beside the best of each other one at this batch."""
    best: dict[str, float] = {}
    for case, rate in rates.items():
        if case.batch == batch:
            best[case.who] = max(best.get(case.who, 0.0), rate)
    for other in ("reference", "sb3"):
        if best.get(other) and best.get("ours"):
            ratio = round(best["ours"] / best[other], 3)
            say({"name": f"gpu_ours_against_{other}_batch_{batch}", "value": ratio, "unit": "1"})


def measure(case: Case) -> dict[str, Any]:
    """Updates per second, and time and number of kernels of one update."""
    with TemporaryDirectory() as folder:
        pair = make_pair(case, Path(folder))
        if pair is None:
            return {**vars(case), "skipped": "stable_baselines3 is not installed"}
        for _ in range(10):
            pair()
        torch.cuda.synchronize()
        rates = [rate_of(pair) for _ in range(ROUNDS)]
        rate = round(statistics.median(rates), 1)
        return {**vars(case), "value": rate, "unit": "updates/s", **kernels_of(pair)}


def rate_of(pair: Pair) -> float:
    """Updates per second over one round."""
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < ROUND_SECONDS:
        for _ in range(10):
            pair()
        count += 20
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start)


def kernels_of(pair: Pair) -> dict[str, Any]:
    """Time of the kernels of one update [ms], and how many there are."""
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        for _ in range(PROFILED):
            pair()
        torch.cuda.synchronize()
    events = [event for event in watched.key_averages() if event.self_device_time_total > 0]
    microseconds = sum(event.self_device_time_total for event in events)
    count = sum(event.count for event in events)
    updates = 2 * PROFILED
    return {"kernel_time": round(microseconds / updates / 1e3, 4), "kernel_time_unit": "ms", "kernels": count / updates}


def make_pair(case: Case, folder: Path) -> Pair | None:
    """Two updates of whoever the case is about; ``None`` where the library is not installed."""
    if case.who == "reference":
        return PlainLearner(case.batch, case.precision, case.form, torch.device("cuda")).pair
    settings = settings_of(case)
    if case.who == "sb3":
        # As torch comes: convolutions in TF32, products not.
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
        torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = False
        return stable_baselines(settings, folder, 2) if find_spec("stable_baselines3") else None
    updater, _ = make_learner(settings)

    def pair() -> None:
        updater.update(1.0)
        updater.update(1.0)

    return pair


def settings_of(case: Case) -> Settings:
    """Settings of a case; mode async lets the libraries choose their kernels by timing, as the reference does."""
    return from_flat(
        {
            "network.critic": "privileged" if case.who == "ours privileged" else "camera",
            "learning.device": "cuda",
            "learning.precision": case.precision,
            "learning.batch_size": case.batch,
            "learning.capture": case.form in ("graph", "compiled"),
            "learning.compile": "on" if case.form == "compiled" else "off",
            "pacing.mode": "async",
            "replay.on_disk": False,
            "replay.capacity": STORED + 1000,
            "replay.device_share": 0.0 if case.who == "ours pinned" else 0.6,
        }
    )


def make_learner(settings: Settings) -> tuple[Updater, dict[str, torch.Tensor]]:
    """A learner with a filled memory, and the tensors that it moves."""
    states = state_dim(settings.observation)
    memory = ReplayMemory(settings, states, None)
    intake = ExperienceIntake(settings, states, memory)
    for experience in made_up_experience(settings, states, STORED):
        intake.accept(experience)
    agent = make_agent(settings, states, 0)
    return make_updater(settings, agent, memory, np.random.default_rng(0)), dict(agent.actor.state_dict())


def captured_is_eager() -> dict[str, Any]:
    """Largest difference of an actor's weights after 20 updates, recorded and not, from one seed."""
    ends = []
    for form in ("eager", "graph"):
        updater, weights = make_learner(strict(form))
        for _ in range(20):
            updater.update(1.0)
        ends.append({name: value.detach().clone() for name, value in weights.items()})
    return {"value": max(float((ends[0][name] - ends[1][name]).abs().max()) for name in ends[0]), "unit": "1"}


def same_bits() -> dict[str, Any]:
    """Whether two recorded learners of one seed have the same weights after 40 updates."""
    ends = []
    for _ in range(2):
        updater, weights = make_learner(strict("graph"))
        for _ in range(40):
            updater.update(1.0)
        ends.append({name: value.detach().clone() for name, value in weights.items()})
    return {"value": all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0]), "unit": "bool"}


def strict(form: str) -> Settings:
    """Settings whose bits repeat."""
    return from_flat({"pacing.mode": "strict"}, settings_of(Case("ours", "tf32", 256, form)))


def say(line: dict[str, Any]) -> None:
    """One JSON object on a line of its own."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
