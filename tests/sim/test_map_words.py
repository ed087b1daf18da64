# SPDX-License-Identifier: Apache-2.0
"""Files that spell the words of OpenDRIVE in letters of another case, lie on hills, or name no place on the earth."""

from __future__ import annotations

import re

import numpy as np
import pytest

from td3_driving.sim.map_place import ORIGIN
from td3_driving.sim.roads import MapError

from .conftest import Load, told
from .road_files import crossing, document, lane, raised, road

BOTH = {"left": (lane(1),), "right": (lane(-1),)}


@pytest.mark.parametrize("rule", ["LHT", "lht", "Lht", " lht "])
def test_left_hand_traffic_in_any_case(load: Load, rule: str) -> None:
    roads = load(document(road(1, **BOTH, more=f'rule="{rule}"')))
    directions = {each.key[2]: float(np.cos(each.heading[0])) for each in roads.lanes}
    assert directions == {1: pytest.approx(1.0, abs=1e-6), -1: pytest.approx(-1.0, abs=1e-6)}


def test_the_words_of_a_crossing_in_any_case(load: Load) -> None:
    text = crossing(50)
    shouted = re.sub(r'"(start|end|road|junction|driving)"', lambda found: found[0].upper(), text)
    assert shouted != text
    plain, loud = load(text), load(shouted)
    assert [each.successors for each in loud.lanes] == [each.successors for each in plain.lanes]
    assert len(loud.lanes) == 3


@pytest.mark.parametrize(
    "shape",
    ['<arc curvature="1e6"/>', '<arc curvature="-3"/>', '<spiral curvStart="0" curvEnd="1e6"/>'],
)
def test_a_bend_that_no_car_follows_is_refused(load: Load, shape: str) -> None:
    with pytest.raises(MapError, match=r"road 8 has a bend of curvature .* which no car follows"):
        load(document(road(8, 50.0, shape=shape)))


def test_a_short_corner_and_a_tight_circle_are_driven(load: Load) -> None:
    assert load(document(road(8, 0.5, shape='<arc curvature="2"/>'), road(9, start=(100.0, 0.0, 0.0)))).lanes
    assert load(document(road(8, 100.0, shape='<arc curvature="0.2"/>', left=(lane(1),), right=()))).lanes


@pytest.mark.parametrize(
    ("before", "record"),
    [
        ("<laneSection", '<laneOffset s="60" a="0" b="0.01" c="0" d="0"/>'),
        ("<lanes>", '<elevationProfile><elevation s="60" a="0" b="0.01" c="0" d="0"/></elevationProfile>'),
        ("<lanes>", '<lateralProfile><superelevation s="60" a="0" b="0.001" c="0" d="0"/></lateralProfile>'),
    ],
)
def test_what_begins_later_is_nothing_before(load: Load, before: str, record: str) -> None:
    """libcarla ends the process on a first record that does not start at 0."""
    text = document(road(1, 100.0)).replace(before, record + before, 1)
    (each,) = load(text).lanes
    y, z = each.points[:, 1], each.z
    assert np.ptp(y[each.s < 59.0]) < 1e-3 and np.ptp(z[each.s < 59.0]) < 1e-3
    moved = max(abs(y[-1] - y[0]), abs(z[-1] - z[0]))
    assert moved == pytest.approx({"l": 0.4, "e": 0.4, "s": 0.0}[record[1] if "super" not in record else "s"], abs=0.15)


def test_hills_are_told_and_flat_roads_are_not(load: Load) -> None:
    hilly = load(document(raised(road(1, 100.0), 'a="0" b="0.05" c="0" d="0"')))
    assert "its roads lie up to 5.0 m above each other; the world is drawn and driven flat" in told(hilly)
    high = load(document(raised(road(1, 100.0), 'a="300" b="0" c="0" d="0"')))
    assert "flat" not in told(high)


@pytest.mark.parametrize(
    ("place", "note"),
    [
        ("", ""),
        ("<geoReference/>", ""),
        ("<geoReference>+proj=utm +zone=32</geoReference>", "its geoReference '+proj=utm +zone=32' does not tell"),
        ("<geoReference>+proj=tmerc +lat_0=49 +lon_0=8</geoReference>", ""),
    ],
)
def test_carlas_library_has_nothing_to_warn_of(
    load: Load, place: str, note: str, capfd: pytest.CaptureFixture[str]
) -> None:
    text = document(road(1))
    head = re.search("<header[^>]*/>", text)
    assert head is not None
    roads = load(text.replace(head[0], f"{head[0][:-2]}>{place}</header>"))
    assert "georeference" not in capfd.readouterr().err
    assert note in told(roads)
    assert (ORIGIN in roads.opendrive) == ("+lat_0=49" not in place)


def test_a_map_without_a_header_has_its_place_too(load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    roads = load(re.sub("<header[^>]*/>", "", document(road(1))))
    assert "georeference" not in capfd.readouterr().err and not roads.notes
