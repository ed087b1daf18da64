# SPDX-License-Identifier: Apache-2.0
"""Large camera images: steps/s of a training beside rendering and copying alone, and frames lost on a vehicle.

In training an episode that lost a frame is cut (``simulator_fault``); on a vehicle a frame is lost when the policy
never answered it. Both are counted, and for each lost frame of the vehicle it is said whether the answer before it took
so long (``busy``) or nothing was received (``transport``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import rclpy
from bench_deploy import FRAME_TIME, Vehicle, report, write_bundle
from rclpy.executors import SingleThreadedExecutor

from td3_driving.doctor.event_file import FILE_MARK, read_scalars
from td3_driving.doctor.scalars import ReadReport, Scalar
from td3_driving.driving.episode import ExitReason
from td3_driving.launching.child import command
from td3_driving.launching.deployment import DeployOptions, deployment
from td3_driving.processes.domain import (
    OWN_PROFILE,
    claim_domain,
    discovery,
    free_shared_memory,
    room_for_images,
)
from td3_driving.runs.profiles import config_directory, load_profile, profile_path
from td3_driving.settings import Settings
from td3_driving.sim.camera_rig import CameraRig
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World

WARM_UP = 200
"""Steps of a training that do not count: its processes start in them."""
RENDERED = 200
TWICE = 2.0
"""Greatest time of a step of a training, in times of rendering and copying."""
LEAST_ANSWERED = 0.99
ANSWERS = 50
"""Frames that the policy answers before it counts."""
PATIENCE = 300.0
"""Wall time for these [s]."""


def of_size(settings: Settings, width: int, height: int) -> Settings:
    """The settings with another camera image."""
    return replace(settings, simulator=replace(settings.simulator, camera_width=width, camera_height=height))


def rendering(settings: Settings, count: int = RENDERED) -> float:
    """Frames per second of the world, its camera and one copy of the image, in one process."""
    world = World(settings.simulator, 0)
    world.reset(settings.simulator.scenario, 0)
    rig = CameraRig(world.roads, settings.simulator, settings.observation)
    try:
        begin = 0.0
        for number in range(count + 20):
            if number == 20:
                begin = time.perf_counter()
            world.apply(Control(throttle=0.3, steer=0.0, brake=0.0))
            frame = world.tick()
            bytes(rig.images(frame.ego, frame.vehicles)[0])
        return count / (time.perf_counter() - begin)
    finally:
        rig.close()


def trained(width: int, height: int, steps: int, folder: Path) -> list[Scalar]:
    """The series of a training of ``steps`` steps with images of that size.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    changed = {"simulator.camera_width": width, "simulator.camera_height": height, "evaluation.final_routes": 0}
    words = [word for name, value in changed.items() for word in ("--set", f"{name}={value}")]
    run = [sys.executable, "-m", "td3_driving.cli", "train", "--steps", str(steps), "--run", str(folder), *words]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    files = sorted(folder.glob(f"*{FILE_MARK}*"))
    return [point for file in files for point in read_scalars(file, ReadReport(str(file)))]


def training(settings: Settings, steps: int, alone: float) -> None:
    """Measure a training and print."""
    width, height = settings.simulator.camera_width, settings.simulator.camera_height
    with tempfile.TemporaryDirectory() as folder:
        points = trained(width, height, steps, Path(folder) / "run")
    walls = {point.step: point.wall for point in points if point.tag == "reward/total" and point.step >= WARM_UP}
    ends = [point for point in points if point.tag == "episode/exit_reason"]
    cut = sum(point.value == ExitReason.SIMULATOR_FAULT for point in ends)
    first, last = min(walls), max(walls)
    rate = (last - first) / (walls[last] - walls[first])
    what = f"{width}x{height}, training, {steps} steps"
    report(f"{what}, steps/s", rate, "1/s", alone, needed=round(alone / TWICE, 3), met=rate >= alone / TWICE)
    report(f"{what}, cut episodes", cut, "count", None, episodes=len(ends), met=cut == 0)


