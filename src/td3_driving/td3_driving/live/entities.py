# SPDX-License-Identifier: Apache-2.0
"""What the live page is made of: the path of each entity and its meaning, and the colours of curves."""

from __future__ import annotations

from collections.abc import Sequence

CAMERA = "camera"
MAP = "map"
LANES, ROUTE, DRIVEN, PATH, TRAFFIC = "map/lanes", "map/route", "map/driven", "map/path", "map/traffic"
CAR, BODY = "map/car", "map/car/body"
REWARD_TOTAL, REWARD_TERMS = "reward/total", "reward/terms"
Q_VALUES = "q"
SPEED, LANE_ERROR, ACTION = "driving/speed", "driving/lane_error", "driving/action"
ALARMS, STATUS = "alarms", "status"

ENTITIES = {
    CAMERA: "camera image with route, predicted path, other vehicles, readings and action bars drawn in",
    LANES: "borders of all lanes, in the map frame [m]",
    ROUTE: "the route",
    DRIVEN: "where the vehicle came along since the route began",
    PATH: "where the vehicle goes in 2 s if this command holds",
    TRAFFIC: "boxes of the other vehicles",
    CAR: "pose of the vehicle in the map: the map is shown from above it",
    BODY: "box of the vehicle",
    REWARD_TOTAL: "reward of the newest step",
    REWARD_TERMS: "its weighted terms, one curve each",
    Q_VALUES: "estimates of Q at the learner's log points, one curve each",
    SPEED: "speed [km/h]",
    LANE_ERROR: "distance from the route, left positive [m]",
    ACTION: "steer (right positive) and drive (throttle positive, brake negative), in [-1, 1]",
    ALARMS: "what changed: alarms, the gate, collisions, ends of episodes",
    STATUS: "how things stand: run, vehicle, gate, alarms in force",
}
"""Path of each entity on the page: its meaning."""

Q_CURVES = {
    "train/q1_value": "Q1 on the replay",
    "train/q2_value": "Q2 on the replay",
    "debug/q1_for_actor_mean": "Q1 of the actor's actions",
    "debug/target_q_mean": "target",
}
"""Series of the learner that are drawn as estimates of Q, and the names of their curves."""

PALETTE = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (110, 110, 110),
    (117, 70, 160),
    (160, 120, 60),
    (20, 20, 20),
)
"""Colours of curves, told apart also by those who see red and green alike (Okabe and Ito, 2008): red, green, blue."""


FIRST_COLOUR = {REWARD_TOTAL: len(PALETTE) - 1, LANE_ERROR: 2}
"""Where an entity's colours begin in the palette, because it shares a panel with another."""


def colours(names: Sequence[str], first: int = 0) -> list[tuple[int, int, int]]:
    """One colour for each name, all different as far as the palette goes."""
    return [PALETTE[(first + index) % len(PALETTE)] for index in range(len(names))]
