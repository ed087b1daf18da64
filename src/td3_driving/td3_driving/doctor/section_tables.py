# SPDX-License-Identifier: Apache-2.0
"""The tables and the readings of a section of a report.

Tables come twice. "As logged" holds the statistics over all points, as other tools print them, so that documents can be
compared with it. "By regime" is split at learning start and at evaluations; only these numbers may be reasoned with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from td3_driving.doctor.aliases import TAGS, family
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import number
from td3_driving.doctor.history import History
from td3_driving.doctor.rules.bound import ReturnBound
from td3_driving.doctor.rules.values import QRatio
from td3_driving.doctor.sections import SECTIONS


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)


def label(name: str) -> str:
    """Name of a quantity in a report."""
    return name.removeprefix("term_").removeprefix("grad_").replace("_", " ")


def coverage(history: History) -> dict[str, dict[str, dict[str, str | int]]]:
    """Per section and series: the status, the tag, the number of points.

    The status is ``found``, ``other name``, ``missing``, or ``cut short``: missing from a log whose end is lost.
    """
    return {key: {name: _presence(history, name) for name in _series(history, key)} for key in SECTIONS}


def _series(history: History, key: str) -> list[str]:
    """The series of a section, with the terms of the reward that the run has."""
    return history.expanded(SECTIONS[key].series)


def _presence(history: History, name: str) -> dict[str, str | int]:
    if not history.has(name):
        return {"status": "cut short" if history.damage else "missing", "tag": TAGS[family(name)][0], "points": 0}
    tag = history.tags[name]
    row = family(name)
    ours = TAGS[row][0] if row == name else TAGS[row][0].replace("*", name.removeprefix(row[:-1]))
    status = "found" if tag == ours else "other name"
    return {"status": status, "tag": tag, "points": history.get(name).count}


def logged_table(history: History, key: str) -> Table:
    """Statistics over all points of every series of a section, as logged."""
    table = Table("As logged", ("series", "points", "mean", "max", "min", "final"))
    for name in _series(history, key):
        series = history.get(name)
        if series.count and series.highest and series.lowest and series.last:
            values = (series.mean, series.highest.value, series.lowest.value, series.last.value)
            table.rows.append((label(name), f"{series.count:,}", *(number(value) for value in values)))
    return table


def regime_table(history: History, key: str) -> Table:
    """Mean, median and number of points of every series of a section, regime by regime."""
    phases = history.phases()
    table = Table("By regime: mean / median (points)", ("series", *(name for name, _, _ in phases)))
    for name in _series(history, key):
        if history.has(name):
            cells = tuple(_cell(_in_phase(history, name, low, high)) for _, low, high in phases)
            table.rows.append((label(name), *cells))
    return table


def _in_phase(history: History, name: str, low: float, high: float) -> NDArray[np.float64]:
    """Values of a series in one regime.

    An episode belongs to the regime that it began in, or to none if an evaluation falls into it.
    """
    if name in ("episode_length", "episode_return"):
        episodes = history.episodes()
        values = episodes.lengths if name == "episode_length" else episodes.returns
        spans = np.array(
            [
                bool(np.any([(s < mark < e) for mark in history.evaluations]))
                for s, e in zip(episodes.start, episodes.end)
            ]
        )
        inside = (episodes.start >= low) & (episodes.start < high) & np.isfinite(values)
        return values[inside & ~spans] if len(spans) else values
    return history.get(name).between(low, high)


def _cell(values: NDArray[np.float64]) -> str:
    return (
        f"{number(float(values.mean()))} / {number(float(np.median(values)))} ({len(values)})" if len(values) else "–"
    )


def missing_series(history: History, key: str) -> list[str]:
    """Series of a section that were not found, essential ones first."""
    section = SECTIONS[key]
    absent = [name for name in _series(history, key) if not history.has(name)]
    return sorted(absent, key=lambda name: name not in section.essential)


def readings(diagnosis: Diagnosis, key: str) -> list[str]:
    """What the numbers of a section mean: its findings, and the rules that could not judge."""
    rules = diagnosis.rulebook.of_section(key)
    lines = [
        f"{finding.rule} ({finding.severity.value}"
        + (f", from step {finding.first_step:,.0f}" if finding.first_step is not None else "")
        + f"): {finding.evidence}. {finding.meaning}"
        for finding in diagnosis.findings
        if finding.rule in rules
    ]
    lines += _spanning(diagnosis.history) if key == "episodes" else []
    unjudged = [
        f"{outcome.rule} ({outcome.reason})"
        for outcome in diagnosis.outcomes
        if outcome.rule in rules and outcome.reason
    ]
    return lines + ([f"Not judged: {'; '.join(unjudged)}."] if unjudged else [])


def _spanning(history: History) -> list[str]:
    episodes = history.episodes()
    lines = []
    for mark in history.evaluations[:6]:
        inside = (episodes.start < mark) & (episodes.end > mark)
        if inside.any():
            lengths = ", ".join(f"{length:,.0f}" for length in episodes.lengths[inside])
            lines.append(
                f"The evaluation at step {mark:,.0f} falls into an episode of {lengths} steps; it belongs to no regime."
            )
    if history.clock.numbered:
        lines.append("Episodes are logged by their number; they are dated by the sum of their lengths.")
    return lines


def key_metrics(diagnosis: Diagnosis) -> Table:
    """The numbers that decide the verdict, beside those of a healthy run."""
    history = diagnosis.history
    table = Table("Key metrics", ("metric", "value", "healthy", "judgement"))
    ratio, bound = diagnosis.finding(QRatio.id), diagnosis.finding(ReturnBound.id)
    aq, q = _actor_q(history), history.last("q1")
    if aq is not None and q:
        table.rows.append(
            ("aq / q at the end", number(aq / q), "0.8 to 1.3", ratio.severity.value if ratio else "as it should be")
        )
    for name, text, healthy in (
        ("actor_loss", "actor loss, final", "minus q"),
        ("q1", "q on replay actions, final", "below the return bound"),
        ("critic_loss", "critic loss, final", "settling"),
        ("episode_length", "episodes", "-"),
        ("eval_success", "success in the last evaluation", "above 0"),
    ):
        series = history.get(name)
        if series.last is not None:
            value = f"{series.count:,}" if text == "episodes" else number(series.last.value)
            judgement = (
                bound.severity.value
                if bound and name in ("actor_loss", "q1") and ("aq" if name == "actor_loss" else "q") in bound.numbers
                else "-"
            )
            table.rows.append((text, value, healthy, judgement))
    return table


def _actor_q(history: History) -> float | None:
    measured, loss = history.last("actor_q"), history.last("actor_loss")
    return measured if measured is not None else (None if loss is None else -loss)
