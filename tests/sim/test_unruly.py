# SPDX-License-Identifier: Apache-2.0
"""Traffic that brakes hard and pushes in, and cars at the road side."""

import math

import numpy as np
import pytest

from td3_driving.settings import SimulatorSettings
from td3_driving.sim.collision import overlaps
from td3_driving.sim.parked import ASIDE, FROM_EGO, FROM_ENDS, Parked
from td3_driving.sim.roads import load_map
from td3_driving.sim.traffic import Obstacle, Traffic
from td3_driving.sim.unruly import BRAKING_TIME, HARD_BRAKING, Unruly, Whims
from td3_driving.sim.world import World, WorldFrame

DT = 0.05
FAR_AWAY = (1e6, 0.0)


def test_braking_comes_as_often_as_asked_for_and_lasts_two_seconds() -> None:
    whims = Whims(Unruly(hard_braking=3.0))
    whims.renew(400, np.random.default_rng(2))
    fast, free = np.full(400, 9.0), np.zeros(400)
    braking, began, before = np.zeros(400), 0, np.zeros(400, dtype=bool)
    for _ in range(1200):
        hard = whims.braked(free, fast, DT) < 0.0
        began += int((hard & ~before).sum())
        braking += hard
        before = hard
    # 400 vehicles for one minute: 3 times each, less the time that they brake anyway; five standard deviations.
    expected = 400 * 3.0 / (1.0 + 3.0 * BRAKING_TIME / 60.0)
    assert abs(began - expected) < 5.0 * math.sqrt(expected)
    assert braking.sum() / began * DT == pytest.approx(BRAKING_TIME, abs=0.1)


def test_braking_is_hard_and_ends_at_a_walk() -> None:
    whims = Whims(Unruly(hard_braking=60.0))
    whims.renew(50, np.random.default_rng(0))
    seen = np.concatenate([whims.braked(np.ones(50), np.full(50, 9.0), DT) for _ in range(100)])
    assert set(seen) == {1.0, -HARD_BRAKING}
    assert (whims.braked(np.full(50, -8.0), np.full(50, 9.0), DT) == -8.0).all(), "who brakes harder goes on"
    assert (whims.braked(np.ones(50), np.full(50, 1.0), DT) == 1.0).all()


def test_traffic_that_brakes_hard_does_not_run_into_itself() -> None:
    roads = load_map("town")
    calm, unruly = Traffic(roads), Traffic(roads, Unruly(hard_braking=6.0))
    for traffic in (calm, unruly):
        traffic.spawn(40, np.random.default_rng(1), FAR_AWAY, np.random.default_rng(2))
    hardest, moved = [0.0, 0.0], np.zeros(40)
    for step in range(900):
        for index, traffic in enumerate((calm, unruly)):
            traffic.step(DT, ())
            hardest[index] = min(hardest[index], float(traffic.acceleration.min()))
        moved += unruly.speed * DT
        if step % 30 == 0:
            boxes = unruly.boxes()
            for index, box in enumerate(boxes):
                x, y, yaw, length, width = map(float, box)
                assert not overlaps((x, y, yaw, length, width), np.delete(boxes, index, axis=0)).any()
    assert hardest[1] <= -HARD_BRAKING < hardest[0]
    assert moved.min() > 10.0


def test_who_pushes_in_goes_before_the_ego_but_not_into_it() -> None:
    roads = load_map("town")
    graph = Traffic(roads).graph
    crossed = next(lane for lane in np.flatnonzero(graph.junction) if graph.conflicts[lane].sum() > 3)
    before = next(lane for lane in range(len(roads.lanes)) if crossed in roads.lanes[lane].successors)
    coming = Obstacle(((before, float(graph.length[before]) - 6.0),), speed=4.0, half_length=2.4)
    inside = Obstacle(((int(crossed), 5.0),), speed=4.0, half_length=2.4)

    def entered(share: float, ego: Obstacle) -> int:
        traffic = Traffic(roads, Unruly(pushing_in=share))
        traffic.spawn(60, np.random.default_rng(1), FAR_AWAY, np.random.default_rng(2))
        for _ in range(60):
            traffic.step(DT, (ego,))
        held = set(np.flatnonzero(graph.conflicts[crossed]))
        seen = 0
        for _ in range(300):
            traffic.step(DT, (ego,))
            seen += len(held & set(traffic.lane.tolist()))
        return seen

    assert entered(0.0, coming) == 0
    assert entered(1.0, coming) > 0
    assert entered(1.0, inside) == 0


