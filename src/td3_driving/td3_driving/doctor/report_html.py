# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page: verdict, causes, figures, tables. It needs no network, and prints well."""

from __future__ import annotations

from html import escape
from typing import Iterable

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from td3_driving.doctor import section_tables
from td3_driving.doctor.advice import help_lines
from td3_driving.doctor.compare import Against, comparison_table
from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.findings import Finding, Severity
from td3_driving.doctor.plots import figures, timeline
from td3_driving.doctor.section_tables import Table
from td3_driving.doctor.sections import SECTIONS
from td3_driving.doctor.shelf_plots import shelf_figures
from td3_driving.doctor.style import PAGE, STYLE
from td3_driving.doctor.summary import (
    driven,
    first_step,
    headline,
    learned,
    next_steps,
    not_judged,
    reasons,
    verdict_line,
)

CLASSES = {Verdict.GO: "go", Verdict.NO_GO: "nogo", Verdict.INSUFFICIENT: "insufficient"}


def html_report(diagnosis: Diagnosis, against: Against | None = None) -> str:
    """The page as text, about 5 MB, of which nearly all is the plotting library."""
    body = [
        _head(diagnosis),
        _causes(diagnosis),
        _list("What to do next", next_steps(diagnosis), "ol"),
        _ruled_out(diagnosis),
        "<h2>Key metrics</h2>" + _table(section_tables.key_metrics(diagnosis), caption=False),
        _figures(diagnosis),
        *(_section(diagnosis, key, index) for index, key in enumerate(SECTIONS, 1)),
        _findings(diagnosis),
        _unjudged(diagnosis),
        _help(diagnosis),
    ]
    if against is not None:
        body.append("<h2>Comparison</h2>" + _table(comparison_table(diagnosis, against), numbers=False))
    title = f"{diagnosis.verdict.value}: {diagnosis.source.name}"
    return PAGE.substitute(title=escape(title), style=STYLE, plotly=get_plotlyjs(), body="\n".join(body))


def _help(diagnosis: Diagnosis) -> str:
    """Tags to map and lines to add to the training script."""
    lines = help_lines(diagnosis)
    return f"<h2>To let it see more</h2><pre>{escape(chr(10).join(lines))}</pre>" if lines else ""


def _head(diagnosis: Diagnosis) -> str:
    source, history = diagnosis.source, diagnosis.history
    start = "never" if history.learning_start is None else f"step {history.learning_start:,.0f}"
    facts = f"{diagnosis.scope.name}, {source.scalars:,} samples, {history.step:,.0f} environment steps"
    facts += f", learning start {start}"
    warnings = "".join(
        f'<p class="warning">About the evidence: <b>{escape(cause.cause)}</b>. {escape(cause.evidence)}.</p>'
        for cause in diagnosis.evidence_warnings
    )
    return (
        f"<h1>Run {escape(source.name)}</h1><p class='meta'>{facts}</p>"
        f'<div class="banner {CLASSES[diagnosis.verdict]}" id="verdict"><strong>{verdict_line(diagnosis)}</strong>'
        f"{escape(headline(diagnosis))}{_driven(diagnosis)}{_first(diagnosis)}</div>{warnings}"
    )


def _driven(diagnosis: Diagnosis) -> str:
    text = driven(diagnosis)
    return f"<p id='drives'>{escape(text)}</p>" if text else ""


def _first(diagnosis: Diagnosis) -> str:
    """Did it learn; the first cause with its number; what to do."""
    lines = [f"<p id='learned'><b>Did it learn?</b> {escape(learned(diagnosis))}</p>"]
    lines += [f"<p><b>Why:</b> {escape(text)}</p>" for text in reasons(diagnosis)]
    return "".join([*lines, f"<p><b>Next:</b> {escape(first_step(diagnosis))}</p>"])


