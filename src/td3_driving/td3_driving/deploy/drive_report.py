# SPDX-License-Identifier: Apache-2.0
"""The drive node's diagnostics: its bundle, its answer times, its refusals."""

from __future__ import annotations

from collections import deque

import numpy as np

from td3_driving.deploy.contract import Contract
from td3_driving.deploy.driver import Decision, DeployedDriver
from td3_driving.doctor.status import Status
from td3_driving.driving.synchroniser import FrameCounts
from td3_driving.processes.domain import LARGE_IMAGE

KEPT = 200
"""Decisions that the figures are taken over: ten seconds at 20 Hz."""
SLOW = 0.5
"""Share of the time between two frames that an answer may take before it is a warning."""
RATE_TOLERANCE = 0.2
"""Relative difference between the rate of the frames and that in training before it is a warning."""


class DriveReport:
    """Collects decisions and refusals, and reports them.

    Attributes:
        decisions: made so far.
        refused: frames that gave none.
        reason: why the last frame gave none; empty after one that did.
    """

    def __init__(self, threads: int, shadow: bool) -> None:
        self._threads, self._shadow = threads, shadow
        self._answers: deque[float] = deque(maxlen=KEPT)
        self._stamps: deque[int] = deque(maxlen=KEPT)
        self.decisions = self.refused = 0
        self.reason = ""
        self.last_at: float | None = None

    def note(self, decision: Decision, now: float) -> None:
        """A frame was answered at ``now`` [s]."""
        self.decisions += 1
        self.reason = ""
        self.last_at = now
        self._answers.append(decision.observation_s + decision.inference_s)
        self._stamps.append(decision.time_step.vehicle.stamp_ns)

    def refuse(self, reason: str) -> None:
        """A frame was not answered."""
        self.refused += 1
        self.reason = reason

    def statuses(self, driver: DeployedDriver, counts: FrameCounts, active: bool, now: float) -> list[Status]:
        """``policy: bundle``, ``policy: inference`` and ``policy: frame sync``.

        Args:
            now: wall time [s], as given to :meth:`note`.
        """
        return [
            self._bundle(driver),
            self._inference(driver, active, now),
            frame_account(counts, driver.restarts, active, self._why_lost(driver.contract)),
        ]

    def _why_lost(self, contract: Contract) -> str:
        """What lets frames get lost, as far as it can be told from here."""
        width, height, _ = contract.camera
        slowest = max(self._answers, default=0.0)
        if slowest > contract.frame_time:
            every = 1e3 * contract.frame_time
            return f"an answer took {slowest * 1e3:.0f} ms, and frames come every {every:.0f} ms"
        if (size := 4 * width * height) > LARGE_IMAGE:
            return (
                f"images of {size / 1e6:.1f} MB are too large for the shared memory that Fast DDS takes by default; the"
                " camera's driver needs FASTDDS_DEFAULT_PROFILES_FILE, see Large images in docs/deployment.md"
            )
        return "the sender left them out, or the machine is too busy to hand them on"

    def _bundle(self, driver: DeployedDriver) -> Status:
        bundle = driver.loaded.bundle
        doctor = bundle.provenance.get("doctor")
        verdict = str(doctor.get("verdict")) if isinstance(doctor, dict) else "not judged"
        values = {
            "bundle": bundle.digest,
            "signature": bundle.signed,
            "configuration": str(bundle.provenance.get("config_hash", "")),
            "updates (count)": str(bundle.provenance.get("updates", "")),
            "run doctor": verdict,
            "swaps (count)": str(driver.swaps),
            "rolled back (count)": str(driver.rollbacks),
        }
        if driver.rollbacks:
            return Status("policy: bundle", "WARN", "a swapped bundle failed; the one before drives", values)
        level = "WARN" if verdict == "NO-GO" else "OK"
        return Status("policy: bundle", level, f"{bundle.short}, run doctor: {verdict}", values)

    def _inference(self, driver: DeployedDriver, active: bool, now: float) -> Status:
        values = {
            "decisions (count)": str(self.decisions),
            "refused (frames)": str(self.refused),
            "shadow": str(self._shadow).lower(),
            "threads": str(self._threads),
            "rate in training (Hz)": f"{1.0 / driver.contract.frame_time:.1f}",
            "rate (Hz)": f"{self._rate():.1f}",
        }
        if self._answers:
            for percentile in (50, 99):
                values[f"answer p{percentile} (ms)"] = f"{np.percentile(self._answers, percentile) * 1e3:.2f}"
        name = "policy: inference"
        if not active:
            return Status(name, "OK", "inactive", values)
        if self.reason:
            return Status(name, "ERROR", self.reason, values)
        if self.last_at is None or now - self.last_at > 1.0:
            return Status(name, "STALE", "no complete frame" + ("" if driver.has_route else ", no route"), values)
        return Status(name, *self._judgement(driver.contract.frame_time), values)

    def _judgement(self, frame_time: float) -> tuple[str, str]:
        slowest = float(np.percentile(self._answers, 99))
        if slowest > SLOW * frame_time:
            return "WARN", f"1 of 100 answers takes more than {slowest * 1e3:.0f} ms"
        if len(self._stamps) == KEPT and abs(self._rate() * frame_time - 1.0) > RATE_TOLERANCE:
            return "WARN", f"frames come at {self._rate():.1f} Hz, in training at {1.0 / frame_time:.1f} Hz"
        return "OK", "shadow: commands nothing" if self._shadow else "driving"

    def _rate(self) -> float:
        """Frames per second by their stamps."""
        if len(self._stamps) < 2 or self._stamps[-1] <= self._stamps[0]:
            return 0.0
        return (len(self._stamps) - 1) / ((self._stamps[-1] - self._stamps[0]) * 1e-9)


def frame_account(counts: FrameCounts, restarts: int, active: bool, why_lost: str = "") -> Status:
    """The status ``policy: frame sync`` of a vehicle: what became of images and odometry.

    Args:
        why_lost: added where frames are lost.
    """
    values = {**counts.values(), "memory dropped (times)": str(restarts)}
    name = "policy: frame sync"
    if active and not counts.matched:
        return Status(name, "STALE", "no image has come with odometry of the same stamp", values)
    if counts.lost or counts.jumps_back:
        text = f"{counts.lost} frame(s) lost, the clock went back {counts.jumps_back} time(s)"
        text += f"; {why_lost}" if counts.lost and why_lost else ""
        return Status(name, "WARN", text, values)
    return Status(name, "OK", "every frame complete", values)
