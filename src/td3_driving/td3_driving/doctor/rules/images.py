# SPDX-License-Identifier: Apache-2.0
"""A rule about what the camera showed while the run learned."""

from __future__ import annotations

from typing import ClassVar, Iterable

import numpy as np

from td3_driving.doctor.findings import PROVEN, Finding, Severity
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.watches import LIVENESS


class BlindImages(Rule):
    """Frames that show nothing, or always the same while the vehicle moves.

    Condition: at some point a tenth or more of the frames had one value alone (black), or at three points in a row or
    more all frames equalled the frame before while the vehicle drove at 1 km/h or more. Critical where that holds at
    half of the points or more.
    Meaning: What was learned from these steps does not come from the camera.
    Refuted by: images of the run that show the road
    Example: All frames of the steps 1,200 to 3,000 are black.
    """

    id = "blind-images"
    sections = ("environment",)
    status = LIVENESS
    confidences: ClassVar = {"camera_dead": PROVEN}
    needs = ("uniform_share",)
    UNIFORM, REPEATED, MOVING, ROW = 0.1, 0.999, 1.0, 3

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        steps, uniform, _ = self.history.get("uniform_share").columns()
        found = []
        black = [step for step, share in zip(steps, uniform) if share >= self.UNIFORM]
        if black:
            found.append(
                self._found(black, len(steps), f"{100 * max(uniform):.0f} % of the frames had one value alone")
            )
        still, pairs = self._still()
        if len(still) >= self.ROW:
            found.append(self._found(still, pairs, "the frames equalled the one before while the vehicle drove"))
        return found

    def _still(self) -> tuple[list[float], int]:
        """Steps of the points at which the image stood still and the vehicle did not, and how many points there are."""
        steps, shares, _ = self.history.get("repeated_share").columns()
        at, speeds, _ = self.history.get("speed").columns()
        if not len(steps) or not len(at):
            return [], 0
        driven = np.interp(np.asarray(steps, float), np.asarray(at, float), np.asarray(speeds, float))
        held = (np.asarray(shares) >= self.REPEATED) & (driven >= self.MOVING)
        # A point counts where it lies within a row of as many as are needed.
        rows = np.convolve(held, np.ones(self.ROW, int), "valid") == self.ROW if len(held) >= self.ROW else held[:0]
        within = np.convolve(rows, np.ones(self.ROW, int)) > 0 if len(rows) else held & False
        return [float(step) for step in np.asarray(steps)[within]], len(steps)

    def _found(self, steps: list[float], points: int, text: str) -> Finding:
        severity = Severity.CRITICAL if 2 * len(steps) >= points else Severity.INSUFFICIENT
        where = f"at {len(steps)} of {points} points, from step {steps[0]:,.0f} to {steps[-1]:,.0f}"
        return self.find(severity, float(steps[0]), f"{text}, {where}", ("camera_dead",), points=float(len(steps)))
