# SPDX-License-Identifier: Apache-2.0
"""Files that contradict themselves: driven as far as they go, or refused in one sentence that names the road."""

from __future__ import annotations

import re

import numpy as np
import pytest

from td3_driving.sim.map_place import ORIGIN
from td3_driving.sim.roads import MapError

from .conftest import Load, told
from .road_files import crossing, document, joined, lane, meets, road

BEND = '<arc curvature="0.2"/>'


def torn(x: float, y: float, heading: float = 0.0) -> str:
    """A road of 150 m whose second half begins at x, y."""
    second = f'<geometry s="75" x="{x}" y="{y}" hdg="{heading}" length="75"><line/></geometry>'
    first = '<geometry s="0" x="0.0" y="0.0" hdg="0.0" length="150.0">'
    return document(road(6)).replace(first, first.replace("150", "75")).replace("</planView>", f"{second}</planView>")


@pytest.mark.parametrize(("x", "y"), [(500.0, 40.0), (75.0, 6.5), (20.0, 0.0)])
def test_nobody_drives_across_a_gap_in_a_road(load: Load, x: float, y: float) -> None:
    roads = load(torn(x, y))
    assert [each.successors for each in roads.lanes] == [(), ()]
    for each in roads.lanes:
        assert np.hypot(*np.diff(each.points, axis=0).T).max() < 1.1
    assert "lane -1 of road 6 has a gap of" in told(roads) and "nobody drives across" in told(roads)


@pytest.mark.parametrize(("x", "y", "heading"), [(75.0, 0.0, 0.0), (75.4, 0.3, 0.0), (75.0, 0.0, 0.5)])
def test_a_road_that_is_drawn_roughly_is_whole(load: Load, x: float, y: float, heading: float) -> None:
    roads = load(torn(x, y, heading))
    assert len(roads.lanes) == 1 and not roads.notes


def test_the_outer_lane_of_a_tight_bend_is_whole(load: Load) -> None:
    """Ten lanes out, 1 m of the reference line of 5 m radius is 8 m of the lane."""
    roads = load(document(road(8, 15.0, shape=BEND, right=[lane(-number) for number in range(1, 11)])))
    assert len(roads.lanes) == 10 and not roads.notes
    assert max(each.length for each in roads.lanes) == pytest.approx(15.0 * (5.0 + 9.5 * 3.5) / 5.0, rel=0.01)


def test_roads_that_lie_a_continent_apart_are_refused(load: Load) -> None:
    with pytest.raises(MapError, match=r"roads 1 and 2 lie 1500 km apart, up to 1000 km are possible$"):
        load(document(road(1), road(2, start=(0.0, 1.5e6, 0.0))))


@pytest.mark.parametrize("x", ["1e300", "-2e9"])
def test_a_place_beyond_all_maps_is_refused(load: Load, x: str) -> None:
    said = f"<geometry x={float(x):g}> of road 3 is beyond 1e+09 m"
    with pytest.raises(MapError, match=re.escape(said)):
        load(document(road(3)).replace('x="0.0"', f'x="{x}"'))


@pytest.mark.parametrize(
    "place", ["lat_0=north +lon_0=8", "lat_0=nan +lon_0=8", "lat_0=49 +lon_0", "lat_0=91 +lon_0=8"]
)
def test_a_place_on_earth_that_is_none_is_named(load: Load, place: str) -> None:
    given = f"<header><geoReference>+proj=tmerc +{place}</geoReference></header>"
    roads = load(document(road(1)).replace("<road", f"{given}<road", 1).replace("<header rev", "<was rev"))
    assert "does not tell lat_0 and lon_0" in told(roads) and ORIGIN in roads.opendrive


@pytest.mark.parametrize("number", ["3_5", "٣", "3,5", "3.5f", "0x3", ""])
def test_a_width_that_is_no_number_of_xml_is_refused(load: Load, number: str) -> None:
    with pytest.raises(MapError, match=r"<width a='.*'> of road 5 is no number$"):
        load(document(road(5)).replace('a="3.5"', f'a="{number}"'))


