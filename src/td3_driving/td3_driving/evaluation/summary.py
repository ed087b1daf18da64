# SPDX-License-Identifier: Apache-2.0
"""The metrics of an evaluation: one number each over all its episodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.evaluation.conflict import THRESHOLDS
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.motion import (
    Motion,
    comfortable_windows,
    motion,
    percentile,
    rms,
    saturated_share,
    steer_change,
)

Results = Sequence[EpisodeResult]


@dataclass(frozen=True)
class Metric:
    """One column of the report.

    Attributes:
        key: in the JSON; label and unit for tables; digits behind the point there.
        better: +1 when more is better, -1 when less is, 0 when neither.
        of: computes it from the episodes; NaN where it is unknown.
    """

    key: str
    label: str
    unit: str
    digits: int
    better: int
    of: Callable[[Results], float]


def pooled(results: Results, name: str) -> NDArray[np.float64]:
    """A column of all episodes, one after the other; the first row of an episode is its start and does not count."""
    return np.concatenate([result.log.column(name)[1:] for result in results])


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan


def per_kilometre(results: Results, count: Callable[[EpisodeResult], int]) -> float:
    """Events per kilometre of completed route; as on the leaderboard at least 1 m counts as driven."""
    kilometres = max(sum(result.driven for result in results) / 1000.0, 0.001)
    return sum(count(result) for result in results) / kilometres


def _actions(results: Results) -> NDArray[np.float64]:
    return np.concatenate([result.log.action_array for result in results])


def _steer_change(results: Results) -> float:
    return _mean(np.concatenate([steer_change(result.log.action_array) for result in results]))


def _motions(results: Results) -> list[Motion]:
    moved = []
    for result in results:
        log = result.log
        frame_time = result.duration / max(len(log.rows) - 1, 1)
        moved.append(motion(log.column("speed"), log.column("yaw_rate"), frame_time) if frame_time > 0.0 else None)
    return [one for one in moved if one is not None]


def _of_motion(name: str) -> Callable[[Results], float]:
    def compute(results: Results) -> float:
        moved = _motions(results)
        return rms(np.concatenate([getattr(one, name) for one in moved])) if moved else math.nan

    return compute


def _comfort(results: Results) -> float:
    moved = _motions(results)
    return 100.0 * _mean(np.concatenate([comfortable_windows(one) for one in moved])) if moved else math.nan


def _lowest_ttc(results: Results) -> float:
    values = pooled(results, "ttc")
    return float(values[~np.isnan(values)].min(initial=math.inf)) if not np.isnan(values).all() else math.nan


def _share_below(threshold: float) -> Callable[[Results], float]:
    def compute(results: Results) -> float:
        values = pooled(results, "ttc")
        known = values[~np.isnan(values)]
        return 100.0 * float((known < threshold).mean()) if len(known) else math.nan

    return compute


def _efficiency(results: Results) -> float:
    ratios = [ratio for result in results for ratio in result.infractions.speed_ratios]
    return 100.0 * _mean(ratios) if not np.isnan(pooled(results, "traffic_speed")).all() else math.nan


def _latency(percent: float) -> Callable[[Results], float]:
    def compute(results: Results) -> float:
        return 1000.0 * percentile(np.concatenate([result.log.latencies for result in results]), percent)

    return compute


METRICS = (
    Metric("driving_score", "driving score", "%", 1, 1, lambda r: _mean([e.driving_score for e in r])),
    Metric("route_completion", "route completion", "%", 1, 1, lambda r: 100.0 * _mean([e.route_completion for e in r])),
    Metric("infraction_penalty", "infraction penalty", "", 3, 1, lambda r: _mean([e.penalty for e in r])),
    Metric("success_rate", "success", "%", 1, 1, lambda r: 100.0 * _mean([e.success for e in r])),
    Metric("collisions_per_km", "collisions", "1/km", 2, -1, lambda r: per_kilometre(r, lambda e: e.collisions)),
    Metric("departures_per_km", "lane departures", "1/km", 2, -1, lambda r: per_kilometre(r, lambda e: e.departures)),
    Metric("crossings_per_km", "markings crossed", "1/km", 2, -1, lambda r: per_kilometre(r, lambda e: e.crossings)),
    Metric("mean_speed", "mean speed", "m/s", 2, 0, lambda r: _mean(pooled(r, "speed"))),
    Metric("speed_of_traffic", "speed against traffic", "%", 0, 0, _efficiency),
    Metric("lateral_error_rms", "lateral error, RMS", "m", 3, -1, lambda r: rms(pooled(r, "lateral"))),
    Metric("lateral_error_p95", "lateral error, p95", "m", 3, -1, lambda r: percentile(pooled(r, "lateral"), 95.0)),
    Metric("heading_error_rms", "heading error, RMS", "rad", 4, -1, lambda r: rms(pooled(r, "heading_error"))),
    Metric("longitudinal_jerk_rms", "longitudinal jerk, RMS", "m/s³", 2, -1, _of_motion("longitudinal_jerk")),
    Metric("lateral_acceleration_rms", "lateral acc., RMS", "m/s²", 2, -1, _of_motion("lateral_acceleration")),
    Metric("comfort_share", "comfortable 2 s windows", "%", 1, 1, _comfort),
    Metric("least_time_to_collision", "least time to collision", "s", 1, 1, _lowest_ttc),
    *(
        Metric(f"time_to_collision_below_{limit:g}", f"steps with TTC < {limit:g} s", "%", 2, -1, _share_below(limit))
        for limit in THRESHOLDS
    ),
    Metric("steer_change", "steering change per step", "", 4, -1, _steer_change),
    Metric("saturated_share", "saturated actions", "%", 1, -1, lambda r: 100.0 * saturated_share(_actions(r))),
    Metric("return_mean", "return", "", 1, 1, lambda r: _mean([sum(e.log.rewards) for e in r])),
)
"""Metrics that do not depend on the machine."""
LATENCIES = (
    Metric("decision_latency_p50", "decision latency, p50", "ms", 2, -1, _latency(50.0)),
    Metric("decision_latency_p99", "decision latency, p99", "ms", 2, -1, _latency(99.0)),
)
"""Wall time from a view to an action: depends on the machine and varies from run to run."""


def summarise(results: Results, metrics: Sequence[Metric] = METRICS) -> dict[str, float]:
    """The metrics of ``results``, at least one episode.

    Raises:
        ValueError: there is none.
    """
    if not results:
        raise ValueError("an evaluation without episodes has no metrics")
    return {metric.key: metric.of(results) for metric in metrics}
