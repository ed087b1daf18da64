# SPDX-License-Identifier: Apache-2.0
"""Compares two runs, or a run with a group of runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Iterable, NamedTuple, Sequence, TypeAlias

from td3_driving.doctor.aliases import TERMS, family
from td3_driving.doctor.diagnosis import Diagnosis, Source
from td3_driving.doctor.findings import number
from td3_driving.doctor.section_tables import Table, label
from td3_driving.doctor.sections import SECTIONS


class Range(NamedTuple):
    """Last, smallest and greatest value of a series."""

    final: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Digest:
    """The parts of a run that a comparison needs."""

    name: str
    verdict: str
    cause: str
    last_step: float
    learning_start: float | None
    ranges: dict[str, Range]


@dataclass(frozen=True)
class Tally:
    """The verdicts of several runs."""

    value: str


class ReferenceClass:
    """Runs that show together what is usual.

    Args:
        source: where they lie.
        members: at least one.
    """

    def __init__(self, source: Source, members: Sequence[Digest]) -> None:
        self.source = source
        self.members = list(members)

    @property
    def verdict(self) -> Tally:
        """How many runs have which verdict."""
        return Tally(_counted(member.verdict for member in self.members))


Against: TypeAlias = "Diagnosis | ReferenceClass"


def digest(diagnosis: Diagnosis) -> Digest:
    """The digest of ``diagnosis``."""
    history = diagnosis.history
    ranges = {}
    for name in history.expanded(COMPARED):
        series = history.get(name)
        if series.last is not None and series.lowest is not None and series.highest is not None:
            ranges[name] = Range(series.last.value, series.lowest.value, series.highest.value)
    cause = diagnosis.causes[0].cause if diagnosis.causes else "none"
    return Digest(diagnosis.source.name, diagnosis.verdict.value, cause, history.step, history.learning_start, ranges)


COMPARED = list(dict.fromkeys(name for section in SECTIONS.values() for name in section.series))


def _names(digests: Iterable[Digest]) -> list[str]:
    """What is compared, with the terms of the reward that any of the runs has."""
    terms = [name for one in digests for name in one.ranges if family(name) == TERMS]
    return list(dict.fromkeys(name for row in COMPARED for name in (terms if row == TERMS else [row])))


def comparison(run: Diagnosis, other: Against) -> list[dict[str, str]]:
    """Verdict, causes and the final and extreme values of every series that either side has."""
    mine = digest(run)
    members = other.members if isinstance(other, ReferenceClass) else [digest(other)]
    rows = [
        _row("verdict", mine.verdict, _counted(member.verdict for member in members)),
        _row("top cause", mine.cause, _counted(member.cause for member in members)),
        _row("last step", number(mine.last_step), _spread([member.last_step for member in members])),
        _row("learning start", _step(mine), _starts(members)),
    ]
    for name in _names([mine, *members]):
        theirs = [member.ranges[name] for member in members if name in member.ranges]
        if name in mine.ranges or theirs:
            rows.append(_series_row(name, mine.ranges.get(name), theirs, len(members) > 1))
    return rows


def comparison_table(run: Diagnosis, other: Against) -> Table:
    """:func:`comparison` as a table."""
    table = Table(f"{run.source.name} against {other.source.name}", ("", run.source.name, other.source.name))
    table.rows.extend((row["what"], row["run"], row["against"]) for row in comparison(run, other))
    return table


def _series_row(name: str, mine: Range | None, theirs: list[Range], many: bool) -> dict[str, str]:
    if not many:
        return _row(f"{label(name)}: final (min to max)", _range(mine), _range(theirs[0] if theirs else None))
    finals = [item.final for item in theirs]
    outside = mine is not None and finals and not min(finals) <= mine.final <= max(finals)
    text = _range(mine) + (" – outside" if outside else "")
    return _row(f"{label(name)}: final", text, _spread(finals) if finals else "missing")


def _row(what: str, run: str, against: str) -> dict[str, str]:
    return {"what": what, "run": run, "against": against}


def _counted(texts: Iterable[str]) -> str:
    counts = Counter(texts)
    if len(counts) == 1 and sum(counts.values()) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{count} {text}" for text, count in counts.most_common(3))


def _spread(values: list[float]) -> str:
    if len(values) == 1:
        return number(values[0])
    return f"median {number(median(values))} ({number(min(values))} to {number(max(values))}, {len(values)} runs)"


def _step(item: Digest) -> str:
    return "never" if item.learning_start is None else number(item.learning_start)


def _starts(members: list[Digest]) -> str:
    known = [member.learning_start for member in members if member.learning_start is not None]
    return _spread(known) if known else "never"


def _range(found: Range | None) -> str:
    return "missing" if found is None else f"{number(found.final)} ({number(found.lowest)} to {number(found.highest)})"
