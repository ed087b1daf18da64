# SPDX-License-Identifier: Apache-2.0
"""Keeps what is known of a run: series by quantity, and the regimes that must not be pooled.

Samples come one by one, each with its time. The samples of one step become a :class:`Row`, which the rules get. Some
logs number their episodes 0, 1, 2 … and give no step. Their steps are found here: episode *i* ended at the sum of the
lengths of the episodes 0 … *i*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, NamedTuple

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.aliases import (
    EPISODE_QUANTITIES,
    OURS_ONLY,
    SHARES,
    TERMS,
    family,
)
from td3_driving.doctor.episode_clock import EpisodeClock
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.names import Names
from td3_driving.doctor.series import Series

MAIN, EPISODE, REWARD, EVALUATION = "main", "episode", "reward", "evaluation"
LOSSES = ("actor_loss", "critic_loss", "q1", "q2", "actor_q")
MOST_UNKNOWN = 256
MOST_EVALUATIONS = 4096
EMPTY = Series(4)


class Row(NamedTuple):
    """The finite samples of one channel at one environment step."""

    channel: str
    step: float
    values: dict[str, float]
    wall: float


class Episodes(NamedTuple):
    """Finished episodes in order; (n,) each. ``returns`` and ``lengths`` are NaN if the series is missing."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    lengths: NDArray[np.float64]
    returns: NDArray[np.float64]

    def where(self, mask: NDArray[np.bool_]) -> Episodes:
        """The episodes for which ``mask`` (n,) holds."""
        return Episodes(self.start[mask], self.end[mask], self.lengths[mask], self.returns[mask])


@dataclass
class _Pending:
    """A row that may still grow."""

    raw_step: int
    wall: float
    values: dict[str, float] = field(default_factory=dict)


