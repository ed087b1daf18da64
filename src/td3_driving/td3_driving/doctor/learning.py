# SPDX-License-Identifier: Apache-2.0
"""Whether a run learned: its curves, the verdict on each, and the one that counts.

A curve shows whether returns rise or fall. A flat curve condemns a run only if the run had its whole budget; before
that it is too early to say. A budget is whole if the planned steps are done, if the run is long by any measure, or if
the critic has settled too.
"""

from __future__ import annotations

import numpy as np

from td3_driving.doctor.curves import curves, numbered
from td3_driving.doctor.findings import number
from td3_driving.doctor.history import History
from td3_driving.doctor.known_tasks import known_task
from td3_driving.doctor.learning_curve import (
    Curve,
    Learned,
    Learning,
    Levels,
    constant,
    shape,
    slipped,
)
from td3_driving.doctor.scope import ON_POLICY, Scope, scope_of

LEAST_STEPS, MANY_STEPS, MANY_ON_POLICY, MANY_POINTS = 2_500.0, 20_000.0, 60_000.0, 100
MANY_EPISODES = 200.0
SHORT_EPISODE, NOTHING, TRAPPED_STEPS = 5.0, 0.005, 7_500.0
LEVEL = (Learned.FLAT, Learned.UNKNOWN)


def learning_of(history: History) -> Learning:
    """The verdict on learning at this moment."""
    return history.remembered("learning", lambda: _judge(history))


def _judge(history: History) -> Learning:
    scope = scope_of(history)
    found = [_verdict(history, scope, curve) for curve in curves(history, scope)]
    if not found:
        return Learning(
            Learned.UNKNOWN, "Not known whether it learned: fewer than two returns of the policy were logged."
        )
    first = found[0]
    better = [item for item in found[1:] if item.kind.good]
    worse = [item for item in found[1:] if item.kind is Learned.LOST]
    if first.kind is Learned.FLOOR and first.curve is not None and constant(first.curve.values):
        return first
    if first.kind.good:
        return worse[0] if worse else first
    if better and first.kind is not Learned.LOST:
        return better[0]
    if first.kind is not Learned.UNKNOWN or not first.early:
        # A curve that moves, even unsteadily, wins over a flat one.
        return worse[0] if worse else first
    decided = [item for item in found if item.kind is not Learned.UNKNOWN]
    return decided[0] if decided else first


def _verdict(history: History, scope: Scope, curve: Curve) -> Learning:
    found = shape(curve)
    if found is None:
        text = f"Too early to say whether it learned: {len(curve.values)} points of the {curve.name}."
        return Learning(Learned.UNKNOWN, text, curve=curve, early=True)
    kind, measured = found
    numbers = {**sizes(measured), "points": float(len(curve.values)), "steps": amount(history, curve)}
    known = _by_the_task(history, curve, kind, measured, numbers)
    if known is not None:
        return known
    if kind is Learned.LOST and numbers["steps"] < LEAST_STEPS and not numbered(curve.steps):
        text = f"Too early to say whether it learned: the {curve.name} was {number(measured.best)} once and is"
        return Learning(Learned.UNKNOWN, f"{text} {number(measured.end)} at the end.", numbers, None, curve, early=True)
    if kind in (Learned.LEARNED, Learned.RISING, Learned.LOST):
        text = _risen(kind, curve, measured)
        return Learning(kind, text, numbers, measured.best_at, curve, slipped(measured))
    if kind is Learned.UNKNOWN:
        text = f"The {curve.name} went {from_to(measured)}: too little, or too unsteady, to call it learned."
        return Learning(kind, text, numbers, None, curve)
    return _not_risen(history, scope, curve, kind, measured, numbers)


def sizes(found: Levels) -> dict[str, float]:
    """The levels by name, for programs."""
    values = {
        "start": found.start,
        "end": found.end,
        "best": found.best,
        "noise": found.noise,
        "best_at": found.best_at,
    }
    return {name: float(value) for name, value in values.items()}


def from_to(found: Levels) -> str:
    """``from 12.3 at the start to 480 at the end``."""
    return f"from {number(found.start)} at the start to {number(found.end)} at the end"


def _by_the_task(
    history: History, curve: Curve, kind: Learned, measured: Levels, numbers: dict[str, float]
) -> Learning | None:
    """The verdict that the task gives where the curve cannot: the task is solved, or the policy does nothing."""
    if _does_nothing(history, curve, kind, measured):
        text = f"It never learned: the {curve.name} goes {from_to(measured)} and never above 0, as if it did nothing,"
        return Learning(Learned.FLOOR, text + " which costs nothing.", numbers, float(curve.steps[0]), curve)
    task = known_task(history)
    if task is None or kind not in LEVEL or "return" not in curve.name or measured.end < task.solved:
        return None
    text = f"It is at the level that solves {task.name} ({number(task.solved)}): the {curve.name} is"
    text += f" {number(measured.end)} at the end, {number(measured.start)} at the start."
    return Learning(Learned.LEARNED, text, numbers, measured.best_at, curve)


def _risen(kind: Learned, curve: Curve, measured: Levels) -> str:
    if kind is Learned.LOST:
        return (
            f"It learned and lost it: the {curve.name} rose from {number(measured.start)} to"
            f" {number(measured.best)} by step {measured.best_at:,.0f} and is {number(measured.end)} at the end."
        )
    verb = "It learned" if kind is Learned.LEARNED else "It learns, and still rises"
    text = f"{verb}: the {curve.name} went {from_to(measured)}."
    if slipped(measured):
        text += f" It was {number(measured.best)} at step {measured.best_at:,.0f}: a part was lost again."
    return text


