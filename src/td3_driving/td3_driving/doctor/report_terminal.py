# SPDX-License-Identifier: Apache-2.0
"""The diagnosis on a terminal. The first screen holds the verdict, whether it learned, and the first cause."""

from __future__ import annotations

from rich.console import Console
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from td3_driving.doctor.compare import Against, comparison_table
from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.findings import Severity
from td3_driving.doctor.reference_shelf import placed
from td3_driving.doctor.scope import ABSENT
from td3_driving.doctor.section_tables import Table, missing_series
from td3_driving.doctor.sections import SECTIONS
from td3_driving.doctor.summary import (
    driven,
    first_cause,
    first_step,
    headline,
    learned,
    named,
    next_steps,
    not_judged,
    reasons,
    verdict_line,
)

COLOURS = {Verdict.GO: "green", Verdict.NO_GO: "red", Verdict.INSUFFICIENT: "yellow"}
SEVERITIES = {Severity.CRITICAL: "red", Severity.WARN: "yellow", Severity.INSUFFICIENT: "yellow", Severity.INFO: "cyan"}
MOST_CAUSES = 3
MOST_STEPS = 3


def print_brief(diagnosis: Diagnosis, console: Console, against: Against | None = None) -> None:
    """Print the first screen, the other top causes, what to do about them, and the comparison that was asked for."""
    _print_first(diagnosis, console)
    _print_more(diagnosis, console)
    _print_comparison(diagnosis, console, against)


def print_report(diagnosis: Diagnosis, console: Console, against: Against | None = None) -> None:
    """Print the diagnosis: the first screen holds the decision, the rest is evidence."""
    _print_first(diagnosis, console)
    _print_more(diagnosis, console)
    _print_causes(diagnosis, console)
    _print_findings(diagnosis, console)
    _print_shelf(diagnosis, console)
    _print_gaps(diagnosis, console)
    _print_comparison(diagnosis, console, against)


def _print_comparison(diagnosis: Diagnosis, console: Console, against: Against | None) -> None:
    if against is not None:
        console.print(rich_table(comparison_table(diagnosis, against)))


def _print_first(diagnosis: Diagnosis, console: Console) -> None:
    """Print the verdict, whether it learned, the first cause with its number, and what to do."""
    colour, source = COLOURS[diagnosis.verdict], diagnosis.source
    title = Text(verdict_line(diagnosis), style=f"bold {colour}")
    facts = f"{source.name}: {diagnosis.scope.name}, {source.scalars:,} samples, {diagnosis.history.step:,.0f} steps"
    said = filter(None, (headline(diagnosis), driven(diagnosis)))
    body = Text.assemble("\n".join(said), "\n", (facts, "dim"))
    console.print(Panel(body, title=title, border_style=colour, title_align="left"))
    console.print(Text.assemble(("Did it learn? ", "bold"), learned(diagnosis)))
    for line in reasons(diagnosis):
        console.print(Text.assemble(("Why  ", "bold"), line))
    console.print(Text.assemble(("Next ", "bold"), first_step(diagnosis)))
    console.print()


def _print_more(diagnosis: Diagnosis, console: Console) -> None:
    """Print what makes the evidence doubtful, the other top causes of a NO-GO, and what to do about them."""
    first = first_cause(diagnosis)
    doubts = [cause for cause in diagnosis.evidence_warnings if cause is not first]
    for cause in doubts:
        console.print(Text.assemble(("About the evidence: ", "yellow"), named(diagnosis, cause)))
    for index, cause in enumerate(diagnosis.causes[:MOST_CAUSES], 1):
        if first is not None and cause is not first and cause not in doubts:
            console.print(Text(f"{index}. {named(diagnosis, cause)}"))
    for step in next_steps(diagnosis)[1:MOST_STEPS]:
        console.print(Text(f"Then {step}"))
    console.print()


def _print_causes(diagnosis: Diagnosis, console: Console) -> None:
    if diagnosis.causes:
        table = RichTable(
            "", "cause", "confidence", "rules", "meaning", title="Causes", title_justify="left", expand=True
        )
        for index, cause in enumerate(diagnosis.causes, 1):
            table.add_row(str(index), cause.cause, cause.confidence, ", ".join(cause.rules), cause.meaning)
        console.print(table)
    for item in diagnosis.refuted:
        console.print(Text.assemble(("Ruled out: ", "dim"), f"{item.cause}: {item.evidence}"))


def _print_findings(diagnosis: Diagnosis, console: Console) -> None:
    table = RichTable("rule", "severity", "from step", "evidence", title="Findings", title_justify="left", expand=True)
    for finding in sorted(diagnosis.findings, key=lambda item: list(SEVERITIES).index(item.severity)):
        step = "" if finding.first_step is None else f"{finding.first_step:,.0f}"
        colour = SEVERITIES[finding.severity]
        table.add_row(finding.rule, Text(finding.severity.value, style=colour), step, finding.evidence)
    console.print(table)


def _print_shelf(diagnosis: Diagnosis, console: Console) -> None:
    beside = placed(diagnosis.history)
    if beside:
        console.print("[bold]Beside healthy runs[/bold]")
    for item in beside:
        console.print(Text(f"  {item.sentence}", style="dim"))


def _print_gaps(diagnosis: Diagnosis, console: Console) -> None:
    """Print the rules that could not judge, and the series that are missing."""
    unjudged = not_judged(diagnosis)
    if unjudged:
        console.print("[bold]Not judged[/bold]")
        for line in unjudged:
            console.print(Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis"))
    if diagnosis.scope.family in ABSENT:
        return
    absent = {section.title: _absent(diagnosis, key) for key, section in SECTIONS.items()}
    for title, names in absent.items():
        if names:
            console.print(f"[dim]Series missing, {title}: {', '.join(names)}[/dim]")


def _absent(diagnosis: Diagnosis, key: str) -> list[str]:
    """Missing series of a section; only essential ones for runs of other libraries."""
    names = missing_series(diagnosis.history, key)
    return names if diagnosis.history.ours else [name for name in names if name in SECTIONS[key].essential]


def rich_table(table: Table) -> RichTable:
    """A table of texts for the terminal."""
    result = RichTable(*table.head, title=table.title, title_justify="left")
    for row in table.rows:
        result.add_row(*row)
    return result
