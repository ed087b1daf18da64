# SPDX-License-Identifier: Apache-2.0
"""The account of a policy's camera frames."""

from __future__ import annotations

from td3_driving.doctor.status import Status
from td3_driving.driving.synchroniser import FrameCounts
from td3_driving.driving.waiting import REPORT_AFTER, Waiting


def frame_status(counts: FrameCounts, faults: int, waiting: Waiting, now: float) -> Status:
    """The status ``policy: frame sync``.

    Args:
        counts: of the synchroniser.
        faults: episodes cut because of bad input.
        now: wall time [s].
    """
    values = {
        **counts.values(),
        "episodes cut by bad input (count)": str(faults),
        "waiting for": waiting.reason,
        "waiting since (s)": f"{waiting.age(now):.1f}",
    }
    name = "policy: frame sync"
    if waiting.age(now) > REPORT_AFTER:
        return Status(name, "WARN", f"waiting for {waiting.reason}", values)
    if not counts.matched:
        return Status(name, "STALE", "no frame yet", values)
    if faults or counts.lost or counts.jumps_back:
        return Status(name, "WARN", f"{faults} episode(s) cut by bad input, {counts.lost} frame(s) lost", values)
    return Status(name, "OK", "every frame complete", values)
