# SPDX-License-Identifier: Apache-2.0
"""Weights of the policy <-> the message that carries them; apart from the other conversions, for it needs torch."""

from __future__ import annotations

import array

from td3_driving_msgs.msg import PolicyWeights

from td3_driving.learning.weights import PolicySnapshot
from td3_driving.nodes.ros.conversions import time_message


def weights_message(snapshot: PolicySnapshot, stamp_ns: int) -> PolicyWeights:
    """``snapshot`` as a message, published at ``stamp_ns`` [ns]."""
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
    """What a message carries; its hash is not checked here."""
    data = bytes(message.data)
    return PolicySnapshot(message.version, message.inserted, message.config_hash, message.sha256, data)
