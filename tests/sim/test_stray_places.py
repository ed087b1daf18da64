# SPDX-License-Identifier: Apache-2.0
"""Files in which a place, a link or a name leads nowhere: the roads are driven all the same, or the road is named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from td3_driving.sim.map_text import DEEPEST, LONGEST
from td3_driving.sim.roads import MapError
from td3_driving.sim.routes import RouteError, random_route

from .conftest import Load, told
from .road_files import MARK, WIDTH, document, joined, lane, meets, raised, road

UTM = (467000.0, 5784000.0, 0.0)


def signal(x: object, y: object, number: int = 1) -> str:
    """A signal beside its road that is said to stand at x, y."""
    place = f'<positionInertial x="{x}" y="{y}" z="0" hdg="0"/>'
    stated = f'<signal id="{number}" s="20" t="-4" dynamic="no" orientation="+" type="206">'
    return f"<signals>{stated}{place}</signal></signals>"


@pytest.mark.parametrize(("x", "y"), [(0, 0), (-3, 1e5), (1e300, 0), (467000, 0)])
def test_a_signal_that_lies_elsewhere_does_not_move_the_roads(load: Load, x: float, y: float) -> None:
    roads = load(document(road(1, 200.0, UTM, after=signal(x, y)), road(2, 200.0, (467000.0, 5784050.0, 0.0))))
    bare = load(document(road(1, 200.0, UTM), road(2, 200.0, (467000.0, 5784050.0, 0.0))))
    assert roads.offset == bare.offset == (467000.0, 5784000.0)
    for one, other in zip(roads.lanes, bare.lanes):
        assert one.points == pytest.approx(other.points, abs=1e-6)
    assert "signal 1 of road 1 is said to stand" in told(roads) and "positionInertial" not in roads.opendrive


def test_a_signal_far_away_does_not_move_roads_near_the_origin(load: Load) -> None:
    roads = load(document(road(1, 200.0, after=signal(*UTM[:2]))))
    assert roads.offset == (0.0, 0.0) and "is said to stand 5802.82 km away" in told(roads)


def test_a_signal_beside_its_road_goes_where_the_road_goes(load: Load) -> None:
    roads = load(document(road(1, 200.0, UTM, after=signal(467020.0, 5783996.0))))
    assert 'x="20.0" y="-4.0"' in roads.opendrive and "said to stand" not in told(roads)


@pytest.mark.parametrize("lost", ["-5", "1", "x", "99999999999", ""])
@pytest.mark.parametrize("side", ["successor", "predecessor"])
def test_a_lane_linked_to_a_lane_that_is_not_there_is_driven(load: Load, lost: str, side: str) -> None:
    """libcarla ends the process on such a successor."""
    broken = f'<{side} id="{lost}"/>'
    first, second = (broken, joined(-1)) if side == "successor" else (joined(None, -1), broken)
    roads = load(
        document(
            road(3, links=meets("successor", "road", 4, "start"), right=(lane(-1, links=first), lane(-2))),
            road(
                4,
                start=(150.0, 0.0, 0.0),
                links=meets("predecessor", "road", 3, "end"),
                right=(lane(-1, links=second),),
            ),
        )
    )
    name = f"lane {lost}" if lost else "a lane without an id"
    own, other = (3, 4) if side == "successor" else (4, 3)
    assert f"lane -1 of road {own} is linked to {name} of road {other}, which is missing; left out" in told(roads)
    # The other side states the link that holds.
    assert [each.successors for each in roads.lanes] == [(2,), (), ()]


def test_links_between_the_sections_of_a_road(load: Load) -> None:
    text = document(road(5, right=(lane(-1, links=joined(None, -3)),)))
    section = re.search("<laneSection.*</laneSection>", text)
    assert section is not None
    plain = section[0].replace(joined(None, -3), "").replace('s="0"', 's="75"', 1)
    roads = load(text.replace(section[0], section[0] + plain))
    assert told(roads) == "lane -1 of road 5 is linked to lane -3 of road 5, which is missing; left out"
    whole = load(text.replace(section[0], section[0].replace('id="-3"', 'id="-1"') + plain))
    assert not whole.notes and len(whole.lanes) == 2


@pytest.mark.parametrize(("link", "own"), [("1", "+1"), ("1", "01"), ("+1", "1"), (" 01 ", "1"), ("+01", "001")])
def test_a_lane_id_is_a_number_however_it_is_written(load: Load, link: str, own: str) -> None:
    """The left lane of road 2 leads into that of road 1, and road 2 alone says so."""
    lanes = (lane(1), lane(1, links=joined(1)))
    text = document(
        road(1, right=(), left=lanes[:1], links=meets("successor", "road", 2, "start")),
        road(2, 150.0, (150.0, 0.0, 0.0), (), lanes[1:], meets("predecessor", "road", 1, "end")),
    )
    odd = text.replace('<lane id="1"', f'<lane id="{own}"').replace('<predecessor id="1"', f'<predecessor id="{link}"')
    roads = load(odd)
    assert odd != text and told(roads) == ""
    assert [each.successors for each in roads.lanes] == [each.successors for each in load(text).lanes] == [(), (0,)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (document(road(6, right=(lane(-1, WIDTH.replace("3.5", "1e6")),))), "lane -1 of road 6 is 1e.06 m wide, up to"),
        (
            document(raised(road(6), 'a="0" b="0" c="0" d="9"')),
            "lane -1 of road 6 lies at a height of 3.0.*, up to 100000",
        ),
        (document(road(6, right=(lane("first"),))), "<lane id='first'> of road 6 is no whole number"),
        (document(road(6)).replace('length="150.0"', 'length="inf"'), "<road length='inf'> of road 6 is not finite"),
        (document(road(6, after=signal("nan", 0))), "<positionInertial x='nan'> of road 6 is not finite"),
        (document(road(6, right=(lane(-1, kind="tram"),))), "no driving lane; lanes of its roads, of 6 for one: tram"),
        (
            document(road(6, right=(lane(-1, WIDTH.replace("3.5", "1.2") + MARK),))),
            "2 m wide: lane -1 of road 6 has 1.20 m",
        ),
        (
            document(road(6)).replace('hdg="0.0" length="150.0"', 'hdg="0.0" length="0"'),
            "a point, as lane -1 of road 6 is",
        ),
        (
            document(road(6)).replace('<laneSection s="0">', "<laneSection>"),
            "<laneSection s=''> of road 6 is no number",
        ),
        (document(road(6, 1e-6)), "CARLA's OpenDRIVE parser accepts, on road 6 for one"),
        (document(road(6)).replace("<lanes>", f"{'<a>' * 3000}{'</a>' * 3000}<lanes>"), f"more than {DEEPEST} deep"),
    ],
)
def test_the_sentence_names_the_road(load: Load, text: str, reason: str) -> None:
    with pytest.raises(MapError, match=reason):
        load(text)


def test_a_map_without_a_route_names_its_longest_lane(load: Load) -> None:
    with pytest.raises(RouteError, match=r"no route of 5 m; the longest lane is -1 of road 8$"):
        random_route(load(document(road(7, 2.0), road(8, 3.0, (50.0, 0.0, 0.0)))), np.random.default_rng(0))


@pytest.mark.parametrize("name", ["", "a&quot;&#10;b", "x" * 5000, "straße", "日本"])
def test_roads_of_any_name_are_driven_and_refused_in_one_line(load: Load, name: str) -> None:
    roads = load(document(road(name)))
    assert len(roads.lanes) == 1 and len(told(roads)) <= LONGEST + 3 and "\n" not in told(roads)
    with pytest.raises(MapError) as refused:
        load(document(road(name, shape="<banana/>")))
    assert len(str(refused.value)) <= LONGEST + 3 and str(refused.value).isprintable()
    assert "banana" in str(refused.value)


def test_a_road_without_an_id_is_numbered(load: Load) -> None:
    assert "road '' is numbered 1" in told(load(document(road(9)).replace('id="9"', "")))


@pytest.mark.parametrize("declared", ["utf-16", "UTF-16LE", "utf_16", "UTF-32"])
def test_a_declaration_that_can_be_read_byte_by_byte_is_not_in_utf16(load: Load, declared: str) -> None:
    text = document(road(1, more='signalName="ö"')).replace(
        'version="1.0"?', f'version="1.0" encoding="{declared}"?', 1
    )
    assert len(load(text.encode()).lanes) == 1
