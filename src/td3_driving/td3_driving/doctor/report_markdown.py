# SPDX-License-Identifier: Apache-2.0
"""The diagnosis as a document, in the order of a validation analysis written by hand."""

from __future__ import annotations

from typing import Iterable

from td3_driving.doctor import section_tables
from td3_driving.doctor.advice import help_lines
from td3_driving.doctor.compare import Against, comparison_table
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import number
from td3_driving.doctor.reference_shelf import placed
from td3_driving.doctor.section_tables import Table
from td3_driving.doctor.sections import SECTIONS
from td3_driving.doctor.summary import driven, first_step, headline, learned, next_steps, reasons, verdict_line


def markdown_report(diagnosis: Diagnosis, against: Against | None = None) -> str:
    """The Markdown text."""
    lines = [*_head(diagnosis), *_summary(diagnosis)]
    for index, key in enumerate(SECTIONS, 1):
        lines += _section(diagnosis, key, index)
    count = len(SECTIONS)
    lines += _root_causes(diagnosis, count + 1)
    lines += _comparison(diagnosis, against, count + 2)
    lines += [f"## {count + 3}. Next steps", ""]
    lines += [f"{index}. {step}" for index, step in enumerate(next_steps(diagnosis), 1)]
    lines += ["", f"## {count + 4}. GO / NO-GO", "", _verdict(diagnosis), ""]
    lines += [f"## {count + 5}. Key metrics", "", *_table(section_tables.key_metrics(diagnosis), title=False)]
    lines += [f"## {count + 6}. All rules", "", *_rules(diagnosis)]
    lines += ["", f"## {count + 7}. Beside healthy runs", ""]
    lines += _items(f"{item.sentence}." for item in placed(diagnosis.history)) or ["No series to compare."]
    if wanted := help_lines(diagnosis):
        lines += ["", f"## {count + 8}. To let it see more", "", "```", *wanted, "```"]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(diagnosis: Diagnosis) -> str:
    """What was found out about the training, then about the driving."""
    return " ".join(filter(None, (f"**{verdict_line(diagnosis)}.**", headline(diagnosis), driven(diagnosis))))


def _head(diagnosis: Diagnosis) -> list[str]:
    source, history = diagnosis.source, diagnosis.history
    start = history.learning_start
    facts = [
        f"**Run**: {source.name}",
        f"**Algorithm**: {diagnosis.scope.name} (told by its series)",
        f"**Samples**: {source.scalars:,} in {len(source.files)} file{'s' if len(source.files) > 1 else ''}",
        f"**Last step**: {history.step:,.0f}",
        f"**Learning start**: {'never' if start is None else f'{start:,.0f}'} (measured)",
        f"**Evaluations**: {', '.join(f'{mark:,.0f}' for mark in history.evaluations[:10]) or 'none logged'}",
    ]
    asked = ", ".join(
        f"{key} {value if isinstance(value, str) else number(value)}" for key, value in source.asked.items()
    )
    return [
        f"# Validation run analysis: {source.name}",
        "",
        *_items(facts),
        *_items([f"**Asked**: {asked or 'nothing known'}"]),
        "",
    ]


def _summary(diagnosis: Diagnosis) -> list[str]:
    lines = ["## Executive summary", "", _verdict(diagnosis), ""]
    lines += [f"**Did it learn?** {learned(diagnosis)}", ""]
    lines += [*_items([*reasons(diagnosis), f"Next: {first_step(diagnosis)}"]), ""]
    for cause in diagnosis.evidence_warnings:
        lines.append(f"> About the evidence: `{cause.cause}`: {cause.evidence}.")
    if diagnosis.evidence_warnings:
        lines.append("")
    return lines + _items(f"`{cause.cause}` ({cause.confidence}): {cause.meaning}" for cause in diagnosis.causes) + [""]


def _section(diagnosis: Diagnosis, key: str, index: int) -> list[str]:
    lines = [f"## {index}. {SECTIONS[key].title}", ""]
    logged = section_tables.logged_table(diagnosis.history, key)
    if logged.rows:
        lines += [*_table(logged), *_table(section_tables.regime_table(diagnosis.history, key))]
    else:
        lines += ["No series of this section was found.", ""]
    found = section_tables.readings(diagnosis, key)
    if found:
        lines += ["**Reading**", "", *_items(found), ""]
    absent = section_tables.missing_series(diagnosis.history, key)
    if absent:
        lines += [f"Missing series: {', '.join(f'`{name}`' for name in absent)}.", ""]
    return lines


def _root_causes(diagnosis: Diagnosis, index: int) -> list[str]:
    lines = [f"## {index}. Root causes", "", "### Ruled out", ""]
    lines += _items(f"`{item.cause}`: {item.evidence}." for item in diagnosis.refuted) or [
        "Nothing could be ruled out."
    ]
    lines += ["", "### Remaining", ""]
    if not diagnosis.causes:
        return [*lines, "None.", ""]
    table = Table("", ("rank", "cause", "confidence", "rules", "evidence"))
    for rank, cause in enumerate(diagnosis.causes, 1):
        table.rows.append((str(rank), f"`{cause.cause}`", cause.confidence, ", ".join(cause.rules), cause.evidence))
    return lines + _table(table, title=False)


def _comparison(diagnosis: Diagnosis, against: Against | None, index: int) -> list[str]:
    lines = [f"## {index}. Comparison with another run", ""]
    if against is None:
        return [*lines, "None was named (`--against RUN`).", ""]
    return lines + _table(comparison_table(diagnosis, against), title=False)


def _rules(diagnosis: Diagnosis) -> list[str]:
    table = Table("", ("rule", "outcome", "evidence, or why it could not be judged", "refuted by"))
    for outcome in diagnosis.outcomes:
        finding = diagnosis.finding(outcome.rule)
        status = finding.severity.value if finding else outcome.status
        refuted = finding.refuted_by if finding else ""
        table.rows.append((outcome.rule, status, finding.evidence if finding else outcome.reason, refuted))
    note = "A rule that is quiet was judged and does not hold. What was not judged is not healthy."
    return [note, "", *_table(table, title=False)]


def _items(texts: Iterable[str]) -> list[str]:
    return [f"- {text}" for text in texts]


def _table(table: Table, title: bool = True) -> list[str]:
    lines = [f"**{table.title}**", ""] if title and table.title else []
    lines.append("| " + " | ".join(table.head) + " |")
    lines.append("|" + "---|" * len(table.head))
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return [*lines, ""]