class History:
    """Series, counters and regimes of one run.

    Args:
        expect: what was asked of the run.
        on_row: called with every finished row.
        names: what the tags of the run mean.
    """

    def __init__(self, expect: Expectations, on_row: Callable[[Row], None], names: Names | None = None) -> None:
        self.expect = expect
        self.names = names or Names()
        self.series: dict[str, Series] = {}
        self.tags: dict[str, str] = {}
        self.unknown: dict[str, Series] = {}
        self.evaluations: list[float] = []
        self.nonfinite: dict[str, float] = {}
        self.finite_since: dict[str, int] = {}
        self.step = 0.0
        self.now = 0.0
        self.samples = 0
        self.ours = False
        self.damage = ""
        self.who = ""
        self.faults: list[str] = []
        self.clock = EpisodeClock()
        self._on_row = on_row
        self._pending: dict[str, _Pending] = {}
        self._routes: dict[str, tuple[str | None, str]] = {}
        self._memory: dict[str, tuple[int, Any]] = {}

    def remembered(self, key: str, make: Callable[[], Any]) -> Any:
        """The result of ``make``; it is computed again only after further samples."""
        known = self._memory.get(key)
        if known is None or known[0] != self.samples:
            known = self._memory[key] = (self.samples, make())
        return known[1]

    def feed(self, tag: str, step: int, value: float, wall: float) -> None:
        """Take one sample; ``wall`` [s] is the time at which it was taken."""
        self.samples += 1
        self.now = max(self.now, wall)
        if not math.isfinite(value):
            self.nonfinite.setdefault(tag, float(step))
            self.finite_since[tag] = 0
        elif tag in self.nonfinite:
            self.finite_since[tag] += 1
        route = self._routes.get(tag)
        if route is None:
            route = self._routes[tag] = self._route(tag)
        name, channel = route
        if name is None:
            self._feed_unknown(tag, step, value, wall)
        elif self.tags[name] == tag:
            self._gather(name, channel, step, value, wall)

    def _route(self, tag: str) -> tuple[str | None, str]:
        """Quantity and channel of a tag that comes for the first time."""
        self.ours = self.ours or tag in OURS_ONLY
        name = self.names.quantity(tag)
        if name is None:
            return None, ""
        self.tags.setdefault(name, tag)
        return name, _channel(name)

    def _feed_unknown(self, tag: str, step: int, value: float, wall: float) -> None:
        if tag not in self.unknown and len(self.unknown) >= MOST_UNKNOWN:
            return
        self.unknown.setdefault(tag, Series(64)).add(step, value, wall)

    def _gather(self, name: str, channel: str, step: int, value: float, wall: float) -> None:
        row = self._pending.get(channel)
        if row is not None and (row.raw_step != step or name in row.values):
            self._close(channel)
            row = None
        if row is None:
            row = self._pending[channel] = _Pending(step, wall)
        row.values[name] = value

    def flush(self) -> None:
        """Close the rows that are still open."""
        for channel in list(self._pending):
            self._close(channel)

    def _close(self, channel: str) -> None:
        pending = self._pending.pop(channel)
        step = self._date(channel, pending)
        for name, value in pending.values.items():
            self._series(name).add(step, value, pending.wall)
        finite = {name: value for name, value in pending.values.items() if math.isfinite(value)}
        if channel == EVALUATION and len(self.evaluations) < MOST_EVALUATIONS and step not in self.evaluations:
            self.evaluations.append(step)
        self._on_row(Row(channel, step, finite, pending.wall))

    def _date(self, channel: str, pending: _Pending) -> float:
        if channel == EPISODE:
            step = self.clock.end_of(pending.raw_step, pending.values.get("episode_length"), self.step)
            length = pending.values.get("episode_length", 0.0)
            self._series("episode_start").add(step, step - length, pending.wall)
        elif channel == REWARD and self.clock.is_number(pending.raw_step, self.step):
            return self.step
        else:
            step = float(pending.raw_step)
        if channel in (MAIN, EPISODE):
            self.step = max(self.step, step)
        return step

    def _series(self, name: str) -> Series:
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = Series()
        return series

    def get(self, name: str) -> Series:
        """The series of a quantity; an empty one if it was never written."""
        return self.series.get(name, EMPTY)

    def expanded(self, names: Iterable[str]) -> list[str]:
        """``names``, with every family replaced by the quantities of it that the run has."""
        found: list[str] = []
        for name in names:
            members = [known for known in self.tags if family(known) == name] if name in (TERMS, SHARES) else []
            found += members or [name]
        return found

    def has(self, name: str) -> bool:
        """Whether at least one finite point of ``name`` is known."""
        return self.get(name).count > 0

    def last(self, name: str) -> float | None:
        """The latest finite value of ``name``."""
        point = self.get(name).last
        return None if point is None else point.value

    def near(self, name: str, step: float) -> float | None:
        """The latest value of ``name`` unless it is older than two of its own intervals."""
        series = self.get(name)
        if series.last is None or series.first is None:
            return None
        interval = (series.last.step - series.first.step) / max(1, series.count - 1)
        return series.last.value if abs(step - series.last.step) <= 2.0 * max(1.0, interval) else None

    @property
    def first_loss(self) -> float | None:
        """Step of the first loss or Q value."""
        firsts = [point.step for name in LOSSES if (point := self.get(name).first) is not None]
        return min(firsts, default=None)

    @property
    def learning_start(self) -> float | None:
        """Environment step at which updates began: by the update counter where there is one, else by the first loss."""
        steps, counts, _ = self.get("updates").columns()
        steps, counts = steps[counts > 0], counts[counts > 0]
        if len(steps) == 0:
            return self.first_loss
        if len(steps) > 1 and counts[1] > counts[0]:
            per_update = (steps[1] - steps[0]) / (counts[1] - counts[0])
            return float(max(0.0, steps[0] - counts[0] * max(per_update, 0.0)))
        return float(steps[0])

    def updates_at(self, step: float) -> float | None:
        """Updates done at ``step``, ``None`` if learning never started; see :meth:`updates_along`."""
        updates = self.updates_along(np.array([step]))
        return None if updates is None else float(updates[0])

    def updates_along(self, at: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Updates done at the steps ``at`` (n,): as counted, else one per step (or as asked) since the first loss."""
        steps, counts, _ = self.get("updates").columns()
        if len(steps):
            order = np.argsort(steps, kind="stable")
            return np.interp(at, steps[order], counts[order])
        start = self.first_loss
        if start is None:
            return None
        return np.maximum(0.0, at - start) * (self.expect.updates_per_step or 1.0)

    def updates_now(self, row: Row) -> float:
        """Updates done at ``row``; faster than :meth:`updates_at`."""
        if "updates" in row.values:
            return row.values["updates"]
        counted = self.last("updates")
        if counted is not None:
            return counted
        start = self.first_loss
        return 0.0 if start is None else max(0.0, row.step - start) * (self.expect.updates_per_step or 1.0)

    def episodes(self) -> Episodes:
        """All stored episodes."""
        start_series = self.get("episode_start")
        end, start, _ = start_series.columns()
        columns = []
        for name in ("episode_length", "episode_return"):
            series = self.get(name)
            matches = series.count == start_series.count and series.nonfinite == 0 and len(series.values()) == len(end)
            columns.append(series.values() if matches else _looked_up(series, end))
        return Episodes(start, end, columns[0], columns[1])

    def phases(self) -> list[tuple[str, float, float]]:
        """``(name, from, to)`` of the regimes: before learning, then between evaluations (the first six)."""
        start = self.learning_start
        if start is None:
            bounds, names = [0.0], ["before learning"]
        else:
            bounds, names = ([0.0, start], ["before learning", "learning"]) if start > 0 else ([0.0], ["learning"])
        marks = [mark for mark in sorted(self.evaluations) if mark > bounds[-1] and mark < self.step]
        for mark in marks[:6]:
            bounds.append(mark)
            names.append(f"after the evaluation at {mark:,.0f}")
        ends = [*bounds[1:], max(self.step, bounds[-1])]
        return list(zip(names, bounds, ends))


def _looked_up(series: Series, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    found = dict(zip(*series.columns()[:2]))
    return np.array([found.get(step, math.nan) for step in steps])


def _channel(name: str) -> str:
    if name in EPISODE_QUANTITIES:
        return EPISODE
    if family(name) in (TERMS, SHARES) or name in ("reward_total", "ledger_breaks"):
        return REWARD
    return EVALUATION if name.startswith("eval_") and name not in ("eval_loss", "eval_accuracy") else MAIN