def _not_risen(
    history: History, scope: Scope, curve: Curve, kind: Learned, measured: Levels, numbers: dict[str, float]
) -> Learning:
    first = float(curve.steps[0])
    if _continued(history, curve) and kind is Learned.FLAT:
        text = (
            f"It held its level: the {curve.name} is {number(measured.end)}; the run begins at step {first:,.0f}, and"
        )
        return Learning(Learned.HELD, text + " what it learned before is not in it.", numbers, None, curve)
    floor = _floor(history, curve)
    if floor == "" and constant(curve.values):
        text = (
            f"The {curve.name} is {number(measured.end)} from the first to the last point: solved before, or nothing to"
        )
        return Learning(Learned.UNKNOWN, text + " learn.", numbers, None, curve)
    steps = numbers["steps"]
    if not whole(history, scope, curve, steps) and not (kind is Learned.WORSE and _stuck(history, measured, steps)):
        text = (
            f"Too early to say whether it learned: the {curve.name} is {number(measured.end)} after {steps:,.0f} steps"
        )
        text += f", {number(measured.start)} at the start."
        return Learning(Learned.UNKNOWN, text, numbers, None, curve, early=True)
    if floor:
        text = f"It never learned: {floor}; the {curve.name} is {number(measured.end)} at the end."
        return Learning(Learned.FLOOR, text, numbers, first, curve)
    how = "is flat from the start" if kind is Learned.FLAT else "fell below its start"
    text = f"It never learned: the {curve.name} {how}, {from_to(measured)[5:]}, over {steps:,.0f} steps."
    return Learning(kind, text, numbers, first, curve)


def _floor(history: History, curve: Curve) -> str:
    """Why the curve lies at a floor, or an empty text."""
    late = curve.steps[len(curve.steps) // 2]
    for name in ("episode_length", "episode_length_mean", "eval_length"):
        lengths = history.get(name).between(late, np.inf)
        if len(lengths) and float(np.median(lengths)) <= SHORT_EPISODE:
            return f"episodes last {number(float(np.median(lengths)))} steps"
    for name in ("success_rate", "eval_success"):
        highest = history.get(name).highest
        if history.get(name).count >= 5 and highest is not None and highest.value == 0.0:
            return "success is 0 throughout"
    if constant(curve.values) and float(curve.values[-1]) <= 0.0:
        return f"the {curve.name} is {number(float(curve.values[-1]))} at every point"
    return ""


def _does_nothing(history: History, curve: Curve, kind: Learned, measured: Levels) -> bool:
    """Whether a cost was driven to zero and no reward was ever found: the policy stands still.

    In a task where this is a known trap, any cost at the end counts.
    """
    if float(curve.values.max()) > 0 or "return" not in curve.name:
        return False
    task = known_task(history)
    if task is not None and task.trap is not None:
        return amount(history, curve) >= TRAPPED_STEPS
    lengths = history.get("episode_length" if history.has("episode_length") else "episode_length_mean").values()
    still = len(lengths) >= 8 and float(np.ptp(lengths)) <= 1e-3 * float(lengths.max())
    return still and kind.good and abs(measured.end) < NOTHING * abs(measured.start)


def _continued(history: History, curve: Curve) -> bool:
    """Whether the run continues an earlier one: all its series begin late, compared with their spacing and length."""
    begin = min(series.first.step for series in history.series.values() if series.first is not None)
    spacing = float(np.median(np.diff(curve.steps)))
    return begin > 10.0 * spacing > 0.0 and begin > 0.15 * curve.steps[-1]


def amount(history: History, curve: Curve) -> float:
    """Environment steps that the run learned over; the sum of lengths if the curve counts episodes."""
    start = max(history.learning_start or 0.0, 0.0)
    span = float(curve.steps[-1] - curve.steps[0])
    played = float(history.get("episode_length").mean * history.get("episode_length").count)
    return max(span, min(float(curve.steps[-1]) - start, history.step), played if played == played else 0.0)


def whole(history: History, scope: Scope, curve: Curve, steps: float) -> bool:
    """Whether the run was long enough for a flat curve to condemn it."""
    many = MANY_ON_POLICY if scope.family == ON_POLICY else MANY_STEPS
    if steps >= many or (numbered(curve.steps) and len(curve.values) >= MANY_POINTS and not history.ours):
        return True
    planned = history.expect.number("steps")
    done = planned is not None and history.step >= 0.95 * planned
    return steps >= LEAST_STEPS and (done or settled(history)) and not history.ours


def _stuck(history: History, measured: Levels, steps: float) -> bool:
    """Whether a curve that fell has stayed low for hundreds of episodes."""
    lengths = history.get("episode_length" if history.has("episode_length") else "episode_length_mean")
    half = measured.blocks[len(measured.blocks) // 2 :]
    fell = measured.start - measured.end
    stays = abs(float(half[len(half) // 2 :].mean() - half[: len(half) // 2].mean())) < 0.1 * fell
    episodes = steps / lengths.mean if lengths.count else 0.0
    return stays and steps >= LEAST_STEPS and episodes >= MANY_EPISODES and not history.ours


def settled(history: History) -> bool:
    """Whether the critic's values stand still over the last half: the third and the last quarter agree."""
    for name in ("q1", "target_q", "actor_q", "actor_loss", "value_loss"):
        values = history.get(name).values()
        if len(values) >= 8:
            third, last = values[len(values) // 2 : -(len(values) // 4)], values[-(len(values) // 4) :]
            noise = 2.0 * float(np.hypot(third.std(), last.std())) / np.sqrt(len(last))
            size = max(abs(float(third.mean())), abs(float(last.mean())))
            return abs(float(last.mean() - third.mean())) <= min(0.2 * size + noise, 0.4 * size + 1e-9)
    return False
