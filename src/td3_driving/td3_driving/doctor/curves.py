# SPDX-License-Identifier: Apache-2.0
"""The curves that learning is judged by: returns of episodes, running means, evaluations; accuracy and loss.

All curves get one form: ascending steps, and values of which more is better. Means and sums of regret are converted.
Where a teacher drove the first steps, the episodes of the training that it had a part in are left out: its returns are
no level that the policy began at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.history import History
from td3_driving.doctor.learning_curve import WINDOW, Curve
from td3_driving.doctor.scope import SUPERVISED, Scope

CURVES = {
    "episode_return": ("return of an episode", True),
    "episode_return_mean": ("mean return", False),
    "eval_return": ("return in evaluation", False),
    "success_rate": ("success rate", False),
    "eval_success": ("success in evaluation", False),
}
RUNNING = ("episode_return_mean", "success_rate")
LABELLED = {
    "eval_accuracy": ("validation accuracy", 1.0),
    "train_accuracy": ("accuracy", 1.0),
    "eval_loss": ("validation loss", -1.0),
    "train_loss": ("loss", -1.0),
}


def curves(history: History, scope: Scope) -> list[Curve]:
    """The curves of a run, training before evaluation, those of single episodes before running means."""
    if scope.family == SUPERVISED:
        return [
            Curve(text, *_columns(history, name, sign), single=False)
            for name, (text, sign) in LABELLED.items()
            if history.get(name).count >= 2
        ][:2]
    chosen = []
    for name, (text, single) in CURVES.items():
        if history.get(name).count < 2 or (name == "episode_return_mean" and history.get("episode_return").count >= 20):
            continue
        steps, values = _columns(history, name, 1.0)
        if name == "episode_return":
            steps, values = _own(history, steps, values)
            if len(steps) < 2:
                continue
        running = _episodes_between(history, steps) if name in RUNNING else 0.0
        apart = _unaveraged(history, steps, values) if name == "episode_return_mean" else None
        if apart is not None:
            values, running = apart, 0.0
        chosen.append(Curve(text, steps, values, single, _before(history, steps), running))
    if history.get("regret").count >= 8:
        steps, values = _columns(history, "regret", 1.0)
        chosen.append(Curve("reward lost per step", steps[1:], -_per_step(steps, values), single=False))
    return chosen


def _own(
    history: History, steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points (n,) of episodes that began after the steps of a teacher; all points where nobody taught."""
    if history.expect.text("teacher") in ("", "none") or numbered(steps):
        return steps, values
    begun = np.concatenate(([0.0], steps[:-1]))
    own = begun >= (history.expect.number("random_steps") or 0.0)
    return steps[own], values[own]


def _episodes_between(history: History, steps: NDArray[np.float64]) -> float:
    """Episodes between two points of a running mean: at least 1, and 1 if lengths are unknown."""
    length = history.get("episode_length_mean").mean
    between = float(np.median(np.diff(steps)))
    return max(1.0, between / length) if length == length and length > 0 else 1.0


def _unaveraged(
    history: History, steps: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Means of the episodes between two points of Stable-Baselines3's running mean; ``None`` where unknown.

    The mean covers the last 100 episodes, or all of them while there are fewer. If a point comes every k episodes, and
    k divides 100, the sum moves by the k new episodes less the k that fell out, which came in 100 / k points ago. The
    method is checked on the mean lengths: their sums must equal the distances between the steps.
    """
    at, lengths = _columns(history, "episode_length_mean", 1.0)
    if history.tags.get("episode_return_mean") != "rollout/ep_rew_mean" or len(at) != len(steps) or np.any(at != steps):
        return None
    every = round(float(steps[0] / lengths[0])) if lengths[0] > 0 else 0
    if every < 1 or WINDOW % every:
        return None
    gone = np.diff(steps, prepend=0.0)
    if not np.allclose(_sums(lengths, every), gone, rtol=0.02, atol=1.0):
        return None
    return _sums(values, every) / every


def _sums(means: NDArray[np.float64], every: int) -> NDArray[np.float64]:
    """Sums over ``every`` episodes from running means of at most 100 of them, (n,)."""
    span = int(WINDOW) // every
    counts = every * np.minimum(np.arange(1, len(means) + 1), span)
    moved = np.diff(counts * means, prepend=0.0)
    for index in range(span, len(moved)):
        moved[index] += moved[index - span]
    return moved


def _per_step(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Regret per step of a series of regret (n,), (n-1,): the slope of a running sum, else the series itself."""
    rises = np.diff(values)
    return rises / np.maximum(np.diff(steps), 1e-9) if np.all(rises >= 0) else values[1:]


def _columns(history: History, name: str, sign: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    steps, values, _ = history.get(name).columns()
    order = np.argsort(steps, kind="stable")
    return steps[order], sign * values[order]


def _before(history: History, steps: NDArray[np.float64]) -> int:
    """Number of points before the first update; 0 if points and updates cannot share an axis."""
    start = history.learning_start
    if start is None or numbered(steps) or start > 0.5 * steps[-1]:
        return 0
    return int(np.searchsorted(steps, start, side="left"))


def numbered(steps: NDArray[np.float64]) -> bool:
    """Whether a curve is drawn over the numbers of episodes or epochs, not over environment steps."""
    return len(steps) > 2 and float(np.median(np.diff(steps))) <= 2.0
