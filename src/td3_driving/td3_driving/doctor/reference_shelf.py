# SPDX-License-Identifier: Apache-2.0
"""What healthy runs look like, as bands of quantiles, and where a run lies in them.

A profile is a quantity of a run at the shares 5 %, 10 % … 100 % of its steps, in a form that runs of different tasks
have in common:

- ``learning_curve``: returns, 0 at the level of the first tenth and 1 at the best level;
- ``q_ratio``: Q as the actor sees it over Q on the replay, 1 with right wiring;
- ``q_over_bound``: the size of Q over the greatest return that the rewards seen allow;
- ``grad_actor``, ``grad_critic``: gradient norm before clipping, in decades above its level at the start of learning.

The bands in ``shelf/bands.csv`` hold the 10, 50 and 90 % quantiles over healthy runs. They come from
``tests/benchmarks/doctor_corpus``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.history import History
from td3_driving.doctor.rules.quantities import any_q, return_bound

SHARES = np.round(np.arange(1, 21) * 0.05, 2)
LARGEST = 1e150
"""Values farther from 0 are taken as this: sums of theirs overflow."""
WINDOW = 0.1
FEWEST = 8
FILE = "bands.csv"
TITLES = {
    "learning_curve": "Learning curve, share of the best level",
    "q_ratio": "Q as the actor sees it over Q on the replay",
    "q_over_bound": "Size of Q over the greatest return possible",
    "grad_actor": "Gradient norm of the actor, decades above its start",
    "grad_critic": "Gradient norm of the critic, decades above its start",
}


@dataclass(frozen=True)
class Band:
    """Quantiles of one quantity over healthy runs.

    Attributes:
        quantity: a key of :data:`TITLES`.
        low, middle, high: (20,) the 10, 50 and 90 % quantiles at :data:`SHARES`.
        runs: how many runs they come from.
    """

    quantity: str
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]
    runs: int

    @property
    def title(self) -> str:
        """What the band shows, for people."""
        return TITLES[self.quantity]


@dataclass(frozen=True)
class Placement:
    """A run beside a band; ``values`` (20,) at :data:`SHARES`, NaN where nothing is known."""

    band: Band
    values: NDArray[np.float64]

    @property
    def inside(self) -> float:
        """Share of the known points that lie within the band."""
        known = np.isfinite(self.values)
        within = (self.values >= self.band.low) & (self.values <= self.band.high)
        return float(within[known].mean())

    @property
    def sentence(self) -> str:
        """Where the run lies, in words."""
        known = np.isfinite(self.values)
        count, of = round(self.inside * known.sum()), int(known.sum())
        text = f"{self.band.title}: {count} of {of} points within the band of {self.band.runs} healthy runs"
        above, below = self.values > self.band.high, self.values < self.band.low
        ends = [word for word, out in (("above", above), ("below", below)) if out[known][-1]]
        return f"{text}; the end lies {ends[0]} it" if ends else text


@cache
def bands() -> dict[str, Band]:
    """The bands that are shipped, by quantity."""
    text = resources.files("td3_driving.doctor").joinpath("shelf").joinpath(FILE).read_text(encoding="utf-8")
    columns: dict[str, list[list[float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        numbers = [float(row[name]) for name in ("low", "middle", "high", "runs")]
        columns.setdefault(row["quantity"], []).append(numbers)
    return {quantity: _band(quantity, np.array(rows)) for quantity, rows in columns.items()}


def _band(quantity: str, rows: NDArray[np.float64]) -> Band:
    return Band(quantity, rows[:, 0], rows[:, 1], rows[:, 2], int(rows[0, 3]))


def placed(history: History) -> list[Placement]:
    """The run beside every band whose quantity it has."""
    return [
        Placement(band, values)
        for quantity, band in bands().items()
        if (values := profile(history, quantity)) is not None and np.isfinite(values).any()
    ]


def profile(history: History, quantity: str) -> NDArray[np.float64] | None:
    """The run's values (20,) of a quantity at :data:`SHARES`; ``None`` if it has too few points of it."""
    ways: dict[str, Callable[[History], Points | None]] = {
        "learning_curve": _returns,
        "q_ratio": _ratio,
        "q_over_bound": _of_bound,
        "grad_actor": lambda of: _points(of, "grad_actor_pre", "grad_actor_mlp"),
        "grad_critic": lambda of: _points(of, "grad_critic_pre", "grad_critic_mlp"),
    }
    points = ways[quantity](history)
    if points is None or len(points[0]) < FEWEST or not history.step > 0:
        return None
    steps, values = points
    start, end = float(steps.min()), float(steps.max())
    if not end > start:
        return None
    sampled = _sampled((steps - start) / (end - start), values, quantity)
    return {"learning_curve": _as_curve, "grad_actor": _decades, "grad_critic": _decades}.get(quantity, _same)(sampled)


Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def _points(history: History, *names: str) -> Points | None:
    """Steps and values of the first series that has enough points."""
    for name in names:
        steps, values, _ = history.get(name).columns()
        if len(steps) >= FEWEST:
            return steps, values
    return None


def _returns(history: History) -> Points | None:
    return _points(history, "episode_return", "episode_return_mean", "eval_return")


def _ratio(history: History) -> Points | None:
    """aq over q, where q is at least a tenth of its largest size: near zero the ratio says nothing."""
    if history.has("entropy_coefficient"):
        return None
    replay, measured = _points(history, "q1", "q2"), _points(history, "actor_q", "actor_loss")
    if replay is None or measured is None:
        return None
    steps, q = replay
    order = np.argsort(measured[0], kind="stable")
    aq = np.interp(steps, measured[0][order], measured[1][order]) * (1.0 if history.has("actor_q") else -1.0)
    large = np.abs(q) > 0.1 * float(np.abs(q).max())
    return steps[large], aq[large] / q[large]


def _of_bound(history: History) -> Points | None:
    name, steps, values = any_q(history)
    bound = return_bound(history)
    if not len(steps) or not bound or (name == "aq" and history.has("entropy_coefficient")):
        return None
    return steps, np.abs(values) / bound


def _sampled(share: NDArray[np.float64], values: NDArray[np.float64], quantity: str) -> NDArray[np.float64]:
    """Mean (of a curve) or median (of the others) of the points in the window that ends at each share."""
    middle = np.mean if quantity == "learning_curve" else np.median
    values = np.clip(values, -LARGEST, LARGEST)
    chosen = (values[(share > at - WINDOW - 1e-9) & (share <= at + 1e-9)] for at in SHARES)
    return np.array([float(middle(part)) if len(part) else np.nan for part in chosen])


def _as_curve(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    start, best = levels[np.isfinite(levels)][0], np.nanmax(levels)
    return (levels - start) / (best - start) if best > start else np.zeros_like(levels)


def _decades(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = np.where(norms > 0, norms, np.nan)
    if not np.isfinite(positive).any():
        return positive
    return np.log10(positive / positive[np.isfinite(positive)][:2].mean())


def _same(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def rows(histories: list[History]) -> Iterator[tuple[str, float, float, float, float, int]]:
    """The table of bands over healthy runs: quantity, share, low, middle, high, runs."""
    for quantity in TITLES:
        profiles = [values for history in histories if (values := profile(history, quantity)) is not None]
        if not profiles:
            continue
        low, middle, high = np.nanquantile(np.array(profiles), (0.1, 0.5, 0.9), axis=0)
        for share, *numbers in zip(SHARES, low, middle, high):
            first, second, third = (round(float(number), 4) for number in numbers)
            yield quantity, float(share), first, second, third, len(profiles)
