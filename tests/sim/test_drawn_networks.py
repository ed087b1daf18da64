# SPDX-License-Identifier: Apache-2.0
"""Road networks drawn from seeds: whole, different from each other, and fit to drive on."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.driving.drivers import LaneKeeper
from td3_driving.driving.episode import ExitReason
from td3_driving.settings import from_flat
from td3_driving.sim import opendrive
from td3_driving.sim.collision import overlaps
from td3_driving.sim.maps.curve import LEAST_TURN, cubic, movement
from td3_driving.sim.maps.document import Arm, Document, Style
from td3_driving.sim.maps.drawn import LANE_BOUNDS, drawn_network
from td3_driving.sim.rehearsal import drive_episode
from td3_driving.sim.roads import (
    MOST_NETWORKS,
    MapError,
    RoadMap,
    drawn_seeds,
    load_map,
    map_choices,
    map_of_episode,
    map_path,
    only_map,
)
from td3_driving.sim.world import World

SEEDS = range(10)


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest) -> World:
    chosen = from_flat({"simulator.map": f"drawn:{request.param}", "simulator.vehicles": 0})
    return World(chosen.simulator, 0)


def test_a_straight_street_in_numbers() -> None:
    line = cubic((0.0, 0.0, 0.0), (90.0, 0.0, 0.0))
    assert line.length == pytest.approx(90.0)
    assert line.tightest() > 1e6


def test_a_quarter_of_a_circle_in_numbers() -> None:
    # The Bezier arc approximation is within 0.03 % of the circle of radius 20.
    arc = cubic((0.0, 0.0, 0.0), (20.0, 20.0, math.pi / 2.0))
    assert arc.length == pytest.approx(10.0 * math.pi, rel=1e-3)
    assert arc.tightest() == pytest.approx(20.0, rel=0.02)


def test_a_late_turn_in_numbers() -> None:
    """The control points of that arc are 11.05 m from its ends, half as much again of the late one: its middle has the
    derivatives (17.6, 17.6) and (-49.7, 49.7), so the radius 24.85^3 / (2 * 17.57 * 49.7)."""
    late = cubic((0.0, 0.0, 0.0), (20.0, 20.0, math.pi / 2.0), 1.5)
    assert late.tightest() == pytest.approx(8.8, abs=0.1)


@given(
    gap=st.floats(6.5, 19.0),
    width=st.floats(*LANE_BOUNDS),
    late=st.floats(1.0, 1.6),
    turn=st.sampled_from((-math.pi / 2.0, math.pi / 2.0)),
)
def test_no_late_turn_is_too_tight(gap: float, width: float, late: float, turn: float) -> None:
    end = gap, math.copysign(gap, turn), turn
    curve = movement((0.0, 0.0, 0.0), end, width, late)
    middle = curve.tightest() + math.copysign(width / 2.0, turn)
    assert middle >= LEAST_TURN or curve == cubic((0.0, 0.0, 0.0), end)
    assert movement((0.0, 0.0, 0.0), (gap, 0.0, 0.0), width, late) == cubic((0.0, 0.0, 0.0), (gap, 0.0, 0.0))


@pytest.mark.parametrize(("corners", "sidewalks"), [(False, 6), (True, 9)])
def test_a_t_junction_by_hand(corners: bool, sidewalks: int) -> None:
    """Three streets of 80 m that end 15 m before the origin: six movements, three lanes in and three out.

    Each street has two sidewalks. Round the corners there are three, beside the rightmost movement of each street.
    """
    document = Document("three", Style(corners=corners))
    arms = []
    for heading in (0.0, math.pi / 2.0, math.pi):
        far, near = 95.0, 15.0
        start = far * math.cos(heading), far * math.sin(heading), heading + math.pi
        end = near * math.cos(heading), near * math.sin(heading), heading + math.pi
        arms.append(Arm(document.street([cubic(start, end)], end, (3.5, 3.2)), at_end=True))
    document.junction(arms)
    spans = opendrive.document(document.text(), "three").spans
    driving = [span for span in spans if span.kind == "driving"]
    assert sum(span.junction < 0 for span in driving) == 6
    assert sum(span.junction >= 0 for span in driving) == 6
    assert sum(span.kind == "sidewalk" for span in spans) == sidewalks
    assert all(span.end == pytest.approx(80.0) for span in driving if span.junction < 0)


@settings(max_examples=12)
@given(seed=st.integers(0, 10**9 - 1))
def test_equal_seeds_give_equal_text_and_others_another(seed: int) -> None:
    text = drawn_network(seed)
    assert text == drawn_network(seed)
    assert text != drawn_network(seed + 1)
    junctions = [span.junction for span in opendrive.document(text, "drawn").spans]
    assert max(junctions) >= 0, "a network without a junction is no network"


def _crossing(roads: RoadMap) -> list[int]:
    return [index for index, lane in enumerate(roads.lanes) if lane.junction >= 0]


def test_every_lane_leads_on_without_a_gap_or_a_kink(world: World) -> None:
    lanes = world.roads.lanes
    followed = {after for lane in lanes for after in lane.successors}
    assert followed == set(range(len(lanes))), "every lane can be reached"
    for lane in lanes:
        assert lane.successors
        assert LANE_BOUNDS[0] - 0.01 <= lane.width.min() <= lane.width.max() <= LANE_BOUNDS[1] + 0.01
        bend = np.abs(np.gradient(lane.heading, lane.s)).max()
        # A right turn of the least gap has the radius 6.5 m at its left edge, 4.5 m in its middle; less where it is
        # late or where arms are turned.
        assert 1.0 / max(bend, 1e-9) > 3.4
        for after in lane.successors:
            following = lanes[after]
            assert math.dist(lane.points[-1], following.points[0]) < 0.01
            assert abs(math.remainder(lane.heading[-1] - following.heading[0], 2.0 * math.pi)) < 0.01
            assert lane.width[-1] == pytest.approx(following.width[0], abs=0.01)


def test_streets_keep_apart(world: World) -> None:
    """Outside junctions, where they meet, lanes of different streets are no nearer than two of one street.

    But the two that a bend joins may come near each other beside it.
    """
    roads = world.roads
    joined = _joined(roads)
    crossings = np.concatenate([roads.lanes[index].points for index in _crossing(roads)])
    for lane in roads.lanes:
        if lane.junction >= 0:
            continue
        for x, y in lane.points[:: max(1, len(lane.s) // 8)]:
            if np.hypot(*(crossings - (x, y)).T).min() < 25.0:
                continue
            near = [roads.lanes[index] for index, _, _ in roads.near(float(x), float(y), 8.0)]
            beside = joined[lane.key[0]]
            linked = {lane.key[0]}.union(beside, *(joined[road] for road in beside))
            # The lane of the opposite direction has its successors where this one has those before it.
            assert {other.key[0] for other in near} <= linked


def _joined(roads: RoadMap) -> dict[int, set[int]]:
    """For each road those that its lanes lead to or come from."""
    pairs = {(lane.key[0], roads.lanes[after].key[0]) for lane in roads.lanes for after in lane.successors}
    both = pairs | {(after, before) for before, after in pairs}
    return {road: {other for one, other in both if one == road} for road, _ in both}


def test_the_lane_keeper_drives_every_route_in_its_lane(world: World) -> None:
    chosen = from_flat({"episode.max_steps": 3000})
    for seed in range(2):
        record = drive_episode(world, LaneKeeper(8.0, 0.05), chosen, seed, 3000)
        assert record.route_length >= 150.0
        assert record.exit_reason is ExitReason.GOAL
        assert record.max_lateral < 0.9


def test_traffic_keeps_to_the_road_and_gets_on(world: World) -> None:
    traffic = world.traffic
    traffic.spawn(20, np.random.default_rng(1), (1e6, 0.0))
    assert len(traffic.s) == 20
    moved = np.zeros(20)
    for step in range(600):
        traffic.step(0.05, ())
        moved += traffic.speed * 0.05
        if step % 60 == 0:
            boxes = traffic.boxes()
            for index, box in enumerate(boxes):
                x, y, yaw, length, width = map(float, box)
                assert not overlaps((x, y, yaw, length, width), np.delete(boxes, index, axis=0)).any()
                assert min(abs(offset) for _, _, offset in world.roads.near(x, y, 5.0)) < 0.1
    assert moved.mean() > 50.0


def test_networks_differ() -> None:
    found = [load_map(f"drawn:{seed}") for seed in SEEDS]
    assert len({len(roads.lanes) for roads in found}) > 4
    widths = [float(np.median([lane.width[0] for lane in roads.lanes])) for roads in found]
    assert max(widths) - min(widths) > 0.3
    arms = [np.bincount([roads.lanes[index].junction - 1000 for index in _crossing(roads)]) for roads in found]
    spans = [opendrive.document(drawn_network(seed), "drawn").spans for seed in SEEDS]
    corners = [any(span.junction >= 0 and span.kind in ("sidewalk", "shoulder") for span in of) for of in spans]
    assert 2 <= sum(corners) <= 8, "half of them have sidewalks round their corners"
    assert {6, 12} <= {int(count) for counts in arms for count in counts}, "both T-junctions and crossings"


def test_names() -> None:
    assert drawn_seeds("town") is None
    assert drawn_seeds("drawn") == range(1)
    assert drawn_seeds("drawn:7") == range(7, 8)
    assert drawn_seeds("drawn:3-5") == range(3, 6)
    assert map_choices("town") == [["town"]]
    assert map_choices("drawn:3-5") == [["drawn:3", "drawn:4", "drawn:5"]]
    for wrong in ("drawn:", "drawn:x", "drawn:-1", "drawn:5-3", f"drawn:0-{MOST_NETWORKS}", "drawn:1234567890"):
        with pytest.raises(MapError, match=r"is not of the form drawn:SEED"):
            load_map(wrong)


def test_each_episode_of_several_networks_takes_one_by_its_seed() -> None:
    chosen = from_flat({"simulator.map": "drawn:3-5", "simulator.vehicles": 5}).simulator
    world = World(chosen, 0)
    names = []
    for seed in range(6):
        world.reset(0, seed)
        frame = world.tick()
        names.append(world.roads.name)
        assert len(frame.vehicles.x) == 5
        assert min(abs(offset) for _, _, offset in world.roads.near(frame.ego.x, frame.ego.y, 5.0)) < 0.1
    assert names == [f"drawn_{number}" for number in (3, 4, 5, 3, 4, 5)]
    single = World(from_flat({"simulator.map": "drawn:4", "simulator.vehicles": 5}).simulator, 0)
    assert np.array_equal(world.reset(0, 4), single.reset(0, 4)), "the route is that of the network by itself"
    assert np.array_equal(world.tick().vehicles.x, single.tick().vehicles.x)


def test_parts_share_the_episodes_equally_and_their_maps_share_the_part() -> None:
    choices = map_choices("town + drawn:3-5+curves")
    assert choices == [["town"], ["drawn:3", "drawn:4", "drawn:5"], ["curves"]]
    drawn = [map_of_episode(choices, seed) for seed in range(18)]
    assert drawn.count("town") == drawn.count("curves") == 6
    assert {drawn.count(f"drawn:{seed}") for seed in (3, 4, 5)} == {2}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("town++curves", r"'town\+\+curves' has an empty part"),
        ("+", r"'\+' has an empty part"),
        ("town+nosuch", r"'nosuch', a part of 'town\+nosuch', does not exist"),
        ("drawn:0-49+drawn:50-100", "more than 100 networks"),
        ("town+drawn:x", "'drawn:x' is not of the form"),
    ],
)
def test_parts_that_cannot_be_driven_are_refused_before_the_first_episode(name: str, sentence: str) -> None:
    with pytest.raises(MapError, match=sentence):
        World(from_flat({"simulator.map": name}).simulator, 0)


@pytest.mark.parametrize("name", ["x" * 300, "x+" * 200 + "x"])
def test_a_long_name_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(MapError):
        map_choices(name) if "+" in name else load_map(name)


def test_what_stands_for_several_maps_is_not_one() -> None:
    for name in ("town+curves", "drawn:3-5"):
        with pytest.raises(MapError, match="name one of them, such as"):
            load_map(name)
    assert only_map("drawn") == "drawn:0"


def test_a_path_with_a_plus_is_one_map(tmp_path: Path) -> None:
    path = tmp_path / "a+b.xodr"
    path.write_bytes(map_path("straight").read_bytes())
    assert map_choices(str(path)) == [[str(path)]]
    assert load_map(str(path)).lanes


def test_a_world_of_two_parts_drives_both() -> None:
    world = World(from_flat({"simulator.map": "curves+drawn:3", "simulator.vehicles": 0}).simulator, 0)
    names = []
    for seed in range(4):
        world.reset(0, seed)
        names.append(world.roads.name)
    assert names == ["curves", "drawn_3", "curves", "drawn_3"]
