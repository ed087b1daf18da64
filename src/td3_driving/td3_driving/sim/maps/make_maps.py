# SPDX-License-Identifier: Apache-2.0
"""Writes the road networks of this folder: ``python -m td3_driving.sim.maps.make_maps``, with ``scenariogeneration``.

Every road has one lane each way except the ring of the roundabout and the movements inside junctions, which have one.
"""

from __future__ import annotations

import math
from pathlib import Path

from scenariogeneration import xodr

from td3_driving.sim.maps.network import LANE_WIDTH, ArmBuilder, NetworkBuilder


def straight() -> str:
    """One straight road of 800 m."""
    network = NetworkBuilder("straight")
    network.road((0.0, 0.0, 0.0), [xodr.Line(800.0)])
    return network.text()


def curves() -> str:
    """A closed loop of bends both ways.

    Both halves have the same shape and turn by 180 degrees in all, so the second leads back to where the first began.
    """
    network = NetworkBuilder("curves")
    first, end = network.road((0.0, 0.0, 0.0), _half_loop())
    second, _ = network.road(end, _half_loop())
    network.join(first, second)
    network.join(second, first)
    return network.text()


def _half_loop() -> list[object]:
    bends = [(45.0, 40.0), (-80.0, 32.0), (70.0, 45.0), (-55.0, 28.0), (95.0, 36.0), (-35.0, 60.0), (140.0, 30.0)]
    shapes: list[object] = []
    for (angle, radius), before in zip(bends, (60.0, 25.0, 15.0, 30.0, 20.0, 40.0, 35.0)):
        shapes += [xodr.Line(before), *_bend(math.radians(angle), radius)]
    return shapes


def _bend(angle: float, radius: float) -> list[object]:
    """A turn by ``angle`` [rad] whose curvature grows and fades linearly over a quarter of the angle each."""
    curvature = math.copysign(1.0 / radius, angle)
    easing = abs(angle) / 4.0 * 2.0 * radius
    return [
        xodr.Spiral(0.0, curvature, easing),
        xodr.Arc(curvature, length=abs(angle) / 2.0 * radius),
        xodr.Spiral(curvature, 0.0, easing),
    ]


def town() -> str:
    """Streets around two by two blocks: four bends, four T-junctions, one crossing."""
    network = NetworkBuilder("town")
    xs, ys, gap, bend = (0.0, 130.0, 240.0), (0.0, 110.0, 230.0), 14.0, 14.0
    ends: dict[tuple[int, int], list[ArmBuilder]] = {(i, j): [] for i in range(3) for j in range(3)}
    for j, y in enumerate(ys):
        for i in range(2):
            road, _ = network.road((xs[i] + gap, y, 0.0), [xodr.Line(xs[i + 1] - xs[i] - 2 * gap)])
            ends[i, j].append(ArmBuilder(road, at_end=False))
            ends[i + 1, j].append(ArmBuilder(road, at_end=True))
    for i, x in enumerate(xs):
        for j in range(2):
            road, _ = network.road((x, ys[j] + gap, math.pi / 2), [xodr.Line(ys[j + 1] - ys[j] - 2 * gap)])
            ends[i, j].append(ArmBuilder(road, at_end=False))
            ends[i, j + 1].append(ArmBuilder(road, at_end=True))
    for arms in ends.values():
        if len(arms) > 2:
            network.junction(arms)
        else:
            _corner(network, arms, bend)
    return network.text()


def _corner(network: NetworkBuilder, arms: list[ArmBuilder], radius: float) -> None:
    """Two streets that meet at a right angle, joined by an arc."""
    first, second = arms
    start, goal = first.outwards(), second.outwards()
    turn = math.remainder(goal[2] + math.pi - start[2], 2.0 * math.pi)
    road, _ = network.road(start, [xodr.Arc(math.copysign(1.0 / radius, turn), length=abs(turn) * radius)])
    network.connect(road, first, at_end=False)
    network.connect(road, second, at_end=True)


def roundabout() -> str:
    """A ring of radius 20 m, driven counter-clockwise, with four streets; each ends in a turning loop."""
    network = NetworkBuilder("roundabout")
    radius, half_gap = 20.0, 0.42
    rings, arms = [], []
    for quarter in range(4):
        angle = quarter * math.pi / 2 + half_gap
        # The reference line of a single right lane is its left edge; its centre must have the radius.
        inner = radius - LANE_WIDTH / 2
        pose = (inner * math.cos(angle), inner * math.sin(angle), angle + math.pi / 2)
        sweep = math.pi / 2 - 2 * half_gap
        rings.append(network.road(pose, [xodr.Arc(1.0 / inner, length=sweep * inner)], lanes=1)[0])
    for quarter in range(4):
        heading = quarter * math.pi / 2
        pose = (36.0 * math.cos(heading), 36.0 * math.sin(heading), heading)
        road, _ = network.road(pose, [xodr.Line(110.0), *_bend(0.6, 60.0), *_bend(-0.6, 60.0), xodr.Line(40.0)])
        network.junction([ArmBuilder(road, at_end=True)], u_turn=True)
        arms.append(ArmBuilder(road, at_end=False))
    for quarter in range(4):
        into, out = ArmBuilder(rings[quarter - 1], at_end=True), ArmBuilder(rings[quarter], at_end=False)
        network.junction([into, out, arms[quarter]])
    return network.text()


MAPS = {"straight": straight, "curves": curves, "town": town, "roundabout": roundabout}


def main() -> None:
    """Write every map beside this file."""
    for name, build in MAPS.items():
        (Path(__file__).parent / f"{name}.xodr").write_text(build(), encoding="utf-8")


if __name__ == "__main__":
    main()
