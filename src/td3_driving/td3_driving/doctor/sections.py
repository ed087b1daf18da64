"""The sections of a report: which series belong to them, their tables, and what the numbers mean.

Tables come twice. "As logged" holds the statistics over all points, as other tools print them, so that documents can be
compared with it. "By regime" is what may be reasoned with: split at learning start and at evaluations, never pooled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from td3_driving.doctor.aliases import NETWORKS, REWARD_PARTS, TAGS
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import number
from td3_driving.doctor.history import History

_GRADS = tuple(f"grad_{network}_{part}" for part in ("cnn", "mlp", "pre", "post") for network in NETWORKS)
_PARAMETERS = tuple(f"param_{what}_{network}" for network in NETWORKS for what in ("mean", "std"))


@dataclass(frozen=True)
class Section:
    """Title, the series of it (``*`` marks those that a verdict rests on), the rules that speak of it."""

    title: str
    series: tuple[str, ...]
    essential: tuple[str, ...]
    rules: tuple[int, ...]


SECTIONS: dict[str, Section] = {
    "gradients": Section(
        "Gradient norms",
        (*_GRADS, "clip_share_actor", "clip_share_critic"),
        ("grad_actor_mlp", "grad_critic_mlp"),
        (5, 7, 14, 15, 16, 17, 37),
    ),
    "actor_loss": Section(
        "Actor loss", ("actor_loss", "actor_q", "actor_q_max", "actor_q_min"), ("actor_loss",), (1, 2, 4)
    ),
    "episodes": Section(
        "Episode length and return",
        (
            "episode_length",
            "episode_return",
            "collisions",
            "lane_invasions",
            "episode_length_mean",
            "episode_return_mean",
            "episode_speed",
            "route_completion",
        ),
        ("episode_return", "episode_length"),
        (19, 21, 22, 23, 39, 44, 45),
    ),
    "q_values": Section(
        "Q values",
        ("q1", "q2", "q_std", "target_q", "overestimation", "td_error", "critic_loss"),
        ("q1", "critic_loss"),
        (2, 3, 29, 30, 31, 38, 40, 41, 42, 43),
    ),
    "learning_rates": Section(
        "Learning rates", ("lr_actor", "lr_critic", "lr_actor_cnn", "lr_critic_cnn", "lr"), (), (12,)
    ),
    "training_phase": Section(
        "Training phase",
        ("updates", "updates_per_step", "is_training", "buffer_use", "noise", *_PARAMETERS),
        ("updates",),
        (6, 8, 10, 11, 13, 28, 32, 33),
    ),
    "reward": Section(
        "Reward",
        ("step_reward", "part_total", *REWARD_PARTS, "batch_reward_mean", "batch_reward_min", "batch_reward_max"),
        (),
        (24, 25, 26, 27),
    ),
    "environment": Section(
        "Environment",
        ("speed", "episode_steps", "steps_per_second", "eval_return", "eval_length", "eval_success"),
        (),
        (9, 18, 35, 36),
    ),
}


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)


def label(name: str) -> str:
    """How a quantity is called in a report."""
    return name.removeprefix("part_").removeprefix("grad_").replace("_", " ")


def coverage(history: History) -> dict[str, dict[str, dict[str, str | int]]]:
    """Per section and series: ``found``, ``other name`` or ``missing``, the tag, the number of points."""
    return {key: {name: _presence(history, name) for name in section.series} for key, section in SECTIONS.items()}


def _presence(history: History, name: str) -> dict[str, str | int]:
    if not history.has(name):
        return {"status": "missing", "tag": TAGS[name][0], "points": 0}
    tag = history.tags[name]
    status = "found" if tag == TAGS[name][0] else "other name"
    return {"status": status, "tag": tag, "points": history.get(name).count}


def logged_table(history: History, key: str) -> Table:
    """Statistics over all points of every series of a section, as logged."""
    table = Table("As logged", ("series", "points", "mean", "max", "min", "final"))
    for name in SECTIONS[key].series:
        series = history.get(name)
        if series.count and series.highest and series.lowest and series.last:
            values = (series.mean, series.highest.value, series.lowest.value, series.last.value)
            table.rows.append((label(name), f"{series.count:,}", *(number(value) for value in values)))
    return table


def regime_table(history: History, key: str) -> Table:
    """Mean, median and number of points of every series of a section, regime by regime."""
    phases = history.phases()
    table = Table("By regime: mean / median (points)", ("series", *(name for name, _, _ in phases)))
    for name in SECTIONS[key].series:
        if history.has(name):
            cells = tuple(_cell(_in_phase(history, name, low, high)) for _, low, high in phases)
            table.rows.append((label(name), *cells))
    return table


def _in_phase(history: History, name: str, low: float, high: float) -> np.ndarray:
    """Values of a series in one regime.

    Episodes belong to the regime they began in, and to none if it ended before them.
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


def _cell(values: np.ndarray) -> str:
    return (
        f"{number(float(values.mean()))} / {number(float(np.median(values)))} ({len(values)})" if len(values) else "–"
    )


def missing_series(history: History, key: str) -> list[str]:
    """Series of a section that were not found, essential ones first."""
    section = SECTIONS[key]
    absent = [name for name in section.series if not history.has(name)]
    return sorted(absent, key=lambda name: name not in section.essential)


def readings(diagnosis: Diagnosis, key: str) -> list[str]:
    """What the numbers of a section mean: its findings, and the rules that could not judge."""
    rules = SECTIONS[key].rules
    lines = [
        f"Rule {finding.rule}, {finding.title} ({finding.severity.value}"
        + (f", from step {finding.first_step:,.0f}" if finding.first_step is not None else "")
        + f"): {finding.evidence}. {finding.meaning}"
        for finding in diagnosis.findings
        if finding.rule in rules
    ]
    lines += _spanning(diagnosis.history) if key == "episodes" else []
    unjudged = [
        f"{outcome.rule} {outcome.title} ({outcome.reason})"
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
    """The figures that a verdict turns on, with what a healthy run shows."""
    history = diagnosis.history
    table = Table("Key metrics", ("metric", "value", "healthy", "judgement"))
    ratio, bound = diagnosis.finding(2), diagnosis.finding(3)
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
