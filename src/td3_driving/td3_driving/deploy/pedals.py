# SPDX-License-Identifier: Apache-2.0
"""The map from pedal and speed to acceleration, its inverse, and its fit.

One axis holds both pedals: 1 is full throttle, -1 full brake. The map is bilinear between the points of its table, and
rises with the pedal at every speed, so it has an exact inverse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.bounded import SettingsError
from td3_driving.deploy.limits import PedalSettings, interpolate

LEAST_RISE = 1e-6
"""Least rise of the acceleration from one pedal of the table to the next [m/s^2]."""


class PedalMap:
    """Acceleration for pedal and speed, and the pedal for an acceleration.

    Args:
        settings: the table.

    Raises:
        SettingsError: sizes do not fit, or the acceleration does not rise with the pedal.
    """

    def __init__(self, settings: PedalSettings) -> None:
        settings.require_equal_lengths("speeds")
        settings.require_equal_lengths("pedals")
        self._speeds, self._pedals, width = settings.speeds, settings.pedals, len(settings.pedals)
        count = len(self._speeds) * width
        if len(settings.accelerations) != count:
            raise SettingsError(f"PedalSettings.accelerations: {len(settings.accelerations)} values for {count} points")
        if (self._pedals[0], self._pedals[-1]) != (-1.0, 1.0):
            raise SettingsError(f"PedalSettings.pedals: {list(settings.pedals)} does not go from -1 to 1")
        rows = [settings.accelerations[at : at + width] for at in range(0, count, width)]
        if any(after - before < LEAST_RISE for row in rows for before, after in zip(row, row[1:])):
            raise SettingsError("PedalSettings.accelerations: the acceleration does not rise with the pedal everywhere")
        self._columns = tuple(zip(*rows))

    def _row(self, speed: float) -> list[float]:
        """Acceleration of each pedal of the table at ``speed`` [m/s]."""
        return [interpolate(abs(speed), self._speeds, column) for column in self._columns]

    def acceleration(self, pedal: float, speed: float) -> float:
        """Acceleration [m/s^2] that ``pedal`` in [-1, 1] gives at ``speed`` [m/s]."""
        return interpolate(pedal, self._pedals, self._row(speed))

    def pedal(self, acceleration: float, speed: float) -> float:
        """The pedal in [-1, 1] for an acceleration [m/s^2]; one out of reach gets the nearer end."""
        return interpolate(acceleration, self._row(speed), self._pedals)


@dataclass(frozen=True, slots=True)
class PedalFit:
    """A fitted map and how well it fits: residuals over all samples [m/s^2]."""

    settings: PedalSettings
    rms: float
    worst: float


def fit(samples: NDArray[np.float64], speeds: tuple[float, ...], pedals: tuple[float, ...]) -> PedalFit:
    """Least squares over the corners of a bilinear table.

    Args:
        samples: (N, 3) speed [m/s], pedal in [-1, 1], acceleration [m/s^2]; speeds above the last of ``speeds`` and
            samples that are not finite are left out.

    Raises:
        ValueError: a point of the table has no sample near it, so nothing can be said about it.
    """
    kept = samples[np.isfinite(samples).all(axis=1) & (samples[:, 0] <= speeds[-1])]
    weights = _hats(kept[:, 0], np.array(speeds))[:, :, None] * _hats(kept[:, 1], np.array(pedals))[:, None, :]
    design = weights.reshape(len(kept), -1)
    bare = np.flatnonzero(design.sum(axis=0) < 0.5)
    if len(bare):
        speed, pedal = speeds[bare[0] // len(pedals)], pedals[bare[0] % len(pedals)]
        raise ValueError(
            f"no sample near speed {speed:g} m/s and pedal {pedal:g}: drive there, or take a coarser table"
        )
    found, *_ = np.linalg.lstsq(design, kept[:, 2], rcond=None)
    residuals = design @ found - kept[:, 2]
    settings = PedalSettings(speeds, pedals, tuple(round(float(value), 4) for value in found))
    return PedalFit(settings, float(np.sqrt(np.mean(residuals**2))), float(np.max(np.abs(residuals))))


def _hats(values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight (N, grid) of each grid point in the linear interpolation at each value; rows add up to 1."""
    return np.stack([np.interp(values, grid, unit) for unit in np.eye(len(grid))], axis=1)
