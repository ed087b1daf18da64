# SPDX-License-Identifier: Apache-2.0
"""``td3-driving map``: says what the simulator makes of an OpenDRIVE file, and draws it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.command_line import CommandParser
from td3_driving.doctor.plain_text import counted
from td3_driving.driving.seeding import episode_generators
from td3_driving.processes.exit_codes import BAD_INPUT
from td3_driving.runs.disk import require_places
from td3_driving.runs.refusals import refuse
from td3_driving.sim.map_picture import KINDS, picture, save
from td3_driving.sim.road_map import RoadMap
from td3_driving.sim.roads import MapError, load_map
from td3_driving.sim.routes import RouteError, random_route

MOST_ROUTES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a map.

    Returns:
        0 where it can be driven on, with one line for each thing to know; 2 for a map that is refused, or a picture
        that cannot be written.
    """
    asked = _parser().parse_args(arguments)
    try:
        require_places(asked.output)
    except ValueError as error:
        return refuse(error)
    try:
        with _printed_not_logged():
            roads = load_map(asked.map)
        routes = _routes(roads, asked.routes)
    except (MapError, RouteError) as error:
        print(f"refused: {error}")
        return BAD_INPUT
    sentences = [f"note: {note}" for note in roads.notes] + [f"drives: {_summary(roads, routes)}"]
    print("\n".join(sentences))
    if asked.output is None:
        return 0
    try:
        save(picture(roads, routes), asked.output, f"Map {roads.name}", sentences)
    except OSError as error:
        return refuse(error)
    return 0


@contextmanager
def _printed_not_logged() -> Iterator[None]:
    """Keeps the loader from logging its notes, which this command prints."""
    log = logging.getLogger("td3_driving.sim.roads")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _parser() -> CommandParser:
    parser = CommandParser("td3-driving map", description=__doc__)
    parser.add_argument(
        "map", help="an OpenDRIVE file (also gzipped), or straight, curves, town, roundabout, drawn:SEED"
    )
    parser.add_argument("--output", type=_file, metavar="FILE", help="picture to write: X.png, or X.html to point at")
    parser.add_argument("--routes", type=_count, default=3, help=f"routes to draw, 1 .. {MOST_ROUTES} (%(default)s)")
    return parser


def _file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in KINDS:
        raise argparse.ArgumentTypeError(f"{text!r} ends in none of {', '.join(KINDS)}")
    return path


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ROUTES:
        raise argparse.ArgumentTypeError(f"{text} is not in 1 .. {MOST_ROUTES}")
    return int(text)


def _routes(roads: RoadMap, count: int) -> list[NDArray[np.float64]]:
    """The routes of the first episodes, as the simulator draws them."""
    return [random_route(roads, episode_generators(0, seed)[0]) for seed in range(count)]


def _summary(roads: RoadMap, routes: list[NDArray[np.float64]]) -> str:
    length = sum(lane.length for lane in roads.lanes)
    ends = sum(not lane.successors for lane in roads.lanes)
    driven = [float(np.hypot(*np.diff(route[:, :2], axis=0).T).sum()) for route in routes]
    span = " to ".join(dict.fromkeys(f"{length:.0f}" for length in (min(driven), max(driven)))) + " m"
    lanes, lost = counted(len(roads.lanes), "lane"), "leads" if ends == 1 else "lead"
    return f"{lanes} of {length:.0f} m in all, {ends} {lost} nowhere; routes of {span}"
