# SPDX-License-Identifier: Apache-2.0
"""Road networks: our own, CARLA's, and broken ones."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.sim.opendrive import document
from td3_driving.sim.roads import OWN_MAPS, MapError, load_map, map_path

STRAIGHT = map_path("straight").read_text(encoding="utf-8")


def test_the_straight_road_in_ros_axes() -> None:
    roads = load_map("straight")
    right, left = sorted(roads.lanes, key=lambda lane: lane.key[2])
    assert (right.key, left.key) == ((1, 0, -1), (1, 0, 1))
    assert right.pose(100.0) == pytest.approx((100.0, -1.75, 0.0), abs=2e-3)
    x, y, heading = left.pose(100.0)
    assert (x, y) == pytest.approx((700.0, 1.75), abs=2e-3)
    assert abs(math.remainder(heading, 2 * math.pi)) == pytest.approx(math.pi, abs=1e-4)
    assert right.length == pytest.approx(800.0, abs=0.01)
    assert right.width == pytest.approx(np.full(len(right.s), 3.5))
    assert set(right.marking[:, 0]) == {1}, "a broken line in the middle"
    assert set(right.marking[:, 1]) == {2}, "a solid line at the edge"
    assert right.successors == left.successors == ()
    assert [strip.kind for strip in roads.strips] == ["sidewalk", "sidewalk"]


def test_near_tells_lane_distance_and_side() -> None:
    roads = load_map("straight")
    found = roads.near(50.3, -1.0, 4.0)
    assert [roads.lanes[lane].key[2] for lane, _, _ in found] == [-1, 1]
    (_, s, left_of_right_lane), (_, back, left_of_left_lane) = found
    assert (s, left_of_right_lane) == pytest.approx((50.3, 0.75), abs=2e-3)
    assert (back, left_of_left_lane) == pytest.approx((749.7, 2.75), abs=2e-3)
    assert roads.near(50.0, 100.0, 4.0) == []


@pytest.mark.parametrize("name", OWN_MAPS)
def test_lanes_lead_into_each_other(name: str) -> None:
    roads = load_map(name)
    for lane in roads.lanes:
        assert lane.successors or name == "straight"
        steps = np.hypot(*np.diff(lane.points, axis=0).T)
        assert steps.max() < 1.3
        assert np.ptp(steps) < 0.01
        assert np.diff(lane.s) == pytest.approx(steps, abs=0.01)
        for after in lane.successors:
            following = roads.lanes[after]
            assert math.dist(lane.points[-1], following.points[0]) < 0.01
            assert abs(math.remainder(lane.heading[-1] - following.heading[0], 2 * math.pi)) < 0.01


def test_the_loop_of_curves_bends_both_ways() -> None:
    roads = load_map("curves")
    bend = np.concatenate([np.diff(lane.heading) / np.diff(lane.s) for lane in roads.lanes if lane.key[2] == -1])
    assert bend.max() > 1 / 40
    assert bend.min() < -1 / 40
    assert sum(lane.length for lane in roads.lanes if lane.key[2] == -1) > 1000.0


def test_committed_maps_are_what_the_generator_writes() -> None:
    pytest.importorskip("scenariogeneration", reason="only who changes maps needs scenariogeneration")
    from td3_driving.sim.maps.make_maps import MAPS

    assert set(MAPS) == set(OWN_MAPS)
    for name, build in MAPS.items():
        assert build() == map_path(name).read_text(encoding="utf-8"), name


def test_town01_lies_where_carla_has_it(shared_data: Path) -> None:
    roads = load_map(str(shared_data / "carla_towns" / "Town01.xodr"))
    assert (roads.name, len(roads.lanes)) == ("Town01", 124)
    lane, _, offset = roads.near(317.0, -129.0, 3.0)[0]
    assert offset == pytest.approx(-0.51, abs=0.05)
    assert roads.lanes[lane].width[0] == pytest.approx(4.0)
    assert all(lane.successors for lane in roads.lanes)


def _without(part: str) -> str:
    start, end = STRAIGHT.index(f"<{part}"), STRAIGHT.index(f"</{part}>") + len(f"</{part}>")
    return STRAIGHT[:start] + STRAIGHT[end:]


BROKEN = {
    "cut off": (STRAIGHT[:500], "not well-formed"),
    "no map": ("<kml/>", "root element is <kml>"),
    "no road": ('<OpenDRIVE><header revMajor="1"/></OpenDRIVE>', "no road"),
    "no geometry": (_without("planView"), "no geometry"),
    "no lane section": (_without("laneSection"), "no lane section"),
    "no driving lane": (STRAIGHT.replace('type="driving"', 'type="biking"'), "no driving lane"),
    "nan": (STRAIGHT.replace('hdg="0.0"', 'hdg="nan"'), "not finite"),
    "word": (STRAIGHT.replace('hdg="0.0"', 'hdg="north"'), "no number"),
    "no length": (STRAIGHT.replace('length="800.0"', 'length="0.0"'), "length 0.0 m"),
    "endless": (STRAIGHT.replace("800.0", "1e12"), "length 1000000000000"),
    "large lane id": (STRAIGHT.replace('<lane id="-2"', '<lane id="-99999999999"'), "too large"),
    "lane left out": (
        STRAIGHT.replace('<lane id="-2"', '<lane id="-3"'),
        r"right lanes of road 1 have the ids \[-1, -3\]",
    ),
    "no centre": (_without("center"), "no centre lane"),
    "missing link": (
        STRAIGHT.replace("<link />", '<link><successor elementType="road" elementId="9"/></link>', 1),
        "linked to road 9",
    ),
    "missing junction": (STRAIGHT.replace('junction="-1"', 'junction="7"'), "junction 7"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_documents_are_refused_with_a_reason(case: str, tmp_path: Path) -> None:
    text, reason = BROKEN[case]
    path = tmp_path / "broken.xodr"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MapError, match=reason) as refusal:
        load_map(str(path))
    assert "broken.xodr" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_empty_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="does not exist"):
        load_map(str(tmp_path / "nowhere.xodr"))
    (tmp_path / "empty.xodr").touch()
    with pytest.raises(MapError, match="has 0 bytes"):
        load_map(str(tmp_path / "empty.xodr"))
    (tmp_path / "binary.xodr").write_bytes(b"\xff\xfe\x00\x80\x00")
    with pytest.raises(MapError, match="not UTF-16-LE text"):
        load_map(str(tmp_path / "binary.xodr"))


def test_a_line_without_a_beginning_which_ends_carlas_parser_is_refused_by_name(tmp_path: Path) -> None:
    odd = tmp_path / "odd.xodr"
    odd.write_text(STRAIGHT.replace('<geometry s="0"', '<geometry s="50"'), encoding="utf-8")
    with pytest.raises(MapError, match=r"the geometry of road 1 begins at 50 m, and not at 0$"):
        load_map(str(odd))


@given(start=st.integers(0, len(STRAIGHT)), length=st.integers(1, 400), filler=st.text(max_size=5))
def test_damage_anywhere_is_refused_or_harmless(start: int, length: int, filler: str) -> None:
    damaged = STRAIGHT[:start] + filler + STRAIGHT[start + length :]
    try:
        spans = document(damaged, "damaged").spans
    except MapError:
        return
    assert any(span.kind == "driving" and span.end > span.start for span in spans)