def _causes(diagnosis: Diagnosis) -> str:
    items = "".join(
        f'<li><span class="cause">{escape(cause.cause)}</span><span class="badge">{cause.confidence}</span>'
        f'<span class="badge">{escape(", ".join(cause.rules))}</span>'
        f"<br>{escape(cause.meaning)} <span class='meta'>{escape(cause.evidence)}.</span></li>"
        for cause in diagnosis.causes
    )
    return f'<h2>Causes</h2><ol class="causes" id="causes">{items}</ol>' if items else ""


def _ruled_out(diagnosis: Diagnosis) -> str:
    lines = [f"{item.cause}: {item.evidence}." for item in diagnosis.refuted]
    return _list("Ruled out", lines) if lines else ""


def _figures(diagnosis: Diagnosis) -> str:
    course = timeline(diagnosis)
    parts = ["<h2>Figures</h2>"]
    if course is not None:
        parts.append(_plot(course, 1, "First firing of each rule", "Red: critical. Orange: warning."))
    own, beside = figures(diagnosis), shelf_figures(diagnosis)
    for index, (chart, figure) in enumerate([*own, *beside], 1 + (course is not None)):
        if beside and chart is beside[0][0]:
            parts.append("<h3>Beside healthy runs</h3>")
        parts.append(_plot(figure, index, chart.title, chart.caption))
    return "".join(parts)


def _plot(figure: go.Figure, index: int, title: str, caption: str) -> str:
    plot = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
        div_id=f"figure-{index}",
    )
    return f"<figure>{plot}<figcaption><b>Figure {index}. {escape(title)}.</b> {escape(caption)}</figcaption></figure>"


def _section(diagnosis: Diagnosis, key: str, index: int) -> str:
    logged = section_tables.logged_table(diagnosis.history, key)
    parts = [f"<h2>{index}. {escape(SECTIONS[key].title)}</h2>"]
    parts.append(
        _table(logged) + _table(section_tables.regime_table(diagnosis.history, key))
        if logged.rows
        else "<p>No series of this section was found.</p>"
    )
    lines = section_tables.readings(diagnosis, key)
    if lines:
        parts.append(_list("Reading", lines, level=3))
    absent = section_tables.missing_series(diagnosis.history, key)
    if absent:
        parts.append(f'<p class="note">Missing series: {escape(", ".join(absent))}.</p>')
    return "".join(parts)


def _findings(diagnosis: Diagnosis) -> str:
    rows = "".join(
        f"<tr><td>{finding.rule}</td><td class='{finding.severity.value}'>{finding.severity.value}</td>"
        f"<td>{_step(finding)}</td><td>{escape(finding.evidence)}</td>"
        f"<td>{escape(finding.refuted_by)}</td></tr>"
        for finding in sorted(diagnosis.findings, key=lambda item: _weight(item.severity))
    )
    head = "<tr><th>Rule</th><th>Severity</th><th>From step</th><th>Evidence</th><th>Refuted by</th></tr>"
    return f"<h2>Findings</h2><table id='findings'><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _step(finding: Finding) -> str:
    return "" if finding.first_step is None else f"{finding.first_step:,.0f}"


def _weight(severity: Severity) -> int:
    return (Severity.CRITICAL, Severity.INSUFFICIENT, Severity.WARN, Severity.INFO).index(severity)


def _unjudged(diagnosis: Diagnosis) -> str:
    lines = not_judged(diagnosis)
    quiet = ", ".join(item.rule for item in diagnosis.outcomes if item.status == "quiet")
    note = f"<p class='note'>Judged and not holding: {escape(quiet or 'none')}.</p>"
    return (_list("Not judged, hence not healthy", lines) if lines else "") + note


def _list(title: str, lines: Iterable[str], kind: str = "ul", level: int = 2) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h{level}>{escape(title)}</h{level}><{kind}>{items}</{kind}>"


def _table(table: Table, caption: bool = True, numbers: bool = True) -> str:
    if not table.rows:
        return ""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    title = f"<caption>{escape(table.title)}</caption>" if caption and table.title else ""
    kind = " class=numbers" if numbers else ""
    return f"<table{kind}>{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
