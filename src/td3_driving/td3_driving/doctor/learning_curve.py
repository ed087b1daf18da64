# SPDX-License-Identifier: Apache-2.0
"""Judges by a curve of returns whether a run learned. Sign, scale and offset of the returns do not matter.

The curve is cut into blocks of equal spans of steps. Three levels are compared: the start (the episodes before the
first update if they are known, else the first few points), the end (the last fifth) and the best three neighbouring
blocks. A level lies above another if the difference is sure and large. It is sure at three to four times its own
uncertainty. It is large compared with the start level or with the spread of single episodes. The uncertainty is the
largest of three: the spread within a block, the scatter of a block about its neighbours, and the scatter about the best
curve with at most one hill. The last one also shows the slow drift of running means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Learned(str, Enum):
    """What became of the returns."""

    LEARNED = "learned"
    RISING = "still rising"
    LOST = "learned and lost it"
    FLAT = "flat from the start"
    WORSE = "worse than at the start"
    FLOOR = "at a floor"
    HELD = "held its level"
    UNKNOWN = "unknown"

    @property
    def good(self) -> bool:
        """Whether the run showed that it learns."""
        return self in (Learned.LEARNED, Learned.RISING)

    @property
    def bad(self) -> bool:
        """Whether the run showed that it does not."""
        return self in (Learned.LOST, Learned.FLAT, Learned.WORSE, Learned.FLOOR)


@dataclass(frozen=True)
class Curve:
    """Returns over steps.

    Attributes:
        name: of the quantity, as sentences use it ("return of an episode").
        steps: (n,) environment steps, ascending.
        values: (n,) more is better.
        single: whether a point is one episode; the spread of the points is then that of episodes.
        before: number of points before the first update.
        running: episodes between two points of a running mean; 0 if the points share no episodes.
    """

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    single: bool = True
    before: int = 0
    running: float = 0.0


@dataclass(frozen=True)
class Learning:
    """The verdict on learning, in a sentence, with its numbers.

    Attributes:
        kind: what became of the returns.
        sentence: the verdict for people, with its numbers.
        numbers: levels of the curve, points, steps.
        first_step: step of the best level, or of the start where nothing was learned.
        curve: the curve that was judged.
        slipped: whether a part of the gain was lost again.
        early: whether the run is too short to tell.
    """

    kind: Learned
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    first_step: float | None = None
    curve: Curve | None = None
    slipped: bool = False
    early: bool = False


@dataclass(frozen=True)
class Levels:
    """Start, end and best level of a curve, and the uncertainty of their differences.

    ``noise`` is the standard error of a block, ``spread`` that of single episodes (0 where it is not known),
    ``blocks`` (k,) the means of the blocks, ``at`` (k,) their last steps.
    """

    start: float
    end: float
    best: float
    best_at: float
    start_error: float
    end_error: float
    noise: float
    spread: float
    blocks: NDArray[np.float64]
    at: NDArray[np.float64]

    def large(self, difference: float, share: float) -> bool:
        """Whether a difference is at least ``share`` of the start level, or one and a half spreads of an episode."""
        scale = max(abs(self.start), 2.0 * self.spread, 4.0 * self.noise, 1e-300)
        return difference >= share * scale or 0.0 < 1.5 * self.spread <= difference

    def looks_large(self, difference: float) -> bool:
        """Whether a difference would be large if it were sure. Such a curve is not called flat."""
        return difference >= LARGE * max(abs(self.start), 2.0 * self.spread, self.noise, 1e-300)

    def sure(self, difference: float, errors: float) -> bool:
        """Whether a difference to the start level exceeds ``errors`` standard errors."""
        return difference > errors * float(np.hypot(self.start_error, self.end_error))


MOST_BLOCKS, LEAST_POINTS, LEAST_BLOCKS = 20, 6, 4
# From so many points on, their own spread is used. Neighbouring moves of independent means correlate by -0.5.
OWN_SPREAD, OPPOSED, WINDOW, MOST_HIDDEN = 8, -0.25, 100.0, 8.0
FEW, SURE, LIKELY, LARGE, SMALL, LOST_SHARE, SLIPPED_SHARE, RISING_SHARE = 10.0, 4.0, 3.0, 0.3, 0.1, 0.5, 0.3, 0.1


def levels(curve: Curve) -> Levels | None:
    """The levels of a curve, ``None`` with fewer than 6 points."""
    if len(curve.values) < LEAST_POINTS:
        return None
    groups = _blocks(curve.steps, 3 if curve.single else 1)
    means = np.array([curve.values[group].mean() for group in groups])
    spread = float(np.sqrt(np.mean([curve.values[group].var() for group in groups]))) if curve.single else 0.0
    size = float(np.median([len(group) for group in groups]))
    hidden = hidden_spread(curve)
    noise = max(spread / np.sqrt(size), _scatter(means), 1e-9 * float(np.abs(means).max()))
    noise = max(noise, hidden / float(np.sqrt(WINDOW + curve.running * size)))
    tail = _tail(len(groups))
    smooth = _smooth(means)
    single = max(spread, hidden / float(np.sqrt(max(curve.running, 1.0))))
    start, error = _start(curve, groups, single, noise, float(means[-tail:].mean()))
    best = int(np.argmax(smooth))
    ends = np.array([curve.steps[group[-1]] for group in groups])
    end = float(np.average(means[-tail:], weights=[len(group) for group in groups[-tail:]]))
    at = float(ends[min(best + len(means) - len(smooth), len(ends) - 1)])
    last = curve.values[groups[-tail][0] :] if curve.single else means[-tail:]
    end_error = _error(last, noise / np.sqrt(tail), curve.single)
    return Levels(start, end, float(smooth[best]), at, error, end_error, noise, spread, means, ends)


def _tail(blocks: int) -> int:
    """Number of blocks that make up the end: a fifth, rounded up."""
    return -(-blocks // 5)


def _error(values: NDArray[np.float64], usual: float, single: bool) -> float:
    """Standard error of the mean of ``values`` (n,): ``usual``, or less if there are many and they scatter less."""
    own = float(values.std()) / float(np.sqrt(len(values)))
    if not single or len(values) < OWN_SPREAD or own > usual:
        return usual
    return float(np.hypot(own, usual)) / float(np.sqrt(2.0))


def opposed(moves: NDArray[np.float64]) -> bool:
    """Whether neighbouring moves (n,) go against each other, as those of means without episodes in common do."""
    centred = moves - moves.mean()
    return float(np.sum(centred[1:] * centred[:-1])) < OPPOSED * float(np.sum(centred**2))


def hidden_spread(curve: Curve) -> float:
    """Spread of the single episodes behind a running mean, by how far it moves from point to point.

    A mean over the last 100 episodes moves by ``(new - old) / 100`` for every episode. If neighbouring moves
    oppose each other, or if they would mean a spread far beyond the range of the curve, the points share few episodes.
    The result is then 0, as the curve shows its spread itself.
    """
    moves = np.diff(curve.values)
    if not curve.running or len(moves) < 2 * LEAST_POINTS or opposed(moves):
        return 0.0
    # A trend does not change differences of moves; these are sqrt(2) times as wide as the moves.
    # The 0.8 quantile also notices returns that are mostly 0.
    move = float(np.quantile(np.abs(np.diff(moves)), 0.8)) / 1.2816 / float(np.sqrt(2.0))
    spread = WINDOW * move / float(np.sqrt(2.0 * curve.running))
    return spread if spread <= MOST_HIDDEN * float(np.ptp(curve.values)) else 0.0


def _blocks(steps: NDArray[np.float64], size: int) -> list[NDArray[np.float64]]:
    """Indices of the points in up to 20 equal spans of steps, of ``size`` points on average or more.

    Spans with too few points join the next.
    """
    count = min(MOST_BLOCKS, max(LEAST_BLOCKS, len(steps) // size))
    least = max(1, len(steps) // (4 * count))
    place = np.arange(len(steps)) if steps[-1] <= steps[0] else steps
    edges = np.linspace(place[0], place[-1], count + 1)[1:-1]
    groups: list[NDArray[np.float64]] = []
    waiting = np.zeros(0, dtype=int)
    for group in np.split(np.arange(len(steps)), np.searchsorted(place, edges, side="right")):
        waiting = np.concatenate([waiting, group])
        if len(waiting) >= least:
            groups.append(waiting)
            waiting = np.zeros(0, dtype=int)
    if len(waiting):
        groups[-1] = np.concatenate([groups[-1], waiting])
    return groups


def _start(
    curve: Curve, groups: list[NDArray[np.float64]], spread: float, noise: float, end: float
) -> tuple[float, float]:
    """Start level and its standard error: the episodes before learning if known, else the lower of two early levels.

    The two are the first points and the first block. A run that learns within its first block shows its start only in
    the first points.
    """
    if curve.before >= 5:
        chosen = curve.values[: curve.before]
        return float(chosen.mean()), max(float(chosen.std()) / np.sqrt(len(chosen)), 1e-3 * noise)
    few = int(np.clip(len(curve.values) // 50, 3 if len(curve.values) > MOST_BLOCKS else 2, 50))
    first = curve.values[:few]
    error = max(spread, float(first.std()), noise * float(np.sqrt(np.median([len(group) for group in groups]))))
    early = (float(first.mean()), error / float(np.sqrt(few)))
    block = curve.values[groups[0]]
    whole = (float(block.mean()), _error(block, noise, curve.single))
    if len(block) <= few:
        return whole if len(block) == few else early
    return min((whole, early), key=lambda level: level[0] - end + 2.0 * level[1])


def _scatter(means: NDArray[np.float64]) -> float:
    """Standard deviation of a block about its neighbours, or about the nearest curve of at most one hill if larger."""
    if len(means) < 4:
        return 0.0
    second = means[1:-1] - (means[:-2] + means[2:]) / 2.0
    local = 1.4826 * float(np.median(np.abs(second))) / np.sqrt(1.5)
    fits = (_hill(means, peak) for peak in range(len(means) + 1))
    rest = min(float(np.mean((means - fit) ** 2)) for fit in (*fits, -monotone(-means)))
    return max(local, float(np.sqrt(rest)))


def _hill(means: NDArray[np.float64], peak: int) -> NDArray[np.float64]:
    """The nearest curve that rises up to ``peak`` and falls from there."""
    parts = [monotone(means[:peak])] if peak else []
    return np.concatenate([*parts, *([-monotone(-means[peak:])] if peak < len(means) else [])])


def monotone(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The non-decreasing curve nearest to ``values`` (n,) by least squares: pooled adjacent violators."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([float(value), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (left, left_count), (right, right_count) = pools[-2], pools.pop()
            count = left_count + right_count
            pools[-1] = [(left * left_count + right * right_count) / count, count]
    return np.concatenate([np.full(int(count), value) for value, count in pools])


def _smooth(means: NDArray[np.float64]) -> NDArray[np.float64]:
    width = 3 if len(means) >= 8 else 1
    return np.convolve(means, np.ones(width) / width, mode="valid")


def shape(curve: Curve) -> tuple[Learned, Levels] | None:
    """Form of the curve, whatever its length: rise, rise and fall, fall, or none of them."""
    found = levels(curve)
    if found is None:
        return None
    gain, top = found.end - found.start, found.best - found.start
    fallen = found.best - found.end
    if found.large(top, LARGE) and found.sure(top, SURE) and fallen > max(LOST_SHARE * top, SURE * found.noise):
        if len(found.blocks) >= 7:
            return Learned.LOST, found
    # A mean stands for more than one episode.
    likely = LIKELY + (FEW if curve.single else FEW / 2.0) / len(curve.values)
    if found.large(gain, LARGE) and found.sure(gain, likely):
        return (Learned.RISING if _still_rises(found) else Learned.LEARNED), found
    if -gain > 0 and found.large(-gain, LARGE) and found.sure(-gain, likely):
        return Learned.WORSE, found
    small = (found.large(gain, SMALL) or gain > 0.5 * found.spread > 0) and found.sure(gain, likely)
    if small or found.looks_large(gain):
        return Learned.UNKNOWN, found
    return Learned.FLAT, found


def _still_rises(found: Levels) -> bool:
    tail = _tail(len(found.blocks))
    earlier = float(found.blocks[-2 * tail : -tail].mean())
    step = float(found.blocks[-tail:].mean()) - earlier
    return step > max(3.0 * found.noise / np.sqrt(tail), RISING_SHARE * (found.end - found.start))


def constant(values: NDArray[np.float64]) -> bool:
    """Whether a curve has one value throughout, apart from rounding."""
    return bool(np.ptp(values) <= 1e-6 * max(float(np.abs(values).max()), 1e-30))


def slipped(found: Levels) -> bool:
    """Whether a part of the gain was lost again, less than what makes it lost."""
    return found.best - found.end > max(SLIPPED_SHARE * (found.best - found.start), SURE * found.noise)
