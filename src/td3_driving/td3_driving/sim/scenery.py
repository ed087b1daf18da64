# SPDX-License-Identifier: Apache-2.0
"""The ground of a road network: asphalt, markings, sidewalks, grass, sky. Plain arrays: nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.mesh import Quads, ribbon
from td3_driving.sim.roads import Lane, RoadMap

BROKEN_TYPES = (1, 6)
LINE_TYPES = (1, 2, 3, 4, 5, 6)
"""``carla.LaneMarkingType`` values that are painted."""
YELLOW_COLOUR = 4
"""``carla.LaneMarkingColor.Yellow``"""
LINE_WIDTH = 0.16
DASH, PERIOD = 3.0, 8.0
"""Length of a dash and distance between the starts of two dashes [m]."""
STOP_LINE = 0.4
BEND = 0.07
"""Heading change after which a lane gets a new quad [rad]."""
PATCH = 10.0
"""Longest quad of a road, so that its shade varies [m]."""


@dataclass(frozen=True, slots=True)
class GroundCover:
    """The flat surfaces in painting order."""

    verge: Quads
    asphalt: Quads
    paint: Quads


def ground(roads: RoadMap, rng: np.random.Generator) -> GroundCover:
    """Sidewalks and patches of grass; lanes and junctions; markings and stop lines."""
    made = GroundCover(Quads(), Quads(), Quads())
    _meadow(made.verge, roads, rng)
    for strip in roads.strips:
        _sidewalk(made, strip.kind, strip.left, strip.right, rng)
    for members in _junctions(roads).values():
        _fill(made.asphalt, members)
    painted_by_right = {lane.key[:2] for lane in roads.lanes if lane.key[2] == -1}
    for lane in roads.lanes:
        _surface(made.asphalt, lane, rng)
        if lane.junction < 0:
            _markings(made.paint, lane, painted_by_right)
            if any(roads.lanes[after].junction >= 0 for after in lane.successors):
                _stop_line(made.paint, lane)
    return made


def _knots(heading: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Samples at which a new quad starts: where the road bends, and at least every 10 m."""
    chosen = [0]
    for index in range(1, len(s) - 1):
        last = chosen[-1]
        if abs(heading[index + 1] - heading[last]) > BEND or s[index + 1] - s[last] > PATCH:
            chosen.append(index)
    return np.array([*chosen, len(s) - 1])


def _surface(asphalt: Quads, lane: Lane, rng: np.random.Generator) -> None:
    left, right = lane.edges()
    knots = _knots(lane.heading, lane.s)
    quads = ribbon(left[knots], right[knots])
    # Repaired asphalt: without a change of shade a straight road shows no motion.
    tone = 1.0 + 0.05 * rng.standard_normal((len(quads), 1)).clip(-2.0, 2.0)
    asphalt.add(quads, "asphalt", tone)


def _junctions(roads: RoadMap) -> dict[int, list[Lane]]:
    members: dict[int, list[Lane]] = {}
    for lane in roads.lanes:
        if lane.junction >= 0:
            members.setdefault(lane.junction, []).append(lane)
    return members


def _fill(asphalt: Quads, members: list[Lane]) -> None:
    """The convex hull of a junction's lanes, when several meet; one lane alone is not a square."""
    if len(members) < 2:
        return
    borders = np.concatenate([border for lane in members for border in lane.edges()])
    hull = borders[cv2.convexHull(borders.astype(np.float32), returnPoints=False).ravel()]
    if len(hull) % 2:
        hull = np.concatenate((hull, hull[-1:]))
    steps = range(1, len(hull) - 1, 2)
    fan = np.array([[hull[0], hull[step], hull[step + 1], hull[(step + 2) % len(hull)]] for step in steps])
    quads = np.zeros((len(fan), 4, 3))
    quads[..., :2] = fan
    asphalt.add(quads, "asphalt")


def _sidewalk(
    made: GroundCover, kind: str, left: NDArray[np.float64], right: NDArray[np.float64], rng: np.random.Generator
) -> None:
    middle = (left + right) / 2.0
    along = np.diff(middle, axis=0)
    heading = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
    heading = np.concatenate((heading, heading[-1:]))
    s = np.concatenate(([0.0], np.cumsum(np.hypot(along[:, 0], along[:, 1]))))
    knots = _knots(heading, s)
    left, right = left[knots], right[knots]
    quads = ribbon(left, right)
    if kind == "shoulder":
        made.verge.add(quads, "gutter")
        return
    tone = 1.0 + 0.03 * rng.standard_normal((len(quads), 1)).clip(-2.0, 2.0)
    made.verge.add(quads, "paving", tone)
    across = (right - left) / np.maximum(np.linalg.norm(right - left, axis=1, keepdims=True), 1e-6)
    # CARLA counts left as seen in driving direction, so the left border is the one towards the road.
    made.verge.add(ribbon(left, left + 0.25 * across), "kerb")


