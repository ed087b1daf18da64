# SPDX-License-Identifier: Apache-2.0
"""Where each millisecond of a lockstep step goes, in every process of a run, beside the bare ping-pong in the same run.

The processes are those of a run; :mod:`step_ledger` counts in each where its time goes. Then: environment steps per
second of four worlds in one process against one, and the time from camera message to command while the learner learns.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from bench_lockstep import COMMANDS, TIMEOUT, Camera, acting_only, begin, drive, report
from step_ledger import WAITING, WARM_UP, instrument

from td3_driving.launching.child import MODULES, command
from td3_driving.launching.node_table import RunOptions, processes
from td3_driving.runs.profiles import load_profile, parameter_file, profile_path
from td3_driving.settings import from_flat
from td3_driving.trust.token import renew_token

STEPS = 3000
WORLDS = 4
LEARNING_STARTS = 200
CLASSES = {"simulator": "Worlds", "policy": "Policies", "learner": "LearnerNode"}
"""Executable -> class of what it runs."""


def child(results: str, executable: str) -> None:
    """One instrumented process of the run."""
    ledger = instrument(executable)
    module: Any = import_module(MODULES[executable])
    node = getattr(module, CLASSES[executable])
    code = module.run(node, None, (ValueError, OSError))
    Path(results, f"{executable}.json").write_text(json.dumps(ledger.result()))
    module.leave(code)


def measure(profile: str, actors: int = 1) -> dict[str, dict[str, Any]]:
    """Executable -> its ledger, over a run whose policies act and learn nothing; they share one process."""
    settings = from_flat({"replay.on_disk": False}, acting_only(load_profile(profile_path(profile)), WARM_UP + STEPS))
    settings = from_flat({"run.num_actors": actors, "run.actors_per_process": actors}, settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(parameter_file(settings))
        renew_token(folder)
        options = RunOptions(folder, num_actors=actors, actors_per_process=actors)
        specs = [spec for spec in processes(options) if spec.executable in CLASSES]
        children = {}
        for spec in specs:
            words = command(spec, str(folder / "config.yaml"))
            start = [sys.executable, __file__, "node", name, spec.executable, *words[4:]]
            children[spec.executable] = subprocess.Popen(start, stderr=subprocess.DEVNULL)
        try:
            children["policy"].wait(TIMEOUT)
        finally:
            for process in children.values():
                process.send_signal(signal.SIGINT)
            for process in children.values():
                process.wait(TIMEOUT)
        return {name: json.loads((folder / f"{name}.json").read_text()) for name in CLASSES}


def say_latency(profile: str) -> None:
    """Print how long commands take while the learner learns as the profile says, from the first moment on."""
    camera = Camera()
    changes = {
        "run.steps": 10**5,
        "exploration.random_steps": 0,
        "pacing.learning_starts": LEARNING_STARTS,
        "replay.on_disk": False,
    }
    settings = from_flat(changes, load_profile(profile_path(profile)))
    drive(settings, camera, "none", lambda children: len(camera.latencies) >= 2 * LEARNING_STARTS + COMMANDS // 2)
    camera.destroy_node()
    for percentile in (50, 99):
        value = float(np.percentile(camera.latencies[-COMMANDS // 2 :], percentile)) * 1e3
        report(f"camera message to command while learning, {profile}, p{percentile}", value, "ms", 10.0, value / 10.0)


def say(found: dict[str, dict[str, Any]], profile: str, bare: float) -> None:
    """Print the ledgers of a run."""
    wall = found["policy"]["wall"]
    report(f"instrumented lockstep, {profile}", 1e3 / wall, "steps/s", bare, 1e3 / wall / bare)
    cpu = sum(ledger["cpu"] for ledger in found.values())
    report(f"CPU time of all processes, {profile}", cpu, "ms/step", wall, cpu / wall)
    for executable, ledger in found.items():
        report(f"{executable}: CPU time", ledger["cpu"], "ms/step", wall, ledger["cpu"] / wall)
        for label, spent in sorted(ledger["spent"].items(), key=lambda item: -item[1]):
            if spent >= 0.005:
                report(f"{executable}: {label}", spent, "ms/step", wall, spent / wall)
    away = found["simulator"]["spent"].get(WAITING, 0.0) - found["policy"]["answer"]
    report("transport and waking, there and back", away, "ms/step", wall, away / wall)


def main() -> None:
    """Measure and print."""
    bare = begin()
    say(alone := measure("quick"), "quick", bare)
    several = measure("quick", WORLDS)
    rate, single = 1e3 / several["policy"]["wall"], 1e3 / alone["policy"]["wall"]
    report(f"instrumented lockstep, {WORLDS} worlds in one process", rate, "steps/s", single, rate / single)
    for profile in ("quick", "validation_5k"):
        say_latency(profile)
    rclpy.shutdown()


if __name__ == "__main__":
    if sys.argv[1:2] == ["node"]:
        results, executable = sys.argv[2:4]
        sys.argv = [executable, *sys.argv[4:]]
        child(results, executable)
    else:
        main()
