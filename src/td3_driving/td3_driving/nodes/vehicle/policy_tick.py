# SPDX-License-Identifier: Apache-2.0
"""Converts a decision of the drive node to its message."""

from __future__ import annotations

import math

from td3_driving_msgs.msg import PolicyTick

from td3_driving.deploy.driver import Decision
from td3_driving.nodes.ros.conversions import time_message


def tick_message(decision: Decision, bundle: str, now_ns: int) -> PolicyTick:
    """Return the message without the fields of the driver in charge.

    Args:
        bundle: short name of the bundle that decided.
        now_ns: the node's clock [ns].
    """
    stamp_ns = decision.time_step.vehicle.stamp_ns
    steer, drive = (float(value) for value in decision.action)
    return PolicyTick(
        sensor_stamp=time_message(stamp_ns),
        observation_ms=decision.observation_s * 1e3,
        inference_ms=decision.inference_s * 1e3,
        age_ms=(now_ns - stamp_ns) * 1e-6,
        steer=steer,
        drive=drive,
        observation_sha256=decision.fingerprint,
        bundle=bundle,
        steer_deviation=math.nan,
        drive_deviation=math.nan,
    )