def test_an_unknown_rule_is_said_and_driven_on_the_right(load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    roads = load(document(road(4, left=(lane(1),), more='rule="sinistra"')))
    assert told(roads) == "rule 'sinistra' of road 4 is neither RHT nor LHT; it is driven on the right"
    directions = {each.key[2]: float(np.cos(each.heading[0])) for each in roads.lanes}
    assert directions == {1: pytest.approx(-1.0), -1: pytest.approx(1.0)}
    assert capfd.readouterr().err == "", "CARLA's library has nothing to say of it"


def test_what_names_nothing_is_said(load: Load) -> None:
    with pytest.raises(MapError, match=r"road 1 is linked to a road without an id$"):
        load(document(road(1, links=meets("successor", "road", "")), road(2, right=(lane(-1, links=joined(-1)),))))
    with pytest.raises(MapError, match=r"junction 50 names no incomingRoad$"):
        load(crossing(50).replace('incomingRoad="1"', ""))
    roads = load(document(road(1, after='<signals><signalReference s="9" t="1" orientation="+"/></signals>')))
    assert told(roads) == "road 1 refers to a signal without an id; left out"
    roads = load(document(road(1, after='<signals><signalReference id="8"/><signalReference id="8"/></signals>')))
    assert told(roads) == "road 1 refers to signal 8, which is missing; left out", "once"


def test_a_place_of_a_signal_is_a_number(load: Load) -> None:
    signal = '<signals><signal id="1" s="9" t="1"><positionInertial x="here" y="0" z="0"/></signal></signals>'
    with pytest.raises(MapError, match="<positionInertial x='here'> of road 1 is no number"):
        load(document(road(1, after=signal)))


@pytest.mark.parametrize("where", ["<userData>{}</userData></OpenDRIVE>", "{}</OpenDRIVE>"])
@pytest.mark.parametrize("key", ["x", "y"])
def test_a_place_outside_of_all_roads_is_a_number_too(load: Load, where: str, key: str) -> None:
    """A far map moves it with its roads."""
    far = document(road(1, start=(467000.0, 5784000.0, 0.0)))
    place = f'<positionInertial {key}="here"/>'
    with pytest.raises(MapError, match=f"<positionInertial {key}='here'> is no number$"):
        load(far.replace("</OpenDRIVE>", where.format(place)))
    assert load(far.replace("</OpenDRIVE>", where.format(place.replace("here", "467100")))).offset[0] == 467000.0


@pytest.mark.parametrize("kind", ["driving", "sidewalk"])
def test_a_lane_has_no_width_before_its_first_record(load: Load, kind: str) -> None:
    late = '<width sOffset="40" a="3.25" b="0" c="0" d="0"/>'
    roads = load(document(road(2, right=(lane(-1), lane(-2, late, kind)))))
    if kind == "driving":
        assert roads.lanes[1].points[0, 0] == pytest.approx(40.0, abs=1.0)
        assert roads.lanes[1].width == pytest.approx(3.25)
        assert "lane -2 of road 2 is down to 0.00 m wide" in told(roads)
    else:
        across = np.hypot(*(roads.strips[0].left - roads.strips[0].right).T)
        assert across[0] == pytest.approx(0.0, abs=1e-3) and across[-1] == pytest.approx(3.25, abs=1e-3)


@pytest.mark.parametrize("start", ["2.2e-16", "1e-4", "-1e-9", "5e-324"])
def test_what_begins_a_hair_too_late_begins_in_time(load: Load, start: str) -> None:
    text = document(road(2)).replace('<width sOffset="0"', f'<width sOffset="{start}"')
    roads = load(text.replace('<geometry s="0"', f'<geometry s="{start}"'))
    assert roads.lanes[0].length == pytest.approx(150.0, abs=0.05) and not roads.notes
    assert roads.lanes[0].width == pytest.approx(3.5)


def test_a_road_whose_shape_begins_late_is_refused(load: Load) -> None:
    with pytest.raises(MapError, match=r"the geometry of road 9 begins at 12\.5 m, and not at 0$"):
        load(document(road(9)).replace('<geometry s="0"', '<geometry s="12.5"'))


def test_entities_of_the_document_are_read(load: Load) -> None:
    own = '<!DOCTYPE OpenDRIVE [<!ENTITY wide "3.125">]>'
    text = document(road(1)).replace('a="3.5"', 'a="&wide;"').replace("<OpenDRIVE>", f"{own}<OpenDRIVE>")
    assert own in text
    assert load(text).lanes[0].width == pytest.approx(3.125)
