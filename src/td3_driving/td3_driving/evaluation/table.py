"""The result of an evaluation as a table for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from td3_driving.evaluation.drive import Plan
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.summary import LATENCIES, METRICS, Metric, summarise

HEAD_WIDTH, VALUE_WIDTH = 37, 8
"""Characters of the first two columns, and of a value."""


@dataclass(frozen=True)
class Entry:
    """One agent on one plan; ``camera``: it looked through the camera."""

    agent: str
    plan: Plan
    map: str
    results: Sequence[EpisodeResult]
    camera: bool

    @property
    def condition(self) -> str:
        """What disturbs the agent; empty for nothing."""
        delay = f"{1e3 * self.plan.delay:g} ms" if self.plan.delay else ""
        drop = f"{100 * self.plan.drop:g} % lost" if self.plan.drop else ""
        return ", ".join(part for part in (delay, drop) if part)

    @property
    def label(self) -> str:
        """Name for a column."""
        return f"{self.agent}, {self.condition}" if self.condition else self.agent

    def metrics(self) -> dict[str, float]:
        """All of them by key."""
        return summarise(self.results, (*METRICS, *LATENCIES))


def formatted(metric: Metric, value: float) -> str:
    """The value as a table shows it: a dash where it is not known."""
    if math.isnan(value):
        return "-"
    return "none" if math.isinf(value) else f"{value:.{metric.digits}f}"


def rows(entries: Sequence[Entry]) -> list[list[str]]:
    """One row per metric: its name, its unit, and its value for each entry."""
    values: list[Mapping[str, float]] = [entry.metrics() for entry in entries]
    return [
        [metric.label, metric.unit, *(formatted(metric, value[metric.key]) for value in values)]
        for metric in (*METRICS, *LATENCIES)
    ]


def by_scenario(entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    """The entries of each scenario."""
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.plan.scenario, []).append(entry)
    return groups


def title(scenario: int, entries: Sequence[Entry]) -> str:
    """What all entries of a scenario have in common."""
    plan = entries[0].plan
    return f"map {entries[0].map}, scenario {scenario}, {plan.routes} routes, seed {plan.seed}, ends: {plan.ending}"


def print_tables(entries: Sequence[Entry], console: Console) -> None:
    """Metrics down, agents across; a table per scenario, or several where they do not fit the width."""
    for scenario, group in by_scenario(entries).items():
        console.print(title(scenario, group), style="italic")
        for part in _fitting(group, console.width):
            console.print(_table(part))


def _table(entries: Sequence[Entry]) -> Table:
    table = Table()
    table.add_column("metric", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for entry in entries:
        table.add_column(f"{entry.agent}\n{entry.condition}".strip(), justify="right", no_wrap=True)
    for row in rows(entries):
        table.add_row(*row)
    return table


def _fitting(entries: Sequence[Entry], width: int) -> Iterator[Sequence[Entry]]:
    """The entries in groups, each of which fits into ``width`` characters, or is a single one."""
    part: list[Entry] = []
    used = HEAD_WIDTH
    for entry in entries:
        needed = 3 + max(len(entry.agent), len(entry.condition), VALUE_WIDTH)
        if part and used + needed > width:
            yield part
            part, used = [], HEAD_WIDTH
        part.append(entry)
        used += needed
    yield part
