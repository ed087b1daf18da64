# SPDX-License-Identifier: Apache-2.0
"""A day of driving in the embedded world, at full speed: neither memory nor open files grow."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from td3_driving.driving.action import to_command
from td3_driving.driving.drivers import Situation, reference_driver
from td3_driving.driving.route import Route
from td3_driving.runs.profiles import load_profile, profile_path
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World, WorldFrame

pytestmark = pytest.mark.long
HOURS = float(os.environ.get("TD3_DRIVING_HOURS", "24"))
EPISODE = 2000
"""Frames from one route to the next."""
GROWTH = 4.0
"""Largest growth after the first tenth of the time [MiB]."""


def size() -> tuple[float, int]:
    """Resident memory [MiB] and open files of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir("/proc/self/fd"))


def drive_for(hours: float, marks: int = 10) -> list[tuple[float, int]]:
    """Sizes at the start and after every ``marks``-th part of the time, driven by IDM among the traffic of the town."""
    settings = load_profile(profile_path("town"))
    world, delta = World(settings.simulator, 0), settings.simulator.fixed_delta
    driver = reference_driver("idm").make(settings.reward.target_speed, delta, 0)
    steps, found, route = round(hours * 3600.0 / delta), [size()], Route(world.reset(0, 0))
    for step in range(1, steps + 1):
        if step % EPISODE == 0:
            route = Route(world.reset(step // EPISODE % 3, step // EPISODE))
        frame: WorldFrame = world.tick()
        situation = Situation(frame.ego, route.locate(frame.ego), route, frame.vehicles.neighbours())
        command = to_command(driver.act(situation))
        world.apply(Control(throttle=command.throttle, steer=command.steer, brake=command.brake))
        if step * marks // steps > (step - 1) * marks // steps:
            found.append(size())
    return found


def test_a_day_of_driving_grows_nothing() -> None:
    found = drive_for(HOURS)
    print(found)
    assert found[-1][0] - found[1][0] < GROWTH
    assert len({files for _, files in found[1:]}) == 1


def main(arguments: Sequence[str]) -> None:
    """``python -m tests.long.test_a_day HOURS`` prints what it found."""
    hours, start = float(arguments[0]), time.process_time()
    found = drive_for(hours)
    print(json.dumps({"hours": hours, "cpu_s": round(time.process_time() - start, 1), "mib_and_files": found}))


if __name__ == "__main__":
    main(sys.argv[1:])