def _markings(paint: Quads, lane: Lane, painted_by_right: set[tuple[int, int]]) -> None:
    """The right line of every lane; the left line only where no lane drawn before shares it."""
    left, right = lane.edges()
    own_left = lane.key[2] == -1 or (lane.key[2] == 1 and lane.key[:2] not in painted_by_right)
    sides = ((left, 0, 0.0), (right, 1, 0.2)) if own_left else ((right, 1, 0.2),)
    for border, side, inset in sides:
        kind = int(lane.marking[len(lane.s) // 2, side])
        if kind in LINE_TYPES:
            colour = "yellow" if lane.colour[len(lane.s) // 2, side] == YELLOW_COLOUR else "white"
            inward = (lane.points - border) / (lane.width[:, None] / 2.0)
            _line(paint, lane, border + inset * inward, kind in BROKEN_TYPES, colour)


def _line(paint: Quads, lane: Lane, border: NDArray[np.float64], broken: bool, colour: str) -> None:
    across = np.stack((-np.sin(lane.heading), np.cos(lane.heading)), axis=1) * LINE_WIDTH / 2.0
    if not broken:
        knots = _knots(lane.heading, lane.s)
        paint.add(ribbon((border + across)[knots], (border - across)[knots]), colour)
        return
    starts = np.arange(1.0, max(lane.length - DASH, 1.5), PERIOD)
    ends = starts + DASH
    x, y, dx, dy = (
        np.stack([np.interp(where, lane.s, column) for where in (starts, ends)], axis=1)
        for column in (border[:, 0], border[:, 1], across[:, 0], across[:, 1])
    )
    quads = np.zeros((len(starts), 4, 3))
    quads[:, :2, 0], quads[:, :2, 1] = x - dx, y - dy
    quads[:, 2:, 0], quads[:, 2:, 1] = (x + dx)[:, ::-1], (y + dy)[:, ::-1]
    paint.add(quads, colour)


def _stop_line(paint: Quads, lane: Lane) -> None:
    s = np.array([lane.length - 0.6 - STOP_LINE, lane.length - 0.6])
    if s[0] < 0.0:
        return
    left, right = lane.edges()
    borders = [np.stack([np.interp(s, lane.s, side[:, axis]) for axis in (0, 1)], axis=1) for side in (left, right)]
    paint.add(ribbon(borders[0] * 0.94 + borders[1] * 0.06, borders[0] * 0.06 + borders[1] * 0.94), "white")


def _meadow(verge: Quads, roads: RoadMap, rng: np.random.Generator) -> None:
    """Patches of lighter and darker grass along the roads: without them driving past grass shows no motion."""
    samples = np.arange(0, len(roads.sample_x), 6)
    centre = np.stack((roads.sample_x[samples], roads.sample_y[samples]), axis=1)
    centre = centre + rng.uniform(-45.0, 45.0, centre.shape)
    size, turn = rng.uniform(1.5, 7.0, (len(centre), 2)), rng.uniform(0.0, np.pi, len(centre))
    corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * size[:, None, :]
    quads = np.zeros((len(centre), 4, 3))
    quads[..., 0] = centre[:, :1] + corner[..., 0] * np.cos(turn)[:, None] - corner[..., 1] * np.sin(turn)[:, None]
    quads[..., 1] = centre[:, 1:] + corner[..., 0] * np.sin(turn)[:, None] + corner[..., 1] * np.cos(turn)[:, None]
    tone = rng.uniform(0.86, 1.12, (len(centre), 1))
    verge.add(quads, "grass", tone * (1.0, 1.0, 0.95))


def backdrop(rng: np.random.Generator) -> Quads:
    """Sky, hills and plain around the camera (which is at the origin, 2 m up): bright haze at the horizon."""
    angle = np.linspace(0.0, 2.0 * np.pi, 33)
    around = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    made = Quads()
    shades = ((0.0, "haze"), (0.12, "low_sky"), (0.35, "high_sky"), (1.0, "zenith"), (3.0, "zenith"))
    for (low, lower), (high, upper) in zip(shades, shades[1:]):
        made.add(_wall(around, np.full(33, low), np.full(33, high)), (lower, lower, upper, upper))
    height = 0.012 + 0.03 * rng.random(33)
    height[-1] = height[0]
    made.add(_wall(around, np.zeros(33), height), ("haze", "haze", "hills", "hills"))
    plain = ((0.0, "grass"), (25.0, "grass"), (90.0, "near_plain"), (260.0, "far_plain"), (2000.0, "haze"))
    for (near, nearer), (far, farther) in zip(plain, plain[1:]):
        quads = np.full((32, 4, 3), -2.0)
        quads[:, 0, :2], quads[:, 1, :2] = near * around[:-1], far * around[:-1]
        quads[:, 2, :2], quads[:, 3, :2] = far * around[1:], near * around[1:]
        made.add(quads, (nearer, farther, farther, nearer))
    return made


def _wall(around: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ring of quads (32, 4, 3) around the origin between two slopes, seen from inside; radius 100 m."""
    quads = np.zeros((32, 4, 3))
    for corner, (edge, level) in enumerate(((1, low), (0, low), (0, high), (1, high))):
        part = slice(edge, edge + 32)
        quads[:, corner, :2] = 100.0 * around[part]
        quads[:, corner, 2] = 100.0 * level[part]
    return quads