def fingerprint(frame: WorldFrame) -> tuple[bytes, ...]:
    vehicles = frame.vehicles
    return tuple(column.tobytes() for column in (vehicles.ids, vehicles.x, vehicles.y, vehicles.speed, vehicles.kind))


def drive(settings: SimulatorSettings, steps: int = 200) -> list[tuple[bytes, ...]]:
    world = World(settings, 3)
    return [fingerprint(world.tick()) for _ in range(steps)]


def test_unruly_worlds_follow_from_their_seed() -> None:
    plain = SimulatorSettings(map="town")
    unruly = SimulatorSettings(map="town", hard_braking=6.0, pushing_in=0.5, parked_cars=0.3)
    assert drive(unruly) == drive(unruly)
    assert drive(unruly) != drive(plain)
    assert (plain.hard_braking, plain.pushing_in, plain.parked_cars) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["town", "curves", "drawn:5"])
def test_parked_cars_leave_the_lanes_free(name: str) -> None:
    world = World(SimulatorSettings(map=name, vehicles=0, parked_cars=0.5), 0)
    parked, roads = world.parked, world.roads
    assert len(parked.ids) > 15
    edges = np.concatenate([np.column_stack((lane.points, lane.width / 2.0)) for lane in roads.lanes])
    for index, (x, y, yaw, length, width) in enumerate(parked.boxes):
        assert not overlaps((x, y, yaw, length, width), np.delete(parked.boxes, index, axis=0)).any()
        assert math.dist((x, y), (world.car.x, world.car.y)) >= FROM_EGO
        dx, dy = edges[:, 0] - x, edges[:, 1] - y
        along = np.abs(dx * math.cos(yaw) + dy * math.sin(yaw)) < length / 2.0
        aside = np.abs(dy * math.cos(yaw) - dx * math.sin(yaw))
        # In a gentle bend a corner reaches a little farther towards the lane than the middle of the car.
        assert (aside[along] - edges[along, 2] >= width / 2.0 + ASIDE[0] - 0.15).all()
        assert parked.obstacles[index].places == (), "the traffic drives past"


def test_a_straight_road_has_a_place_every_seven_metres() -> None:
    roads = load_map("straight")
    parked = Parked(roads)
    parked.line_up(1.0, FAR_AWAY, np.random.default_rng(0))
    # Two lanes of 800 m, 12 m free at both ends: ceil(776 / 7) = 111 places each.
    assert len(parked.ids) == 222
    right = parked.boxes[parked.boxes[:, 1] < 0.0]
    assert right[:, 0] == pytest.approx(FROM_ENDS + 7.0 * np.arange(111), abs=0.01)
    gap = -right[:, 1] - right[:, 4] / 2.0 - 3.5
    assert 0.0 <= gap.min() < 0.05 < 0.45 < gap.max() <= 0.5
    parked.line_up(0.5, FAR_AWAY, np.random.default_rng(0))
    # Five standard deviations of a share of one half.
    assert abs(len(parked.ids) - 111) < 5.0 * math.sqrt(222 / 4)
    parked.line_up(0.0, FAR_AWAY, np.random.default_rng(0))
    assert parked.ids == []


def test_cars_parked_by_hand_stay_and_drawn_ones_change_with_the_episode() -> None:
    world = World(SimulatorSettings(map="straight", vehicles=0, parked_cars=0.2, route="100 -1.75 400 -1.75"), 0)
    by_hand = world.park(0, 200.0, -1.75, 0.0)
    first = set(world.parked.ids)
    world.reset(0, 1)
    assert set(world.parked.ids) & first == {by_hand}
    world.parked.remove(world.parked.lined_up[0])
    world.reset(0, 2)
    assert by_hand in world.parked.ids


def test_the_ego_can_hit_what_is_parked() -> None:
    world = World(SimulatorSettings(map="straight", vehicles=0, parked_cars=1.0, route="100 -1.75 400 -1.75"), 0)
    x, y = world.parked.boxes[np.argmin(np.abs(world.parked.boxes[:, 0] - 150.0)), :2]
    world.teleport(float(x) - 6.0, float(y), 0.0 if y < 0.0 else math.pi)
    world.set_speed(8.0)
    assert any(world.tick().collisions for _ in range(40))
