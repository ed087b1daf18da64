# SPDX-License-Identifier: Apache-2.0
"""From the camera to the gate's output on a vehicle: age of each command, its histogram, growth of memory, swaps.

A made-up vehicle sends images at 20 Hz with wall-clock stamps; policy and gate are the real processes without torch.
``--minutes 10`` is the length that the figures in the guide are taken at, ``--minutes 60`` shows growth of memory.
A virtual machine's host may run something else meanwhile ("steal" in /proc/stat): the ages are also stated for the
seconds in which it did not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from numpy.typing import NDArray
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from td3_driving_msgs.msg import GateStatus, PolicyTick
from td3_driving_msgs.srv import SwapBundle

from td3_driving.deploy.contract import contract_of
from td3_driving.driving.decoding import nanoseconds
from td3_driving.export.to_bundle import export_policy
from td3_driving.launching.child import command
from td3_driving.launching.deployment import CAMERA, ODOMETRY, ROUTE, DeployOptions, deployment
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.networks import initialise
from td3_driving.learning.weights import take_snapshot
from td3_driving.nodes.ros import qos
from td3_driving.processes.domain import claim_domain
from td3_driving.runs.profiles import load_profile, profile_path
from td3_driving.settings import Settings

FRAME_TIME = 0.05
SPEED = 2.0
WARM_UP = 100
"""Commands that do not count."""
BUDGET = 10.0
"""Required 99th percentile of the age [ms]."""
BINS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 1000.0)
"""Edges of the histogram [ms]."""
TIMEOUT = 60.0
SWAPS = 5


class Vehicle(Node):
    """Drives straight on along a route that never ends, whatever it is told; keeps the ages that the gate reports."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__("bench_vehicle")
        self.ages: list[float] = []
        self.seconds: list[tuple[int, int]] = []
        """Once a second: commands until then, time stolen until then."""
        self.stops = 0
        self._seen = 0
        self._latched = False
        self._images = self.create_publisher(Image, CAMERA, qos.BRIDGE)
        self._odometries = self.create_publisher(Odometry, ODOMETRY, qos.BRIDGE)
        self._routes = self.create_publisher(PathMessage, ROUTE, qos.BRIDGE_LATCHED)
        self.create_subscription(GateStatus, "gate/status", self._on_status, qos.STATUS)
        self.sent: list[int] = []
        self.answered: dict[int, float] = {}
        self.create_subscription(PolicyTick, "policy/tick", self._on_tick, qos.STATUS)
        self._reset: Client[Any, Any] = self.create_client(Trigger, "gate/reset")
        self.swap: Client[Any, Any] = self.create_client(SwapBundle, "drive/swap_bundle")
        pictures = np.random.default_rng(0).integers(0, 256, (16, height * width * 4), dtype=np.uint8)
        self._pictures = [picture.tobytes() for picture in pictures]
        self._image = Image(height=height, width=width, encoding="bgra8", step=4 * width)
        self._odometry = Odometry()
        self._odometry.pose.pose.orientation.w = 1.0
        self._frames, self._x = 0, 0.0
        self._give_route()
        self.create_timer(FRAME_TIME, self._send)

    def _give_route(self) -> None:
        path = PathMessage(poses=[PoseStamped() for _ in range(500)])
        for number, pose in enumerate(path.poses):
            pose.pose.position.x = float(number)
        self._routes.publish(path)

    def _send(self) -> None:
        self._frames += 1
        # The gate is reset only when the vehicle stands.
        speed = 0.0 if self._latched else SPEED
        # Round and round on the first 400 m; a jump back makes the policy begin anew, once in 200 s.
        self._x = (self._x + FRAME_TIME * speed) % 400.0
        self._odometry.twist.twist.linear.x = speed
        self._odometry.pose.pose.position.x = self._x
        self._image.data = self._pictures[self._frames % len(self._pictures)]
        self._image.header.stamp = self._odometry.header.stamp = self.get_clock().now().to_msg()
        if self._latched and self._frames % 20 == 0 and self._reset.service_is_ready():
            self._reset.call_async(Trigger.Request())
        self.sent.append(nanoseconds(self._image.header.stamp))
        # The image is the longer way: odometry is made and sent while it travels.
        self._images.publish(self._image)
        self._odometries.publish(self._odometry)

    def _on_status(self, status: GateStatus) -> None:
        self.stops += int(status.latched and not self._latched)
        self._latched = status.latched
        stamp = nanoseconds(status.sensor_stamp)
        # The first output that goes by an image; the following ones repeat it until the next.
        if status.mode == GateStatus.ACTIVE and stamp > self._seen:
            self._seen = stamp
            self.ages.append(status.age_ms)

    def _on_tick(self, tick: PolicyTick) -> None:
        self.answered[nanoseconds(tick.sensor_stamp)] = tick.age_ms


def write_bundle(settings: Settings, path: Path) -> None:
    """A bundle of the profile's network with random weights."""
    torch.set_num_threads(1)
    actor = make_actor(settings, contract_of(settings).state_size)
    initialise(actor, torch.Generator().manual_seed(0))
    weights = take_snapshot(actor, 0, 0, settings.digest()).data
    path.write_bytes(export_policy(settings, weights, {"config_hash": settings.digest(), "doctor": None})[0])


