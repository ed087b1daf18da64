# SPDX-License-Identifier: Apache-2.0
"""Draws a road network: lanes, routes, and what is wrong where; as PNG or as a page for a browser."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.road_map import Lane, RoadMap

SIZE = 1400
"""Longer side of the picture [px]."""
MARGIN = 40
"""Around the network [px]."""
THINNEST = 2.0
"""Width at which a lane of a large network is still seen [px]."""
ASPHALT, JUNCTION, DOUBTFUL = "#6f747b", "#9aa0a8", "#E69F00"
ROUTES = ("#0072B2", "#CC79A7", "#009E73", "#56B4E9", "#F0E442")
DEAD_END = "#D55E00"
"""Those of routes, of roads with a note and of dead ends are Okabe and Ito's, which any colour vision tells apart."""
KINDS = {".png": "PNG", ".html": "HTML", ".htm": "HTML"}
Place = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From points in the map frame [m] to points in the picture [px]."""
LEGEND = (
    (ASPHALT, "lane"),
    (JUNCTION, "lane in a junction"),
    (DOUBTFUL, "road with a note"),
    (DEAD_END, "lane that leads nowhere"),
)


@dataclass(frozen=True)
class DrawnShape:
    """A polyline or a closed area: (n, 2) points [px], colour, width of the line [px] (0: filled), and what it is."""

    points: NDArray[np.float64]
    colour: str
    width: float
    meaning: str


@dataclass(frozen=True)
class Picture:
    """Shapes in painting order on a white ground.

    Attributes:
        size: width and height [px].
        routes: number of routes in it.
    """

    size: tuple[int, int]
    shapes: tuple[DrawnShape, ...]
    routes: int = 0

    @property
    def legend(self) -> Iterator[tuple[str, str]]:
        """Colours and what they mean; routes beyond the colours share theirs."""
        yield from LEGEND
        for number, colour in enumerate(ROUTES[: self.routes]):
            more = ", ".join(str(each + 1) for each in range(number, self.routes, len(ROUTES)))
            yield colour, f"route {more}"


def picture(roads: RoadMap, routes: list[NDArray[np.float64]]) -> Picture:
    """The lanes of ``roads``, ``routes`` (N, 2 or more) [m], the roads that have notes, and dead ends."""
    borders = np.concatenate([border for lane in roads.lanes for border in lane.edges()])
    low, high = borders.min(axis=0), borders.max(axis=0)
    scale = (SIZE - 2 * MARGIN) / max(float((high - low).max()), 1.0)

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(((points[:, 0] - low[0]) * scale, (high[1] - points[:, 1]) * scale), axis=1) + MARGIN

    noted = {road for note in roads.notes for road in note.roads}
    order = sorted(roads.lanes, key=lambda lane: (float(lane.z.max()), lane.junction >= 0))
    shapes = [_lane(lane, place, scale, noted) for lane in order]
    for index, route in enumerate(routes):
        shapes.append(
            DrawnShape(place(route), ROUTES[index % len(ROUTES)], 3.0, f"route {index + 1}: {_length(route):.0f} m")
        )
    ends = [lane for lane in roads.lanes if not lane.successors]
    shapes += [
        DrawnShape(_dot(place(lane.points[-1:])[0]), DEAD_END, 0.0, f"{_name(lane)} leads nowhere") for lane in ends
    ]
    width, height = ((high - low) * scale + 2 * MARGIN).astype(int).tolist()
    return Picture((width, height + 24), tuple(shapes), len(routes))


def _lane(lane: Lane, place: Place, scale: float, noted: set[int]) -> DrawnShape:
    colour = DOUBTFUL if lane.key[0] in noted else JUNCTION if lane.junction >= 0 else ASPHALT
    meaning = f"{_name(lane)}: {lane.length:.1f} m long, {lane.width.min():.2f} to {lane.width.max():.2f} m wide"
    if float(lane.width.mean()) * scale < THINNEST:
        return DrawnShape(place(lane.points), colour, THINNEST, meaning)
    left, right = lane.edges()
    return DrawnShape(place(np.concatenate((left, right[::-1]))), colour, 0.0, meaning)


def _name(lane: Lane) -> str:
    road, section, number = lane.key
    return f"lane {number} of road {road}, section {section}"


def _length(route: NDArray[np.float64]) -> float:
    return float(np.hypot(*np.diff(route[:, :2], axis=0).T).sum())


def _dot(middle: NDArray[np.float64], radius: float = 4.0) -> NDArray[np.float64]:
    angle = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    return np.asarray(middle + radius * np.stack((np.cos(angle), np.sin(angle)), axis=1))


def save(drawn: Picture, path: Path, title: str, sentences: list[str]) -> None:
    """Write a picture; the ending of ``path`` is one of :data:`KINDS`.

    Args:
        sentences: below the picture of a page.

    Raises:
        OSError: the file cannot be written.
    """
    if KINDS[path.suffix.lower()] == "PNG":
        good, data = cv2.imencode(".png", _pixels(drawn))
        if not good:
            raise OSError(f"no PNG of {drawn.size} pixels can be made")
        path.write_bytes(data.tobytes())
    else:
        path.write_text(_page(drawn, title, sentences), encoding="utf-8")


def _pixels(drawn: Picture) -> NDArray[np.uint8]:
    width, height = drawn.size
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    for shape in drawn.shapes:
        points = np.round(shape.points * 16.0).astype(np.int32)
        if shape.width:
            cv2.polylines(canvas, [points], False, _blue_first(shape.colour), round(shape.width), cv2.LINE_AA, 4)
        else:
            cv2.fillPoly(canvas, [points], _blue_first(shape.colour), cv2.LINE_AA, 4)
            cv2.polylines(canvas, [points], True, (255, 255, 255), 1, cv2.LINE_AA, 4)
    x = 8
    for colour, meaning in drawn.legend:
        cv2.rectangle(canvas, (x, height - 17), (x + 12, height - 7), _blue_first(colour), cv2.FILLED)
        cv2.putText(canvas, meaning, (x + 17, height - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
        x += 30 + 8 * len(meaning)
    return canvas


def _blue_first(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[first : first + 2], 16) for first in (1, 3, 5))
    return blue, green, red


def _page(drawn: Picture, title: str, sentences: list[str]) -> str:
    """A page that loads nothing; what lies under the pointer is named."""
    width, height = drawn.size
    patches = (f'<b style="color:{colour}">&#9632;</b> {html.escape(meaning)}' for colour, meaning in drawn.legend)
    legend = " ".join(patches)
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<style>body{font:15px sans-serif;margin:1em}svg{max-width:100%;height:auto;border:1px solid #ccc}</style>"
        f'<h1>{html.escape(title)}</h1><ul>{items}</ul><p>{legend}</p><svg viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(map(_svg, drawn.shapes))}</svg></html>\n'
    )


def _svg(shape: DrawnShape) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    title = f"<title>{html.escape(shape.meaning)}</title>"
    if shape.width:
        style = f'fill="none" stroke="{shape.colour}" stroke-width="{shape.width:g}"'
        return f'<polyline points="{points}" {style}>{title}</polyline>'
    return f'<polygon points="{points}" fill="{shape.colour}" stroke="white" stroke-width="0.6">{title}</polygon>'
