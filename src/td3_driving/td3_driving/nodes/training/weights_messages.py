# SPDX-License-Identifier: Apache-2.0
"""Converts policy weights to their message and back; a module of its own because it needs torch."""

from __future__ import annotations

import array

from td3_driving_msgs.msg import PolicyWeights

from td3_driving.learning.weights import PolicySnapshot
from td3_driving.nodes.ros.conversions import time_message


def weights_message(snapshot: PolicySnapshot, stamp_ns: int) -> PolicyWeights:
    """Return ``snapshot`` as a message, published at ``stamp_ns`` [ns]."""
    message = PolicyWeights(
        version=snapshot.version,
        inserted=snapshot.inserted,
        config_hash=snapshot.config_hash,
        sha256=snapshot.sha256,
        data=array.array("B", snapshot.data),
    )
    message.header.stamp = time_message(stamp_ns)
    return message


def policy_snapshot(message: PolicyWeights) -> PolicySnapshot:
    """Return the weights in a message; does not check their hash."""
    data = bytes(message.data)
    return PolicySnapshot(message.version, message.inserted, message.config_hash, message.sha256, data)