def resident(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of a process [MiB]."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def stolen() -> int:
    """Time that the host of a virtual machine kept for others although something here wanted to run [1/100 s]."""
    return int(Path("/proc/stat").read_text().split()[8])


def undisturbed(vehicle: Vehicle) -> NDArray[np.float64]:
    """Ages of the commands in those seconds in which nothing was stolen [ms]."""
    ages, seconds = np.array(vehicle.ages), vehicle.seconds
    quiet = [ages[a[0] : b[0]] for a, b in zip(seconds, seconds[1:]) if a[1] == b[1]]
    return np.concatenate(quiet) if quiet else np.zeros(0)


def measure(vehicle: Vehicle, children: dict[str, subprocess.Popen[bytes]], minutes: float) -> dict[str, list[float]]:
    """Listen for ``minutes`` after the warm-up; memory [MiB] of each process, once a second.

    Raises:
        TimeoutError: no command came.
        RuntimeError: a process ended.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(vehicle)
    memory: dict[str, list[float]] = {name: [] for name in children}
    begin, end, sampled = time.monotonic(), 0.0, 0.0
    while not end or time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
        now = time.monotonic()
        ended = [name for name, child in children.items() if child.poll() is not None]
        if ended:
            raise RuntimeError(f"{ended[0]} ended")
        if not end and len(vehicle.ages) >= WARM_UP:
            end, vehicle.stops = now + 60.0 * minutes, 0
            vehicle.ages.clear()
        if not end and now - begin > TIMEOUT:
            raise TimeoutError(f"{len(vehicle.ages)} commands within {TIMEOUT:.0f} s")
        if end and now - sampled > 1.0:
            sampled = now
            vehicle.seconds.append((len(vehicle.ages), stolen()))
            for name, child in children.items():
                memory[name].append(resident(child))
    executor.remove_node(vehicle)
    return memory


def missed_in_swaps(vehicle: Vehicle, bundle: Path) -> int:
    """Frames without an answer of their own before the next, in the worst of some swaps.

    Raises:
        RuntimeError: a swap was refused or not answered.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(vehicle)
    worst = 0
    for _ in range(SWAPS):
        first = len(vehicle.sent)
        future = vehicle.swap.call_async(SwapBundle.Request(path=str(bundle)))
        executor.spin_until_future_complete(future, timeout_sec=TIMEOUT)
        answer = future.result()
        if answer is None or not answer.success:
            raise RuntimeError(f"swap: {answer.message if answer is not None else 'no answer'}")
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            executor.spin_once(timeout_sec=0.1)
        frames = vehicle.sent[first:-2]
        late = [stamp for stamp in frames if vehicle.answered.get(stamp, np.inf) > FRAME_TIME * 1e3]
        worst = max(worst, len(late))
    executor.remove_node(vehicle)
    return worst


def report(name: str, value: float, unit: str, baseline: float | None = None, **more: object) -> None:
    """One line of the result."""
    ratio = None if baseline is None else round(value / baseline, 3)
    line = {"name": name, "value": round(value, 3), "unit": unit, "baseline": baseline, "ratio": ratio, **more}
    print(json.dumps(line), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5, help="length of the measurement (%(default)s)")
    parser.add_argument("--profile", default="validation_5k", help="whose network and camera (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the network (%(default)s)")
    asked = parser.parse_args()
    settings = load_profile(profile_path(asked.profile))
    with claim_domain() as domain, tempfile.TemporaryDirectory() as folder:
        os.environ.update(ROS_DOMAIN_ID=str(domain.number), ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
        bundle = Path(folder) / "policy.zip"
        write_bundle(settings, bundle)
        specs = deployment(DeployOptions(bundle, threads=asked.threads))
        children = {spec.name: subprocess.Popen(command(spec, ""), stderr=subprocess.DEVNULL) for spec in specs}
        rclpy.init(args=[])
        vehicle = Vehicle(settings.simulator.camera_width, settings.simulator.camera_height)
        try:
            memory = measure(vehicle, children, asked.minutes)
            missed = missed_in_swaps(vehicle, bundle)
        finally:
            for child in children.values():
                child.terminate()
            for child in children.values():
                child.wait(20.0)
    tell(vehicle, memory, asked)
    report(f"frames missed in the worst of {SWAPS} swaps", missed, "count", 1.0)


def tell(vehicle: Vehicle, memory: dict[str, list[float]], asked: argparse.Namespace) -> None:
    """The lines of the result."""
    what = f"camera to gate output at 20 Hz, {asked.profile}, {asked.minutes:g} min"
    ages = np.array(vehicle.ages)
    counts = np.histogram(np.clip(ages, 0.0, BINS[-1]), BINS)[0]
    histogram = {f"{low:g}..{high:g}": int(count) for low, high, count in zip(BINS, BINS[1:], counts)}
    report(f"{what}, p50", float(np.percentile(ages, 50)), "ms")
    p99 = float(np.percentile(ages, 99))
    more = {"commands": len(ages), "worst": round(float(ages.max()), 3), "histogram_ms": histogram}
    report(f"{what}, p99", p99, "ms", BUDGET, **more)
    quiet = undisturbed(vehicle)
    if len(quiet):
        p99 = float(np.percentile(quiet, 99))
        report(f"{what}, p99 in seconds without steal", p99, "ms", BUDGET, commands=len(quiet))
    report(f"{what}, stops by the gate", vehicle.stops, "count")
    for name, samples in memory.items():
        hours = len(samples) / 3600.0
        slope = float(np.polyfit(np.linspace(0.0, hours, len(samples)), samples, 1)[0])
        ends = [round(samples[0], 1), round(samples[-1], 1)]
        report(f"growth of memory of {name}", slope, "MiB/h", resident_mib=ends)


if __name__ == "__main__":
    main()
