# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, in one place."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


BRIDGE = _profile(10)
"""Default of the CARLA bridge."""
BRIDGE_LATCHED = _profile(10, latched=True)
BRIDGE_LATCHED_ONE = _profile(1, latched=True)
NEWEST = _profile(1)
VEHICLE_COMMAND = _profile(1, latched=True)
"""For commands to vehicles, whose listeners may be volatile or latched; Autoware's own gate offers the same."""
TF = _profile(100)

REPLAY = _profile(1000, latched=True)
"""Latched, so that a learner that was started anew gets the last messages again."""
WEIGHTS = _profile(1, latched=True)
STATUS = _profile(10)
REWARD = _profile(50)
EPISODE = _profile(50)
EPISODE_START = _profile(50, latched=True)
"""Latched, so that a recording that begins late knows the route."""
DIAGNOSTICS = _profile(10)
RECORDER = _profile(1000)
"""Deep enough that a briefly delayed recorder misses nothing."""
RECORDER_LATCHED = _profile(1000, latched=True)
MARKERS = _profile(10)


def onlooker(depth: int) -> QoSProfile:
    """Return the best-effort profile of an observer that never blocks a publisher; it fits all topics above."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
