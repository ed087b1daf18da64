# SPDX-License-Identifier: Apache-2.0
"""``td3-driving map``."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import pytest

from td3_driving import cli

from .road_files import document, lane, road

NARROW = '<width sOffset="0" a="1.0" b="0" c="0" d="0"/>'
DOUBTFUL = document(road(5, 200.0, right=(lane(-1), lane(-2, NARROW))))


@pytest.fixture
def doubtful(tmp_path: Path) -> Path:
    """A map with something to tell."""
    path = tmp_path / "doubtful.xodr"
    path.write_text(DOUBTFUL, encoding="utf-8")
    return path


def test_verdicts_and_picture(doubtful: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "map.png"
    assert cli.main(["map", str(doubtful), "--output", str(picture)]) == 0
    note, verdict = capsys.readouterr().out.splitlines()
    assert note.startswith("note: lane -2 of road 5 is down to 1.00 m wide")
    assert verdict.startswith("drives: 1 lane of 200 m in all, 1 leads nowhere; routes of ")
    image = cv2.imread(str(picture))
    assert image.shape[1] == 1400
    colours = {tuple(int(value) for value in colour) for colour in image.reshape(-1, 3)[::3]}
    assert (0x00, 0x9F, 0xE6) in colours, "the road with a note is yellow"
    assert {(0xB2, 0x72, 0x00), (0xA7, 0x79, 0xCC), (0x73, 0x9E, 0x00)} <= colours, "each route has its colour"


def test_page(doubtful: Path, tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    assert cli.main(["map", str(doubtful), "--output", str(page), "--routes", "2"]) == 0
    text = page.read_text(encoding="utf-8")
    drawing = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    titles = [title.text or "" for title in drawing.iter("title")]
    assert any(title.startswith("lane -1 of road 5, section 0: 200.0 m long") for title in titles)
    assert sum(title.startswith("route ") for title in titles) == 2
    assert any("leads nowhere" in title for title in titles)
    assert "http" not in text and "lane -2 of road 5" in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DOUBTFUL.replace('hdg="0.0"', 'hdg="nan"'), "of road 5 is not finite"),
        (document(road(5, 4.0)), "no route of 5 m"),
        ("<kml/>", "root element is <kml>"),
    ],
)
def test_refusals(text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map.xodr"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["map", str(path)]) == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("refused: map ") and reason in line


def test_a_picture_that_cannot_be_written(doubtful: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", str(doubtful), "--output", str(tmp_path / "nowhere" / "map.png")]) == 2
    assert "cannot be written: there is no folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(["map", str(doubtful), "--output", "map.pdf"])
    assert end.value.code == 2
    assert "ends in none of .png, .html, .htm" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["x", "0", "21", "-1", "1.5"])
def test_a_count_of_routes_that_cannot_be(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["map", "town", f"--routes={count}"])
    assert end.value.code == 2
    assert f"argument --routes: {count} is not in 1 .. 20" in capsys.readouterr().err


def test_a_folder_is_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", str(tmp_path)]) == 2
    assert capsys.readouterr().out == f"refused: map {str(tmp_path)!r} is a folder\n"


def test_own_maps_have_nothing_to_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", "town"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
