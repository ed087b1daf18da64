# SPDX-License-Identifier: Apache-2.0
"""Steps per second of real runs with few actors on this machine, beside what ``tools.scaling`` says of them.

``python tests/benchmarks/scaling_points.py [STEPS [ACTORS ...]]`` trains the profile ``quick`` once for each number of
actors. The costs of the simulation are the processor times of the first run, and the cores that the run got.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from td3_driving.learning.replay_files import steps_in
from td3_driving.runs.profiles import load_profile, profile_path
from tools.scaling import Costs, QueueingRun

TICK = 1.0 / os.sysconf("SC_CLK_TCK")
STEPS, ACTORS = 1600, (1, 2, 4)
PATIENCE = 900.0
KINDS = ("simulator", "policy", "learner", "diagnostics")


@dataclass(frozen=True)
class Mark:
    """Wall time [s], processor time by kind of process [s], and steps so far."""

    wall: float
    cpu: dict[str, float]
    steps: int


@dataclass(frozen=True)
class Phase:
    """What a run did between two marks.

    Attributes:
        rate: steps per second.
        cpu: processor seconds per step, by kind of process.
        cores: that all processes got together.
    """

    rate: float
    cpu: dict[str, float]
    cores: float

    @staticmethod
    def between(one: Mark, two: Mark) -> Phase:
        """The phase from mark ``one`` to mark ``two``."""
        steps, wall = two.steps - one.steps, two.wall - one.wall
        spent = {kind: two.cpu[kind] - one.cpu[kind] for kind in two.cpu.keys() | KINDS}
        return Phase(steps / wall, {kind: spent[kind] / steps for kind in KINDS}, sum(spent.values()) / wall)


def phases(actors: int, steps: int) -> tuple[Phase, Phase]:
    """The first half of a run, which collects, and the second, which learns; a tenth at each end is left out."""
    half, edge = steps // 2, steps // 20
    with tempfile.TemporaryDirectory() as home:
        run = Path(home) / "runs" / "run"
        words = ["--profile", "quick", "--run", str(run), "--steps", str(steps), "--num-actors", str(actors)]
        for setting in (f"pacing.learning_starts={half}", "pacing.stall_timeout=600", "evaluation.final_routes=0"):
            words += ["--set", setting]
        command = [sys.executable, "-m", "td3_driving.cli", "train", *words]
        process = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            marks = [mark_at(step, run, process) for step in (edge, half - edge, half + edge, steps - edge)]
            process.wait(PATIENCE)
        finally:
            process.terminate()
            process.wait(60.0)
    return Phase.between(marks[0], marks[1]), Phase.between(marks[2], marks[3])


def mark_at(step: int, run: Path, process: subprocess.Popen[bytes]) -> Mark:
    """Wait until the run has ``step`` steps.

    Raises:
        TimeoutError: it does not get there.
    """
    deadline = time.monotonic() + PATIENCE
    while (done := steps_in(run / "replay")) < step:
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the run ended, or hung, at step {done} of {step}")
        time.sleep(0.01)
    return Mark(time.monotonic(), processor_times(process.pid), done)


def processor_times(parent: int) -> dict[str, float]:
    """Processor time of the children of a process so far, by kind [s]."""
    times: dict[str, float] = defaultdict(float)
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        kind = next((kind for kind in KINDS if kind.encode() in words), "")
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        times[kind] += (int(fields[11]) + int(fields[12])) * TICK
    return times


def costs_of(collecting: Phase, learning: Phase) -> Costs:
    """The costs of the simulation, by a run with one actor. Diagnostics work for every step, as its actor does."""
    pacing = load_profile(profile_path("quick")).pacing
    per_update = (learning.cpu["learner"] - collecting.cpu["learner"]) * pacing.train_freq / pacing.gradient_steps
    return replace(
        Costs(),
        step=sum(collecting.cpu[kind] for kind in ("simulator", "policy", "diagnostics")),
        intake=collecting.cpu["learner"],
        update=per_update,
        publish=0.0,
        bandwidth=1e12,
        train_freq=pacing.train_freq,
        gradient_steps=pacing.gradient_steps,
        lead=pacing.lead,
        shared=True,
    )


def main(arguments: Sequence[str]) -> None:
    """Measure and print, one JSON object a line."""
    steps, *numbers = [int(word) for word in arguments] or [STEPS]
    costs = None
    for actors in numbers or ACTORS:
        collecting, learning = phases(actors, steps)
        costs = costs or costs_of(collecting, learning)
        for name, phase, updates in (("collecting", collecting, 0), ("learning", learning, costs.gradient_steps)):
            same = replace(costs, learner_cores=float(os.cpu_count() or 1), gradient_steps=updates)
            simulated, _, _ = QueueingRun(same, actors).rate(100)
            ms = {kind: round(seconds * 1e3, 2) for kind, seconds in phase.cpu.items()}
            found = {"actors": actors, "phase": name, "steps/s": round(phase.rate, 1), "simulated": round(simulated, 1)}
            print(
                json.dumps(found | {"cores": round(phase.cores, 2), "ms/step": ms, "load": os.getloadavg()[0]}),
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
