# SPDX-License-Identifier: Apache-2.0
"""The result of an evaluation as a table for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from td3_driving.doctor.plain_text import counted
from td3_driving.evaluation.camera_ablation import NO_CAMERA, SEEN, UNASKED, CameraNeed, camera_need
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.inspection import NOTHING, Inspection
from td3_driving.evaluation.perturbations import NONE
from td3_driving.evaluation.summary import LATENCIES, METRICS, Metric, summarise

HEAD_WIDTH, VALUE_WIDTH = 37, 9
"""Characters of the first two columns, and of a value."""


@dataclass(frozen=True)
class Entry:
    """One agent on one plan; ``camera``: it used the camera; ``need``: whether it needed it;
    ``inspection``: results beyond the scores; ``borders``: of the lanes of its map, each (N, 2) [m], where known."""

    agent: str
    plan: EvaluationPlan
    map: str
    results: Sequence[EpisodeResult]
    camera: bool
    need: CameraNeed = UNASKED
    inspection: Inspection = NOTHING
    borders: Sequence[NDArray[np.float64]] = ()

    @property
    def condition(self) -> str:
        """The disturbances of the agent; empty for none."""
        delay = f"{1e3 * self.plan.delay:g} ms" if self.plan.delay else ""
        drop = f"{100 * self.plan.drop:g} % lost" if self.plan.drop else ""
        camera = f"camera {self.plan.camera}" if self.plan.camera != SEEN else ""
        perturbed = "" if self.plan.perturbation == NONE else self.plan.perturbation.replace("_", " ")
        return ", ".join(part for part in (delay, drop, perturbed, camera) if part)

    @property
    def label(self) -> str:
        """Name for a column."""
        return f"{self.agent}, {self.condition}" if self.condition else self.agent

    def metrics(self) -> dict[str, float]:
        """All of them by key."""
        return summarise(self.results, (*METRICS, *LATENCIES))


def with_needs(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of one agent, each told whether the agent needs its camera on that plan."""
    return [replace(entry, need=_need(entry, entries)) for entry in entries]


def _need(entry: Entry, entries: Sequence[Entry]) -> CameraNeed:
    """Whether the agent needs its camera, by all drives of the entry's plan."""
    if not entry.camera:
        return CameraNeed(NO_CAMERA)
    same = {
        one.plan.camera: _scores(one) for one in entries if replace(one.plan, camera=entry.plan.camera) == entry.plan
    }
    seen = same.pop(SEEN, [])
    return camera_need(seen, same) if seen else UNASKED


def _scores(entry: Entry) -> list[float]:
    return [result.driving_score for result in entry.results]


def formatted(metric: Metric, value: float) -> str:
    """The value as a table shows it: a dash where it is not known."""
    if math.isnan(value):
        return "-"
    return "none" if math.isinf(value) else f"{value:.{metric.digits}f}"


def rows(entries: Sequence[Entry]) -> list[list[str]]:
    """Whether each entry needs its camera, then one row per metric: its name, its unit, its value for each entry."""
    values: list[Mapping[str, float]] = [entry.metrics() for entry in entries]
    return [
        ["needs its camera", "", *(entry.need.answer for entry in entries)],
        *(
            [metric.label, metric.unit, *(formatted(metric, value[metric.key]) for value in values)]
            for metric in (*METRICS, *LATENCIES)
        ),
    ]


def by_scenario(entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    """The entries of each scenario."""
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.plan.scenario, []).append(entry)
    return groups


def title(scenario: int, entries: Sequence[Entry]) -> str:
    """Return the facts common to all entries of a scenario."""
    plan = entries[0].plan
    routes = counted(plan.routes, "route")
    return f"map {entries[0].map}, scenario {scenario}, {routes}, seed {plan.seed}, ends: {plan.ending}"


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
