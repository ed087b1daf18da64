# SPDX-License-Identifier: Apache-2.0
"""A session on a server whose map is unusual: it goes on, or ends with a sentence and the right exit code."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")

from td3_driving.carla import stack
from td3_driving.carla.session import ending

from ..sim.road_files import WIDTH, document, lane, raised, road
from .fake_stack import Make

ABOVE = raised(road(2, 200.0, (100.0, -100.0, math.pi / 2.0)), 'a="6" b="0" c="0" d="0"')


def on_map(make: Make, tmp_path: Path, text: str, **settings: Any) -> Any:
    """A session on ``carla-server`` with the genuine client, whose map Town02 is ``text``."""
    path = tmp_path / "Town02.xodr"
    path.write_text(text, encoding="utf-8")
    one = make(genuine=True, shown=str(path), simulator__vehicles=0, **settings)
    one.start()
    return one


def on_scripted_map(make: Make, tmp_path: Path, text: str) -> Any:
    """The same on a scripted server, which also shows what ``carla-server`` refuses."""
    path = tmp_path / "Town02.xodr"
    path.write_text(text, encoding="utf-8")
    one = make(simulator__vehicles=0)
    one.fake.towns["Town02"] = str(path)
    one.start()
    return one


@pytest.mark.parametrize(("route", "height"), [("60 -1.75 180 -1.75", 0.0), ("101.75 -1.75 101.75 80", 6.0)])
def test_a_reset_takes_the_height_of_the_routes_own_lane(make: Make, tmp_path: Path, route: str, height: float) -> None:
    """Both routes pass the place where one road crosses the other; the second begins on it."""
    one = on_map(make, tmp_path, document(road(1, 200.0), ABOVE), simulator__route=route)
    one.until_ready()
    assert one.reset().success
    assert 0.0 < one.bridge.teleports[-1].z - height <= 0.2


def test_a_map_without_road_marks_is_driven(make: Make, tmp_path: Path) -> None:
    one = on_map(make, tmp_path, document(road(0, 300.0, right=(lane(-1, WIDTH),), left=(lane(1, WIDTH),), middle="")))
    one.until_ready()
    assert one.reset().success


def test_a_refused_map_is_bad_input(make: Make, tmp_path: Path) -> None:
    narrow = WIDTH.replace("3.5", "1.0")
    one = on_scripted_map(make, tmp_path, document(road(1, right=(lane(-1, narrow),))))
    assert "no lane that is 2 m wide" in one.failure()
    assert ending(one.session.failure)[0] == 2


def test_an_unexpected_error_ends_the_session_and_says_so(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr(stack, "load_map", broken)
    one = on_scripted_map(make, tmp_path, document(road(1)))
    assert "no such thing" in one.failure()
    assert ending(one.session.failure) == (1, "the CARLA session ended unexpectedly: AttributeError: no such thing")
