# SPDX-License-Identifier: Apache-2.0
"""What OpenDRIVE allows and other people's maps hold: each kind drives, or is refused in one sentence."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.settings import SimulatorSettings
from td3_driving.sim import buildings, scenery
from td3_driving.sim.cubics import Cubics, combined
from td3_driving.sim.opendrive import document as read_document
from td3_driving.sim.roads import MapError, RoadMap
from td3_driving.sim.routes import RouteError, plan_route, random_route
from td3_driving.sim.world import World

from .conftest import Load, told
from .road_files import LANE_LINK, MARK, WIDTH, crossing, document, joined, lane, meets, road

BOTH = {"left": (lane(1),), "right": (lane(-1),)}


def following(roads: RoadMap) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Road and lane of those that follow each lane."""
    names = [(each.key[0], each.key[2]) for each in roads.lanes]
    return {name: {names[after] for after in each.successors} for name, each in zip(names, roads.lanes)}


def test_lanes_without_marks_are_driven_and_drawn(load: Load) -> None:
    roads = load(document(road(1, 300.0, right=(lane(-1, WIDTH),), left=(lane(1, WIDTH),), middle="")))
    assert all((each.marking == 10).all() and (each.colour == 0).all() for each in roads.lanes)
    scenery.ground(roads, np.random.default_rng(0))
    buildings.skyline(roads, np.random.default_rng(0))
    only_middle = load(document(road(1, 300.0, middle="")))
    (each,) = only_middle.lanes
    assert set(each.marking[:, 0]) == {10} and set(each.marking[:, 1]) == {2}


@pytest.mark.parametrize("curvature", ["-1e-10", "0", "0.01", "1e-7"])
def test_a_spiral_that_turns_evenly_is_an_arc(load: Load, curvature: str) -> None:
    shape = f'<spiral curvStart="{curvature}" curvEnd="{curvature}"/>'
    (each,) = load(document(road(1, 100.0, shape=shape))).lanes
    turn = float(curvature) * 100.0
    assert np.isfinite(each.points).all()
    assert each.heading[-1] - each.heading[0] == pytest.approx(turn, abs=1e-3)
    # The lane's centre lies 1.75 m to the right of the reference line: outside, where it turns left.
    length = 100.0 + 1.75 * turn
    assert each.length == pytest.approx(length, abs=0.02)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('hdg="0.0"', 'hdg="inf"'),
        ("<line/>", '<arc curvature="nan"/>'),
        ('<width sOffset="0" a="3.5"', '<width sOffset="0" a="nan"'),
        ('<laneSection s="0">', '<laneOffset s="0" a="nan" b="0" c="0" d="0"/><laneSection s="0">'),
        ("</planView>", '</planView><elevationProfile><elevation s="0" a="nan" b="0" c="0" d="0"/></elevationProfile>'),
        (
            "</planView>",
            '</planView><lateralProfile><superelevation s="0" a="-inf" b="0" c="0" d="0"/></lateralProfile>',
        ),
    ],
)
def test_what_is_not_finite_is_refused_with_its_road(load: Load, before: str, after: str) -> None:
    text = document(road(41))
    assert before in text
    with pytest.raises(MapError, match=r"of road 41 is not finite$"):
        load(text.replace(before, after, 1))


@pytest.mark.parametrize("junction", ["2", "1", "7", "main street", "007", "50"])
def test_a_junction_may_bear_any_name(load: Load, junction: str) -> None:
    roads = load(crossing(junction))
    assert following(roads) == {(1, -1): {(7, -1)}, (7, -1): {(2, -1)}, (2, -1): set()}
    crossed = [each.junction for each in roads.lanes]
    assert crossed[0] == crossed[2] == -1 and crossed[1] not in (-1, 1, 2, 7)
    assert (f"junction {junction!r} is numbered {crossed[1]}" in told(roads)) == (junction != "50")


