# SPDX-License-Identifier: Apache-2.0
"""A table of many runs: one line each, the worst first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.findings import Severity, number
from td3_driving.doctor.report_json import json_report
from td3_driving.doctor.run import Run

ORDER = {Verdict.NO_GO.value: 0, Verdict.INSUFFICIENT.value: 1, Verdict.GO.value: 2, "UNUSABLE": 3}
COLOURS = {Verdict.NO_GO.value: "red", Verdict.INSUFFICIENT.value: "yellow", Verdict.GO.value: "green"}


@dataclass(frozen=True)
class Line:
    """One run of many."""

    name: str
    path: str
    verdict: str
    learned: str = ""
    steps: float = 0.0
    reason: str = ""
    critical: int = 0
    warnings: int = 0
    report: dict[str, Any] | None = None

    @property
    def trouble(self) -> tuple[int, int, int, str]:
        """Sort key of a run, worst first."""
        return ORDER[self.verdict], -self.critical, -self.warnings, self.name


def line_of(run: Run, diagnosis: Diagnosis, with_report: bool = False) -> Line:
    """The line of a run."""
    counts = [finding.severity for finding in diagnosis.findings]
    return Line(
        diagnosis.source.name,
        str(run.path),
        diagnosis.verdict.value,
        diagnosis.learning.kind.value,
        diagnosis.history.step,
        _reason(diagnosis),
        counts.count(Severity.CRITICAL),
        counts.count(Severity.WARN),
        json.loads(json_report(diagnosis)) if with_report else None,
    )


def _reason(diagnosis: Diagnosis) -> str:
    if diagnosis.causes:
        return f"{diagnosis.causes[0].cause}: {diagnosis.causes[0].evidence}"
    return "; ".join(diagnosis.insufficient)


def unusable(run: Run, reason: str) -> Line:
    """The line of a run that cannot be examined."""
    return Line(run.name, str(run.path), "UNUSABLE", reason=reason)


def sorted_by_trouble(lines: list[Line]) -> list[Line]:
    """``lines``, NO-GO first, by the number of critical findings; unusable runs last."""
    return sorted(lines, key=lambda line: line.trouble)


def exit_code(lines: list[Line]) -> int:
    """The exit code of the worst verdict: 3, 4 or 0; 2 if no run could be used."""
    verdicts = {line.verdict for line in lines}
    for verdict in (Verdict.NO_GO, Verdict.INSUFFICIENT, Verdict.GO):
        if verdict.value in verdicts:
            return verdict.exit_code
    return 2


def print_overview(lines: list[Line], console: Console) -> None:
    """The table of all runs, in the order given."""
    table = RichTable("run", "verdict", "learned", "steps", "first cause", expand=True)
    table.columns[1].no_wrap = True
    for line in lines:
        steps = number(line.steps) if line.verdict != "UNUSABLE" else ""
        verdict = Text(line.verdict, style=COLOURS.get(line.verdict, "dim"))
        table.add_row(Text(line.name), verdict, line.learned, steps, Text(_short(line.reason)))
    console.print(table)


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def json_overview(lines: list[Line]) -> str:
    """All runs for programs: one entry each with its full report."""
    entries = [
        {
            "name": line.name,
            "path": line.path,
            "verdict": line.verdict,
            "learned": line.learned,
            "reason": line.reason,
            "report": line.report,
        }
        for line in lines
    ]
    return json.dumps({"runs": entries}, indent=2, ensure_ascii=False) + "\n"