def driving(settings: Settings, minutes: float, own_transport: bool) -> None:
    """Measure a deployment and print."""
    width, height = settings.simulator.camera_width, settings.simulator.camera_height
    with claim_domain() as domain, tempfile.TemporaryDirectory() as folder:
        os.environ.update(discovery(domain.number, os.environ))
        if own_transport:
            os.environ.update(transport(width, height, os.environ))
        bundle = Path(folder) / "policy.zip"
        write_bundle(settings, bundle)
        specs = deployment(DeployOptions(bundle))
        children = {spec.name: subprocess.Popen(command(spec, ""), stderr=subprocess.DEVNULL) for spec in specs}
        rclpy.init(args=[])
        vehicle = Vehicle(width, height)
        try:
            listen(vehicle, children, minutes)
        finally:
            for child in children.values():
                child.terminate()
            for child in children.values():
                child.wait(20.0)
    tell(vehicle, f"{width}x{height}, deployed, {minutes:g} min, {'our' if own_transport else 'usual'} transport")


def listen(vehicle: Vehicle, children: Mapping[str, subprocess.Popen[bytes]], minutes: float) -> None:
    """Send frames for ``minutes`` after the policy has answered some.

    Raises:
        TimeoutError: it answered none.
        RuntimeError: a process ended.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(vehicle)
    begin, end = time.monotonic(), 0.0
    while not end or time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
        ended = [name for name, child in children.items() if child.poll() is not None]
        if ended:
            raise RuntimeError(f"{ended[0]} ended")
        if not end and len(vehicle.answered) >= ANSWERS:
            end = time.monotonic() + 60.0 * minutes
            vehicle.sent.clear()
        if not end and time.monotonic() - begin > PATIENCE:
            raise TimeoutError(
                f"{len(vehicle.answered)} of {len(vehicle.sent)} frames answered within {PATIENCE:.0f} s"
            )
    executor.remove_node(vehicle)


def tell(vehicle: Vehicle, what: str) -> None:
    """Print how many frames got no answer, and why."""
    answered = sorted(stamp for stamp in vehicle.sent if stamp in vehicle.answered)
    frames = [stamp for stamp in vehicle.sent if answered and answered[0] <= stamp <= answered[-1]]
    lost = [stamp for stamp in frames if stamp not in vehicle.answered]
    busy = sum(any(late(vehicle, earlier, stamp) for earlier in answered) for stamp in lost)
    share = len(lost) / max(len(frames), 1)
    causes = {"busy": busy, "transport": len(lost) - busy}
    met = bool(frames) and share <= 1.0 - LEAST_ANSWERED
    report(f"{what}, frames lost", 1e2 * share, "%", None, frames=len(frames), causes=causes, met=met)


def late(vehicle: Vehicle, earlier: int, stamp: int) -> bool:
    """Whether the answer to an earlier frame came only after ``stamp`` [ns]."""
    return earlier < stamp < earlier + 1e6 * vehicle.answered[earlier] and vehicle.answered[earlier] > 1e3 * FRAME_TIME


def transport(width: int, height: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a training sets for images of that size."""
    profile = config_directory() / "dds" / OWN_PROFILE
    return room_for_images(environment, profile, 4 * width * height, free_shared_memory())


def size(text: str) -> tuple[int, int]:
    """``1280x720`` as two numbers."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1280x720")
    return int(width), int(height)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--train", type=size, nargs="*", default=[(1280, 720)], metavar="WxH", help="images in training"
    )
    parser.add_argument("--steps", type=int, default=3000, help="of each training (%(default)s)")
    parser.add_argument("--deploy", type=size, nargs="*", default=[(1920, 1080)], metavar="WxH", help="on a vehicle")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each drive (%(default)s)")
    parser.add_argument("--usual-transport", action="store_true", help="deploy with the settings of the environment")
    parser.add_argument("--profile", default="quick", help="whose network and camera (%(default)s)")
    asked = parser.parse_args()
    settings = load_profile(profile_path(asked.profile))
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "shared_memory_free": free_shared_memory()}))
    for width, height in asked.train:
        larger = of_size(settings, width, height)
        alone = rendering(larger)
        report(f"{width}x{height}, rendering and copying alone", alone, "1/s")
        training(larger, asked.steps, alone)
    for width, height in asked.deploy:
        driving(of_size(settings, width, height), asked.minutes, not asked.usual_transport)


if __name__ == "__main__":
    main()