def test_roads_may_bear_any_name(load: Load) -> None:
    text = document(
        road("A", links=meets("successor", "road", "B", "start"), right=(lane(-1, links=joined(None, -1)),)),
        road("B", start=(150.0, 0.0, 0.0), links=meets("predecessor", "road", "A", "end")),
    )
    roads = load(text)
    first, second = roads.lanes
    assert first.successors == (1,) and first.key[0] != second.key[0]
    assert "road 'A' is numbered" in told(roads)


@pytest.mark.parametrize(("x", "y"), [(467000.25, 5784000.75), (50000.25, -50000.75), (-3e7, 0.0)])
def test_far_coordinates_come_near_and_keep_their_shape(load: Load, x: float, y: float) -> None:
    bend = '<arc curvature="0.0125"/>'
    far = load(document(road(1, 200.0, (x, y, 0.3), shape=bend, **BOTH)))
    near = load(document(road(1, 200.0, (x - far.offset[0], y - far.offset[1], 0.3), shape=bend, **BOTH)))
    assert max(abs(far.sample_x).max(), abs(far.sample_y).max()) < 1000.0
    for one, other in zip(far.lanes, near.lanes):
        assert one.points == pytest.approx(other.points, abs=1e-4)
    steps = np.hypot(*np.diff(far.lanes[0].points, axis=0).T)
    assert np.ptp(steps) < 0.01
    assert f"({far.offset[0]:.0f}, {far.offset[1]:.0f}) m is subtracted" in told(far)
    assert near.offset == (0.0, 0.0) and not near.notes


def test_a_road_of_many_kilometres_is_driven_to_its_end(load: Load) -> None:
    roads = load(document(road(1, 40000.0)))
    assert [lane.length for lane in roads.lanes] == pytest.approx([40000.0], abs=0.1)
    assert not roads.notes


def test_a_route_is_asked_for_in_the_coordinates_of_the_file(load: Load) -> None:
    roads = load(document(road(1, 300.0, (467000.0, 5784000.0, 0.0))))
    route = plan_route(roads, "467050 5783998 467150 5783998", 0, np.random.default_rng(0))
    assert route[0, :2] + roads.offset == pytest.approx((467050.0, 5783998.25), abs=0.01)
    assert route[-1, :2] + roads.offset == pytest.approx((467150.0, 5783998.25), abs=0.01)


def test_borders_are_as_good_as_widths(load: Load) -> None:
    borders = [
        lane(number, f'<border sOffset="0" a="{edge}" b="{slope}" c="0" d="0"/>{MARK}')
        for number, edge, slope in ((1, 3.5, 0.0), (2, 6.5, 0.01), (-1, -3.0, 0.0), (-2, -6.0, -0.01))
    ]
    roads = load(document(road(1, 100.0, left=borders[:2], right=borders[2:])))
    widths = {each.key[2]: each.width for each in roads.lanes}
    assert widths[1] == pytest.approx(3.5) and widths[-1] == pytest.approx(3.0)
    assert sorted(widths[2][[0, -1]]) == pytest.approx([3.0, 4.0], abs=1e-3)
    assert widths[-2][[0, -1]] == pytest.approx([3.0, 4.0], abs=1e-3)


ROWS = st.lists(
    st.tuples(st.floats(0.1, 50), *[st.floats(-2, 2)] * 4), min_size=1, max_size=4, unique_by=lambda r: r[0]
)


@given(first=ROWS, second=ROWS, s=st.floats(0.0, 60.0))
def test_sums_of_piecewise_cubics(first: Cubics, second: Cubics, s: float) -> None:
    first, second = ([(0.0, *rows[0][1:]), *sorted(rows)[1:]] for rows in (first, second))

    def value(cubics: Cubics) -> float:
        start, a, b, c, d = [row for row in sorted(cubics) if row[0] <= s][-1]
        return a + b * (s - start) + c * (s - start) ** 2 + d * (s - start) ** 3

    expected = value(first) - 2.0 * value(second)
    assert value(combined(first, second, -2.0)) == pytest.approx(expected, rel=1e-6, abs=1e-3)


