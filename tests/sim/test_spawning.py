# SPDX-License-Identifier: Apache-2.0
"""Where vehicles begin an episode, and how many of them on the route of the ego."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from td3_driving.settings import SimulatorSettings
from td3_driving.sim.scenarios import PRACTICE
from td3_driving.sim.spawning import AHEAD, EGO_GAP, ON_LINE, OnRoute, free_places
from td3_driving.sim.world import World

TOWN = SimulatorSettings(map="town", vehicles=20)


def _ahead_of_ego(world: World) -> int:
    route = world.route[: int(AHEAD)]
    distances = np.hypot(world.traffic.x[:, None] - route[:, 0], world.traffic.y[:, None] - route[:, 1])
    return int((distances.min(axis=1) < ON_LINE).sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_asked_share_begins_on_the_route(seed: int) -> None:
    world = World(replace(TOWN, scenario=PRACTICE, vehicles=20), seed)
    assert len(world.traffic.x) == 20
    assert _ahead_of_ego(world) >= 4
    ego = world.route[0, :2]
    assert np.hypot(world.traffic.x - ego[0], world.traffic.y - ego[1]).min() >= EGO_GAP


def test_a_route_that_is_full_leaves_the_others_elsewhere() -> None:
    """150 m hold at most 13 vehicles 12 m apart on one lane; the others begin somewhere else."""
    world = World(TOWN, 0)
    ego = (float(world.route[0, 0]), float(world.route[0, 1]))
    on_route = OnRoute(world.route, 1.0)
    places = free_places(world.traffic.graph, 60, np.random.default_rng(0), ego, on_route)
    assert len(places) == 60
    lanes, distances = (np.array(column) for column in zip(*places))
    x, y, _ = world.traffic.graph.poses(lanes, distances)
    line = world.route[: int(AHEAD)]
    ahead = (np.hypot(x[:, None] - line[:, 0], y[:, None] - line[:, 1]).min(axis=1) < ON_LINE).sum()
    assert 3 <= ahead <= 13


def test_without_a_share_few_begin_there() -> None:
    mean = np.mean([_ahead_of_ego(World(TOWN, seed)) for seed in range(5)])
    assert mean < 3
