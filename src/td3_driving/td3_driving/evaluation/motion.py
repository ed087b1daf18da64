# SPDX-License-Identifier: Apache-2.0
"""How a vehicle moved: lane keeping, comfort and smoothness, from series sampled once per frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SATURATED = 0.99
"""Absolute action from which on a dimension counts as saturated."""
PERIOD = 0.1
"""Time between two samples of the comfort measures [s]."""
WINDOW = 20
"""Samples of one comfort window: 2 s."""
FILTER = 7
"""Samples under the Savitzky-Golay polynomial, which is of order 2."""


@dataclass(frozen=True, slots=True)
class ComfortBand:
    """Open interval that a comfortable quantity stays in."""

    low: float
    high: float


COMFORT = {
    "longitudinal_acceleration": ComfortBand(-4.05, 2.40),
    "lateral_acceleration": ComfortBand(-4.89, 4.89),
    "jerk": ComfortBand(-8.37, 8.37),
    "longitudinal_jerk": ComfortBand(-4.13, 4.13),
    "yaw_rate": ComfortBand(-0.95, 0.95),
    "yaw_acceleration": ComfortBand(-1.93, 1.93),
}
"""Bounds [m/s^2], [m/s^3], [rad/s], [rad/s^2] of nuPlan (Karnchanachari et al., ICRA 2024) and Bench2Drive (Jia et al.,
NeurIPS 2024, ``efficiency_smoothness_benchmark.py``)."""


def rms(values: NDArray[np.float64]) -> float:
    """Root of the mean square; not a number for no values."""
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def percentile(values: NDArray[np.float64], percent: float) -> float:
    """Percentile of the absolute values, interpolated linearly between neighbours; not a number for no values."""
    return float(np.percentile(np.abs(values), percent)) if len(values) else float("nan")


def departures(lateral: NDArray[np.float64], half_width: NDArray[np.float64]) -> int:
    """How often the vehicle's origin left its lane: runs of frames with a lateral deviation beyond half the width."""
    outside = np.concatenate(([False], np.abs(lateral) > half_width))
    return int(np.sum(outside[1:] & ~outside[:-1]))


def steer_change(actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 1,) absolute change of the steering action (first column of (N, 2)) from step to step."""
    return np.abs(np.diff(actions[:, 0]))


def saturated_share(actions: NDArray[np.float64]) -> float:
    """Share of the action components (N, 2) whose absolute value is at least 0.99."""
    return float(np.mean(np.abs(actions) >= SATURATED)) if actions.size else float("nan")


def savitzky_golay(values: NDArray[np.float64], period: float, derivative: bool = False) -> NDArray[np.float64]:
    """``values`` or their first derivative under a running polynomial of order 2 over 7 samples.

    Savitzky and Golay 1964; the first and last three samples are read from the nearest full window's polynomial.

    Args:
        values: (N,), N at least 7, ``period`` [s] apart.

    Raises:
        ValueError: there are fewer than 7.
    """
    if len(values) < FILTER:
        raise ValueError(f"{len(values)} samples, {FILTER} is the least")
    reach = FILTER // 2
    fit = np.linalg.pinv(np.vander(np.arange(-reach, reach + 1), 3, increasing=True))
    constant, slope, bend = fit @ np.lib.stride_tricks.sliding_window_view(values, FILTER).T
    index = np.arange(len(values))
    middle = np.clip(index, reach, len(values) - reach - 1)
    offset, middle = index - middle, middle - reach
    if derivative:
        return np.asarray((slope[middle] + 2.0 * bend[middle] * offset) / period)
    return np.asarray(constant[middle] + slope[middle] * offset + bend[middle] * offset**2)


@dataclass(frozen=True, slots=True)
class Motion:
    """Smoothed series (N,) at 10 Hz: accelerations [m/s^2], jerks [m/s^3], yaw rate [rad/s], its change [rad/s^2]."""

    longitudinal_acceleration: NDArray[np.float64]
    lateral_acceleration: NDArray[np.float64]
    jerk: NDArray[np.float64]
    longitudinal_jerk: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]
    yaw_acceleration: NDArray[np.float64]


def motion(speed: NDArray[np.float64], yaw_rate: NDArray[np.float64], frame_time: float) -> Motion | None:
    """The motion of an episode; ``None`` when it is too short to be smoothed.

    The speed is differenced over 0.1 s (or over one frame where frames are longer); the lateral acceleration is that of
    steady cornering, speed times yaw rate.

    Args:
        speed, yaw_rate: (N,) once per frame [m/s], [rad/s].
        frame_time: time of a frame [s].
    """
    stride = max(1, round(PERIOD / frame_time))
    period = stride * frame_time
    speed, yaw_rate = speed[::stride], yaw_rate[::stride]
    if len(speed) <= FILTER:
        return None
    along, across = np.diff(speed) / period, (speed * yaw_rate)[1:]
    smooth = [savitzky_golay(values, period) for values in (along, across, np.hypot(along, across), yaw_rate[1:])]
    return Motion(
        longitudinal_acceleration=smooth[0],
        lateral_acceleration=smooth[1],
        jerk=savitzky_golay(smooth[2], period, derivative=True),
        longitudinal_jerk=savitzky_golay(smooth[0], period, derivative=True),
        yaw_rate=smooth[3],
        yaw_acceleration=savitzky_golay(yaw_rate[1:], period, derivative=True),
    )


def comfortable_windows(moved: Motion) -> NDArray[np.bool_]:
    """(W,) bool: which windows of 2 s keep every bound of :data:`COMFORT`; an incomplete last window is dropped.

    An episode shorter than one window is one window. Bench2Drive's script smooths each window on its own and bounds the
    smoothed yaw rate where nuPlan bounds its derivative; here the whole episode is smoothed, and nuPlan is followed.
    """
    kept = np.ones(len(moved.jerk), dtype=bool)
    for name, band in COMFORT.items():
        values = getattr(moved, name)
        kept &= (values > band.low) & (values < band.high)
    if len(kept) < WINDOW:
        return np.array([kept.all()])
    return np.asarray(kept[: len(kept) // WINDOW * WINDOW].reshape(-1, WINDOW).all(axis=1))