def test_nobody_drives_where_a_lane_has_no_width(load: Load) -> None:
    opens = "".join(
        f'<width sOffset="{s}" a="{a}" b="{b}" c="0" d="0"/>' for s, a, b in ((0, 0, 0), (200, 0, 0.07), (250, 3.5, 0))
    )
    roads = load(document(road(1, 400.0, right=(lane(-1), lane(-2, opens + MARK)))))
    whole, opened = roads.lanes
    assert whole.length == pytest.approx(400.0, abs=0.1)
    # 2 m of width are reached 2 / 0.07 m behind the place where the lane begins to open.
    assert opened.points[0, 0] == pytest.approx(200.0 + 2.0 / 0.07, abs=1.0)
    assert opened.width.min() >= 2.0
    assert "lane -2 of road 1" in told(roads)
    for seed in range(20):
        assert random_route(roads, np.random.default_rng(seed))[:, 3].min() >= 2.0
    narrow = WIDTH.replace("3.5", "1.2")
    with pytest.raises(MapError, match="no lane that is 2 m wide"):
        load(document(road(1, right=(lane(-1, narrow),))))


@pytest.mark.parametrize("kind", ["driving", "sidewalk"])
def test_coefficients_that_are_left_out_are_zero(load: Load, kind: str) -> None:
    bare = lane(-2, f'<width a="3.0"/>{MARK}', kind)
    roads = load(document(road(1, right=(lane(-1), bare), after="").replace("<lanes>", '<lanes><laneOffset a="1"/>')))
    assert roads.lanes[0].points[:, 1] == pytest.approx(1.0 - 1.75)
    outer = roads.lanes[1].edges()[1] if kind == "driving" else roads.strips[0].right
    assert outer[:, 1] == pytest.approx(1.0 - 6.5, abs=1e-3)


def test_a_direct_junction_joins_three_roads(load: Load) -> None:
    meeting = '<connection id="{0}" incomingRoad="1" linkedRoad="{0}" contactPoint="start">{1}</connection>'
    connections = "".join(meeting.format(beyond, LANE_LINK) for beyond in (2, 3))
    fork = '<arc curvature="-0.005"/>'
    text = document(
        road(1, links=meets("successor", "junction", 90)),
        road(2, start=(150.0, 0.0, 0.0), links=meets("predecessor", "road", 1, "end")),
        road(3, start=(150.0, 0.0, 0.0), links=meets("predecessor", "junction", 90), shape=fork),
        f'<junction id="90" name="" type="direct">{connections}</junction>',
    )
    assert following(load(text))[1, -1] == {(2, -1), (3, -1)}


@pytest.mark.parametrize("kind", ["entry", "exit", "onRamp", "offRamp", "connectingRamp", "slipLane", "bidirectional"])
def test_ramps_and_shared_lanes_are_driven_on(load: Load, kind: str) -> None:
    roads = load(document(road(1, 200.0, right=(lane(-1, kind=kind),))))
    assert [each.key for each in roads.lanes] == [(1, 0, -1)]
    assert ("driven in one direction" in told(roads)) == (kind == "bidirectional")


def test_left_hand_traffic_and_reversed_lanes(load: Load) -> None:
    pair = {"left": (lane(1, links=joined(1, 1)),), "right": (lane(-1, links=joined(-1, -1)),)}
    for more, left_ahead in (('rule="LHT"', True), ('rule="RHT"', False), ("", False)):
        text = document(
            road(1, links=meets("successor", "road", 2, "start"), more=more, **pair),
            road(2, start=(150.0, 0.0, 0.0), links=meets("predecessor", "road", 1, "end"), more=more, **pair),
        )
        roads = load(text)
        ahead = {each.key[2]: math.cos(each.heading[0]) for each in roads.lanes if each.key[0] == 1}
        assert ahead == pytest.approx({1: 1.0 if left_ahead else -1.0, -1: -1.0 if left_ahead else 1.0})
        assert following(roads)[(1, 1) if left_ahead else (1, -1)] == {(2, 1) if left_ahead else (2, -1)}
    (each,) = load(document(road(1, right=(lane(-1, more='direction="reversed"'),)))).lanes
    assert math.cos(each.heading[0]) == pytest.approx(-1.0)
    assert each.points[0, 0] > each.points[-1, 0]
    assert set(each.marking.ravel()) == {2}


