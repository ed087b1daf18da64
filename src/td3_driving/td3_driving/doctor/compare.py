"""Two runs side by side."""

from __future__ import annotations

from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import number
from td3_driving.doctor.sections import SECTIONS, Table, label


def comparison(run: Diagnosis, other: Diagnosis) -> list[dict[str, str]]:
    """Verdict, causes and the final and extreme values of every series that either run has."""
    rows = [
        _row("verdict", run.verdict.value, other.verdict.value),
        _row("top cause", _top(run), _top(other)),
        _row("last step", number(run.history.step), number(other.history.step)),
        _row("learning start", _step(run), _step(other)),
    ]
    for section in SECTIONS.values():
        for name in section.series:
            if run.history.has(name) or other.history.has(name):
                rows.append(_row(f"{label(name)}: final (min to max)", _range(run, name), _range(other, name)))
    return rows


def comparison_table(run: Diagnosis, other: Diagnosis) -> Table:
    """:func:`comparison` as a table."""
    table = Table(f"{run.source.name} against {other.source.name}", ("", run.source.name, other.source.name))
    table.rows.extend((row["what"], row["run"], row["against"]) for row in comparison(run, other))
    return table


def _row(what: str, run: str, against: str) -> dict[str, str]:
    return {"what": what, "run": run, "against": against}


def _top(diagnosis: Diagnosis) -> str:
    return diagnosis.causes[0].cause if diagnosis.causes else "none"


def _step(diagnosis: Diagnosis) -> str:
    start = diagnosis.history.learning_start
    return "never" if start is None else number(start)


def _range(diagnosis: Diagnosis, name: str) -> str:
    series = diagnosis.history.get(name)
    if series.last is None or series.lowest is None or series.highest is None:
        return "missing"
    return f"{number(series.last.value)} ({number(series.lowest.value)} to {number(series.highest.value)})"
