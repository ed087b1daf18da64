# SPDX-License-Identifier: Apache-2.0
"""Finds the law by which aq grows."""

from __future__ import annotations

from typing import Iterable

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.findings import Finding, Severity
from td3_driving.doctor.rule import ACTOR, Rule
from td3_driving.doctor.rules.quantities import SETTLED_UPDATES


class GrowthLaw(Rule):
    """The law by which aq grows.

    Condition: aq grows tenfold or more over at least 8 points. Against the number of updates, a slope above 3 with R²
    above 0.98 in the log-log plot is growth by a power. A better fit in the semi-logarithmic plot, with Q on the replay
    growing too, is exponential growth.
    Meaning: Growth by a power of the number of updates: features drift under a fixed head; no bootstrap amplification.
    Refuted by: a straight line in the semi-logarithmic plot instead
    Example: A slope of 4.9 with R² 0.999 goes with a wrong encoder. Clipping and a lower discount do not cure it.
    """

    id = "growth-law"
    sections = ("actor_loss",)
    about = ACTOR
    confirms = ("q-ratio",)
    needs = ("actor_loss",)
    LEAST_POINTS, SLOPE, FIT = 8, 3.0, 0.98

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Updates and aq at the points where both are positive, (n,) each.

        Without the first updates if enough are left.
        """
        name, sign = ("actor_q", 1.0) if self.history.has("actor_q") else ("actor_loss", -1.0)
        steps, values, _ = self.history.get(name).columns()
        values = sign * values
        updates = self.history.updates_along(steps)
        if updates is None:
            return np.zeros(0), np.zeros(0)
        keep = (updates > 0) & (values > 0)
        settled = keep & (updates >= SETTLED_UPDATES)
        keep = settled if settled.sum() >= self.LEAST_POINTS else keep
        return updates[keep], values[keep]

    def fits(self) -> tuple[float, float, float] | None:
        """``(log-log slope, its R², semi-log R²)``, or ``None`` with fewer than 8 points."""
        updates, values = self.curve()
        if len(values) < self.LEAST_POINTS or np.ptp(values) == 0 or np.ptp(updates) == 0:
            return None
        log_values = np.log(values)
        slope, power_fit = _line(np.log(updates), log_values)
        return slope, power_fit, _line(updates, log_values)[1]

    def missing(self) -> str:
        return super().missing() or ("" if self.fits() else f"fewer than {self.LEAST_POINTS} points of a positive aq")

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        fits = self.fits()
        if fits is None or self.curve()[1].max() < 10.0 * self.curve()[1].min():
            return []
        slope, power, exponential = fits
        text = f"log-log slope {slope:.2f} (R² {power:.4f}), semi-log R² {exponential:.4f}"
        numbers = {"slope": slope, "r2_power": power, "r2_exponential": exponential}
        if slope > self.SLOPE and power > self.FIT and power >= exponential:
            return [self.find(Severity.INFO, None, text, ("encoder_mismatch",), "", **numbers)]
        if exponential > self.FIT and exponential > power and self._critic_grew():
            meaning = "Exponential growth in the number of updates: bootstrap divergence."
            return [self.find(Severity.INFO, None, text, ("critic_divergence",), meaning, **numbers)]
        return []

    def _critic_grew(self) -> bool:
        """Bootstrap divergence shows in the replay's Q as well."""
        values = np.abs(self.history.get("q1").values())
        return len(values) >= self.LEAST_POINTS and values[-1] > 10.0 * max(values[0], 1.0)


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """``(slope, R²)`` of the least-squares line."""
    slope, offset = np.polyfit(x, y, 1)
    residual = float(np.sum((y - slope * x - offset) ** 2))
    return float(slope), 1.0 - residual / max(float(np.sum((y - y.mean()) ** 2)), 1e-300)
