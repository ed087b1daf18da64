# SPDX-License-Identifier: Apache-2.0
"""One road above another: cars on different levels neither meet, nor brake, nor are seen."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from td3_driving.settings import SimulatorSettings
from td3_driving.sim.lane_graph import LaneGraph
from td3_driving.sim.roads import RoadMap, load_map
from td3_driving.sim.vehicle import Control
from td3_driving.sim.world import World

from .road_files import document, raised, road

BRIDGE = 'a="6" b="0" c="0" d="0"'
LOW, HIGH = 1, 2


@pytest.fixture(scope="module")
def overpass(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Road 1 along x at the height 0, and road 2 across it, 6 m higher; both pass near (100, 0)."""
    path = tmp_path_factory.mktemp("overpass") / "map.xodr"
    above = raised(road(HIGH, 200.0, (100.0, -100.0, math.pi / 2.0)), BRIDGE)
    path.write_text(document(road(LOW, 200.0), above), encoding="utf-8")
    return str(path)


def lane_of(roads: RoadMap, number: int) -> int:
    return [lane.key[0] for lane in roads.lanes].index(number)


def crossing_world(path: str, number: int) -> World:
    """The ego drives on a road towards the crossing, and stands before it."""
    route = "60 -1.75 180 -1.75" if number == LOW else "101.75 -40 101.75 80"
    return World(SimulatorSettings(map=path, vehicles=0, route=route), 0)


def test_lanes_and_routes_know_their_height(overpass: str) -> None:
    roads = load_map(overpass)
    assert roads.levels
    assert roads.lanes[lane_of(roads, LOW)].z == pytest.approx(0.0)
    assert roads.lanes[lane_of(roads, HIGH)].z == pytest.approx(6.0)
    for number, height in ((LOW, 0.0), (HIGH, 6.0)):
        assert crossing_world(overpass, number).route[:, 4] == pytest.approx(height)
    above = [roads.lanes[lane].key[0] for lane, _, _ in roads.near(101.75, -1.75, 5.0, 6.0)]
    everything = [roads.lanes[lane].key[0] for lane, _, _ in roads.near(101.75, -1.75, 5.0)]
    assert above == [HIGH] and sorted(everything) == [LOW, HIGH]


@pytest.mark.parametrize("number", [LOW, HIGH])
@pytest.mark.parametrize("other", [LOW, HIGH])
def test_only_cars_of_the_own_level_are_hit_and_seen(overpass: str, number: int, other: int) -> None:
    world = crossing_world(overpass, number)
    heights = {LOW: 0.0, HIGH: 6.0}
    world.parked.add(0, 101.75, -1.75, 0.0, np.zeros((0, 5)), heights[other])
    hit = False
    for _ in range(200):
        world.apply(Control(throttle=0.5))
        frame = world.tick()
        hit = hit or bool(frame.collisions)
        near = math.dist((frame.ego.x, frame.ego.y), (101.75, -1.75)) < 20.0
        assert not near or len(frame.vehicles.x) == int(number == other)
    assert hit == (number == other)


@pytest.mark.parametrize("number", [LOW, HIGH])
def test_traffic_does_not_brake_for_the_other_level(overpass: str, number: int) -> None:
    """The ego stands on the crossing place of one road, a car comes along the other."""
    world = crossing_world(overpass, number)
    world.teleport(101.75, -1.75, 0.0 if number == LOW else math.pi / 2.0)
    lanes = {world.roads.lanes[lane].key[0] for lane, _ in world._occupied}
    assert lanes == {number}


def test_moving_cars_cross_without_a_collision(overpass: str) -> None:
    world = World(SimulatorSettings(map=overpass, vehicles=6, route="101.75 -40 101.75 80"), 1)
    traffic = world.traffic
    traffic.lane[:] = lane_of(world.roads, LOW)
    traffic._plan[:] = lane_of(world.roads, LOW)
    traffic.s[:] = 101.75
    traffic._place()
    world.teleport(101.75, -1.75, math.pi / 2.0)
    assert traffic.z == pytest.approx(0.0)
    assert world.tick().collisions == ()


def test_a_ramp_is_one_level_with_what_lies_ahead(tmp_path: Path) -> None:
    path = tmp_path / "ramp.xodr"
    path.write_text(document(raised(road(1, 200.0), 'a="0" b="0.05" c="0" d="0"')), encoding="utf-8")
    world = World(SimulatorSettings(map=str(path), vehicles=0, route="10 -1.75 180 -1.75"), 0)
    world.parked.add(0, 100.0, -1.75, 0.0, np.zeros((0, 5)))
    hit = False
    for _ in range(300):
        world.apply(Control(throttle=0.5))
        frame = world.tick()
        assert len(frame.vehicles.x) == 1
        hit = hit or bool(frame.collisions)
    assert hit


def test_junction_lanes_on_two_levels_do_not_conflict(tmp_path: Path) -> None:
    for heights, conflict in (('a="0" b="0" c="0" d="0"', True), (BRIDGE, False)):
        path = tmp_path / "junction.xodr"
        across = raised(road(8, 60.0, (30.0, -30.0, math.pi / 2.0), junction=50), heights)
        inside = "".join(
            f'<connection id="{number}" incomingRoad="{number}" connectingRoad="{number}" contactPoint="start"/>'
            for number in (7, 8)
        )
        path.write_text(document(road(7, 60.0, junction=50), across, f'<junction id="50" name="">{inside}</junction>'))
        graph = LaneGraph(load_map(str(path)))
        assert bool(graph.conflicts[0, 1]) is conflict
