# SPDX-License-Identifier: Apache-2.0
"""What the reward is worth to reference drivers, on every map and with every density of traffic."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from td3_driving.driving.drivers import Driver, LaneKeeper, RandomDriver, off_road, parked
from td3_driving.driving.seeding import evaluation_seed
from td3_driving.runs.profiles import load_profile, profile_path
from td3_driving.settings import Settings
from td3_driving.sim.rehearsal import RANKING_STEPS, drive_episode
from td3_driving.sim.world import World

RANDOM_DRIVERS = 3


def mean_return(settings: Settings, world: World, make: Callable[[int], Driver], routes: int) -> float:
    seeds = [evaluation_seed(0, route) for route in range(routes)]
    records = [drive_episode(world, make(seed), settings, seed, RANKING_STEPS) for seed in seeds]
    return float(np.mean([record.episode_return for record in records]))


@pytest.mark.parametrize("scenario", [0, 1, 2])
@pytest.mark.parametrize("name", ["straight", "curves", "town", "roundabout"])
def test_lane_keeper_before_random_before_parked_before_off_the_road(name: str, scenario: int) -> None:
    """Over the same steps: standing still is no end here, or parking would be cheap for being short."""
    quick = load_profile(profile_path("quick"))
    settings = replace(
        quick,
        simulator=replace(quick.simulator, map=name, scenario=scenario),
        episode=replace(quick.episode, standstill_steps=RANKING_STEPS + 1),
    )
    world = World(settings.simulator, 0)
    keeper = mean_return(
        settings, world, lambda seed: LaneKeeper(quick.reward.target_speed, quick.simulator.fixed_delta), 1
    )
    random = mean_return(settings, world, lambda seed: RandomDriver(np.random.default_rng(seed)), RANDOM_DRIVERS)
    standing = mean_return(settings, world, lambda seed: parked(), 1)
    leaving = mean_return(settings, world, lambda seed: off_road(), 1)
    assert keeper > 0.0 > random > standing > leaving
