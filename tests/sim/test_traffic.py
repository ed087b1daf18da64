# SPDX-License-Identifier: Apache-2.0
"""Traffic: following, taking turns, not touching."""

import math

import numpy as np
import pytest

from td3_driving.sim.collision import overlaps
from td3_driving.sim.lane_graph import LaneGraph
from td3_driving.sim.roads import load_map
from td3_driving.sim.spawning import EGO_GAP
from td3_driving.sim.traffic import STANDING_GAP, Obstacle, Traffic

FAR_AWAY = (1e6, 0.0)
DT = 0.05


def make(name: str, count: int, seed: int = 1, ego: tuple[float, float] = FAR_AWAY) -> Traffic:
    traffic = Traffic(load_map(name))
    traffic.spawn(count, np.random.default_rng(seed), ego)
    return traffic


def touching(traffic: Traffic) -> int:
    boxes = traffic.boxes()
    return sum(
        overlaps((*map(float, box[:3]), float(box[3]), float(box[4])), np.delete(boxes, index, axis=0)).any()
        for index, box in enumerate(boxes)
    )


@pytest.mark.parametrize(("name", "count"), [("straight", 50), ("curves", 50), ("town", 50), ("roundabout", 50)])
def test_vehicles_do_not_touch_and_do_not_get_stuck(name: str, count: int) -> None:
    traffic = make(name, count)
    assert len(traffic.s) == count
    moved = np.zeros(count)
    for step in range(1200):
        traffic.step(DT, ())
        moved += traffic.speed * DT
        if step % 60 == 0:
            assert touching(traffic) == 0
    assert moved.min() > 10.0, "60 s are enough for everybody to get on"
    assert moved.mean() > 100.0


def test_new_vehicles_keep_away_from_the_ego_and_from_each_other() -> None:
    ego = (60.0, -1.75)
    traffic = make("town", 100, ego=ego)
    assert np.hypot(traffic.x - ego[0], traffic.y - ego[1]).min() >= EGO_GAP
    assert touching(traffic) == 0


def test_a_short_road_gets_as_many_as_fit() -> None:
    assert 50 < len(make("straight", 200).s) < 134, "two lanes of 800 m at 12 m each"


def test_the_follower_stops_behind_a_standing_obstacle() -> None:
    roads = load_map("straight")
    traffic = make("straight", 1)
    lane = int(traffic.lane[0])
    wall = Obstacle(((lane, float(traffic.s[0]) + 80.0),), speed=0.0, half_length=2.4)
    wall_s = wall.places[0][1]
    if wall_s > roads.lanes[lane].length:
        pytest.fail("the seed puts the vehicle too close to the end of the road")
    for _ in range(800):
        traffic.step(DT, (wall,))
    gap = wall_s - wall.half_length - float(traffic.s[0]) - float(traffic.length[0]) / 2.0
    assert traffic.speed[0] == pytest.approx(0.0, abs=0.05)
    assert gap == pytest.approx(STANDING_GAP, abs=0.5)


def test_a_free_vehicle_reaches_and_keeps_its_speed() -> None:
    traffic = make("straight", 1)
    for _ in range(600):
        traffic.step(DT, ())
    assert 6.4 < traffic.speed[0] < 9.6
    assert traffic.acceleration[0] == pytest.approx(0.0, abs=0.02)


def test_conflicting_junction_lanes_are_never_used_together() -> None:
    traffic = make("town", 60)
    for _ in range(1200):
        traffic.step(DT, ())
        used = traffic.lane[traffic.graph.junction[traffic.lane]]
        assert not traffic.graph.conflicts[np.ix_(used, used)].any()


def test_traffic_gives_way_to_a_moving_ego_in_the_junction() -> None:
    traffic = make("town", 60)
    graph = traffic.graph
    crossed = next(lane for lane in np.flatnonzero(graph.junction) if graph.conflicts[lane].sum() > 3)
    ego = Obstacle(((int(crossed), 5.0),), speed=2.0, half_length=2.4)
    for _ in range(200):
        traffic.step(DT, (ego,))
    assert not graph.conflicts[crossed, traffic.lane].any()


def test_crossing_paths_conflict_and_queues_do_not() -> None:
    roads = load_map("town")
    graph = LaneGraph(roads)
    assert np.array_equal(graph.conflicts, graph.conflicts.T)
    assert not graph.conflicts.diagonal().any()
    assert not graph.conflicts[~graph.junction].any()
    for before, lane in enumerate(roads.lanes):
        for first in lane.successors:
            for second in lane.successors:
                assert not graph.conflicts[first, second], before
    crossing = [lane for lane in roads.lanes if lane.junction >= 0 and abs(lane.heading[0] - lane.heading[-1]) < 0.01]
    for first in crossing:
        for second in crossing:
            if first.junction == second.junction and abs(math.sin(first.heading[0] - second.heading[0])) > 0.9:
                assert graph.conflicts[roads.lanes.index(first), roads.lanes.index(second)]


def test_the_same_seed_gives_the_same_traffic_bit_by_bit() -> None:
    first, second, third = (make("town", 30, seed) for seed in (5, 5, 6))
    for _ in range(300):
        for traffic in (first, second, third):
            traffic.step(DT, ())
    assert np.array_equal(first.boxes(), second.boxes())
    assert not np.array_equal(first.boxes(), third.boxes())


def test_an_empty_road_stays_empty() -> None:
    traffic = make("straight", 0)
    traffic.step(DT, ())
    assert traffic.boxes().shape == (0, 5)