def test_a_link_that_one_side_states_is_enough(load: Load) -> None:
    text = document(road(0), road(2, start=(150.0, 0.0, 0.0), right=(lane(-1, links=joined(-1)),), links=BACK))
    assert following(load(text)) == {(0, -1): {(2, -1)}, (2, -1): set()}
    gap = text.replace('x="150.0"', 'x="153.0"')
    roads = load(gap)
    assert following(roads) == {(0, -1): set(), (2, -1): set()}
    assert "3.00 m and 0 degrees apart" in told(roads)


BACK = meets("predecessor", "road", 0, "end")


def test_short_maps_have_short_routes(load: Load) -> None:
    roads = load(document(road(1, 49.0, **BOTH)))
    route = random_route(roads, np.random.default_rng(0))
    assert 40.0 < float(np.hypot(*np.diff(route[:, :2], axis=0).T).sum()) <= 49.0
    only_junction = document(road(7, 60.0, junction=50), f'<junction id="50" name="">{JUNCTION_INSIDE}</junction>')
    assert len(random_route(load(only_junction), np.random.default_rng(0))) > 40
    with pytest.raises(RouteError, match="no route of 5 m"):
        random_route(load(document(road(1, 4.0))), np.random.default_rng(0))


JUNCTION_INSIDE = '<connection id="0" incomingRoad="7" connectingRoad="7" contactPoint="start"/>'


def test_missing_signals_are_left_out_and_named(load: Load) -> None:
    reference = '<signals><signalReference s="50" t="-4" id="77" orientation="+"/></signals>'
    controller = '<controller id="5" name=""><control signalId="78" type=""/></controller>'
    roads = load(document(road(3, after=reference), controller))
    assert "road 3 refers to signal 77, which is missing" in told(roads)
    assert "controller 5 refers to signal 78" in told(roads)
    assert "signalReference" not in roads.opendrive


def test_an_unknown_shape_is_refused_with_its_road(load: Load) -> None:
    with pytest.raises(MapError, match="road 41 has a geometry of the unknown shape <banana>"):
        load(document(road(41, shape="<banana/>")))


def test_notes_are_logged_but_not_without_end(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    narrow = lane(-2, WIDTH.replace("3.5", "1.0") + MARK)
    with caplog.at_level(logging.WARNING):
        load(document(*(road(number, right=(lane(-1), narrow)) for number in range(1, 8))))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 5 and "3 more notes" in said[-1]


def test_the_world_runs_on_such_a_map(tmp_path: Path) -> None:
    path = tmp_path / "map.xodr"
    path.write_text(document(road(1, 200.0, (467000.0, 5784000.0, 0.0), (lane(-1, WIDTH),), (lane(1, WIDTH),))))
    world = World(SimulatorSettings(map=str(path), vehicles=4), 0)
    for _ in range(20):
        frame = world.tick()
    assert np.isfinite(frame.vehicles.x).all() and len(frame.vehicles.x) > 0
    assert np.isfinite((frame.ego.x, frame.ego.y)).all()


@pytest.mark.parametrize("text", [document(road(1)), crossing(50)])
def test_what_needs_nothing_stays_as_it_is(text: str) -> None:
    place = "<geoReference>+proj=tmerc +lat_0=49 +lon_0=8</geoReference>"
    text = text.replace('west="0"/>', f'west="0">{place}</header>')
    read = read_document(text.encode(), "map")
    assert read.text == text and not read.notes and read.offset == (0.0, 0.0)
