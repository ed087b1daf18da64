# SPDX-License-Identifier: Apache-2.0
"""Lockstep with sealed messages and with unsealed ones, in turns in one run.

Gives wall time and CPU time per step: on a busy machine the first says more about the others than about the seals.
``python tests/benchmarks/bench_seals.py [PAIRS [STEPS]]``.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rclpy
from bench_lockstep import TIMEOUT, Listener, acting_only, report
from rclpy.executors import SingleThreadedExecutor
from td3_driving_msgs.msg import EpisodeSummary

from td3_driving.launching import child
from td3_driving.launching.node_table import RunOptions, processes
from td3_driving.runs.profiles import load_profile, parameter_file, profile_path
from td3_driving.settings import from_flat

DOMAIN = "98"
PAIRS, STEPS = 5, 1000
SECONDS = 1.0 / os.sysconf("SC_CLK_TCK")
Marks = list[tuple[float, float, int]]


class CpuListener(Listener):
    """Notes wall time [s], CPU time of the run's processes [s] and step whenever an episode ends."""

    def __init__(self, children: list[subprocess.Popen[bytes]]) -> None:
        super().__init__()
        self.children = children
        self.points: Marks = []

    def _on_episode(self, message: EpisodeSummary) -> None:
        self.points.append((time.perf_counter(), sum(map(cpu_of, self.children)), message.step))


def cpu_of(process: subprocess.Popen[bytes]) -> float:
    """CPU time of a process so far [s]."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * SECONDS


def costs(sealed: bool, steps: int) -> tuple[float, float]:
    """Wall time and CPU time of a step [s]; the first episode is a warm-up."""
    settings = acting_only(load_profile(profile_path("quick")), steps)
    settings = from_flat({"security.open": not sealed, "episode.max_steps": 50}, settings)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "config.yaml"
        file.write_text(parameter_file(settings))
        specs = [spec for spec in processes(RunOptions(Path(name))) if spec.executable != "diagnostics"]
        lines = [child.command(spec, str(file)) for spec in specs]
        lines = lines if sealed else [[sys.executable, __file__, "unsealed", *line[3:]] for line in lines]
        points = followed([subprocess.Popen(line, stderr=subprocess.DEVNULL) for line in lines])
    (start, before, first), (end, after, last) = points[0], points[-1]
    return (end - start) / (last - first), (after - before) / (last - first)


def followed(children: list[subprocess.Popen[bytes]]) -> Marks:
    """What a listener notes until the policy, the last of ``children``, has ended.

    Raises:
        TimeoutError: no episode ended for a long time.
    """
    listener, executor = CpuListener(children), SingleThreadedExecutor()
    executor.add_node(listener)
    alive = time.perf_counter()
    try:
        while children[-1].poll() is None:
            executor.spin_once(timeout_sec=0.1)
            alive = listener.points[-1][0] if listener.points else alive
            if time.perf_counter() - alive > 5.0 * TIMEOUT:
                raise TimeoutError("no episode ended")
    finally:
        for process in children:
            process.terminate()
            process.wait(TIMEOUT)
        executor.remove_node(listener)
        listener.destroy_node()
    return listener.points


def unsealed() -> int:
    """Run a node that knows no token."""
    from td3_driving.nodes.ros import sealed

    vars(sealed)["find_token"] = lambda *_: None
    return child.main()


def main(pairs: int, steps: int) -> None:
    """Measure and print; the ratios are those of neighbours."""
    os.environ.update(ROS_DOMAIN_ID=DOMAIN, ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    rclpy.init(args=[])
    found = [(costs(False, steps), costs(True, steps)) for _ in range(pairs)]
    rclpy.shutdown()
    for place, kind in enumerate(("wall", "CPU")):
        without = statistics.median(pair[0][place] for pair in found) * 1e3
        sealed = statistics.median(pair[1][place] for pair in found) * 1e3
        ratios = sorted(pair[1][place] / pair[0][place] for pair in found)
        name = f"{kind} time of a sealed step, {pairs} pairs of {steps}"
        report(name, sealed, "ms", without, statistics.median(ratios))
        report(f"{name}: least and greatest ratio", ratios[-1], "", ratios[0], None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["unsealed"]:
        sys.argv = ["child", *sys.argv[2:]]
        sys.exit(unsealed())
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(PAIRS, STEPS)[len(given) :])
