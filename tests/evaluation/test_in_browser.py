# SPDX-License-Identifier: Apache-2.0
"""The page and the film of an evaluation, as a browser shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from td3_driving.cli import main
from td3_driving.view import shapes
from tools.headless import Browser, program

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium is installed to look with")
COURSE = ("--map", "curves", "--routes", "2", "--ending", "violation")
SETTINGS = {
    "episode.max_steps": 80,
    "simulator.vehicles": 3,
    "simulator.camera_width": 256,
    "simulator.camera_height": 144,
}
PLAY = """new Promise((done, fail) => {
  const film = document.querySelector("video");
  film.onerror = () => fail(film.error.message);
  film.onended = () => done([film.videoWidth, film.videoHeight, film.duration, film.currentTime]);
  if (film.error) fail(film.error.message);
  film.play().catch(fail);
})"""
SEEK = """new Promise((done, fail) => {{
  const film = document.querySelector("video");
  film.onseeked = () => requestAnimationFrame(() => requestAnimationFrame(() => done(film.currentTime)));
  film.currentTime = {};
}})"""
TRACES = """[...document.getElementById("figure-0-2")._fullData].map(
  trace => [trace.name, trace.line.dash, trace.line.color, Array.from(trace.x), Array.from(trace.y)])"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both kinds of film, and the page of two drivers."""
    made = tmp_path_factory.mktemp("evaluation")
    words = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    page = ("--html", str(made / "page.html"), "--film", str(made / "film.mp4"))
    assert main(["evaluate", "lane_keeper", "random", *COURSE, *words, *page]) == 0
    assert main(["evaluate", "lane_keeper", *COURSE, "--routes", "1", *words, "--film", str(made / "film.webm")]) == 0
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def answer(browser: Browser, script: str) -> Any:
    """What a script of the page gives."""
    given = browser.order("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in given, given
    return given["result"]["value"]


def opened(browser: Browser, page: Path) -> None:
    """Load a page, to its end."""
    browser.open(page.as_uri())
    answer(
        browser, 'new Promise(done => document.readyState === "complete" ? done(1) : addEventListener("load", done))'
    )
    assert answer(browser, "document.URL") == page.as_uri()


def seen(browser: Browser, width: int, height: int) -> np.ndarray:
    """The upper left corner of what the page shows, (height, width, 3) RGB."""
    coded = np.frombuffer(browser.picture(), dtype=np.uint8)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:height, :width, ::-1])


def count(picture: np.ndarray, colour: shapes.Colour) -> int:
    """How many pixels have about this colour."""
    return int((np.abs(picture.astype(int) - shapes.rgb(colour)).max(axis=2) <= 30).sum())


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
def test_a_browser_plays_a_film_to_its_end(browser: Browser, folder: Path, name: str) -> None:
    page = folder / f"{name}.html"
    page.write_text(f'<style>body {{ margin: 0 }}</style><video muted preload="auto" src="{name}"></video>')
    opened(browser, page)
    width, height, duration, end = answer(browser, PLAY)
    assert (width, height) == (3 * 256 + 432, 432), "the image in three times its size, and the map beside it"
    assert duration == pytest.approx(4.0, abs=0.11), "80 frames of 0.05 s"
    assert end == pytest.approx(duration, abs=0.01)
    pictures = []
    for moment in (0.5, 3.5):
        assert answer(browser, SEEK.format(moment)) == pytest.approx(moment, abs=0.01)
        pictures.append(seen(browser, width, height))
    camera, above = np.split(pictures[1], [width - height], axis=1)
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() > 5.0, "the car has moved"
    for colour in (shapes.ROUTE, shapes.PATH):
        assert count(camera, colour) > 50 and count(above, colour) > 50, "the same colours in both"
        assert count(camera[: height // 2 - 10], colour) == 0, "both lie on the road, so below the horizon"


def test_the_page_shows_each_driver_over_the_lanes_in_a_colour_and_a_line_of_its_own(
    browser: Browser, folder: Path
) -> None:
    opened(browser, folder / "page.html")
    traces = answer(browser, TRACES)
    lanes, *drives = traces
    assert lanes[0] == "lanes" and [drive[0] for drive in drives] == ["lane_keeper"] * 2 + ["random"] * 2
    assert len({tuple(trace[1:3]) for trace in drives}) == len({trace[1] for trace in drives}) == 2
    borders = np.array(lanes[3:], dtype=float).T
    driven = np.concatenate([np.array(drive[3:]).T for drive in drives[:2]])
    apart = np.hypot(*(driven[:, None, :] - borders[None, :, :]).transpose(2, 0, 1))
    assert np.nanmin(apart, axis=1).max() < 3.0, "a lane keeper is never far from a border of its lane"
    gaps = np.hypot(*np.diff(borders, axis=0).T)
    assert np.nanmax(gaps) < 6.0, "no line leads from one border to another"
