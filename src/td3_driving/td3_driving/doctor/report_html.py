"""One self-contained HTML page: verdict, causes, figures, tables. It needs no network, and prints well."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Iterable

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from td3_driving.doctor.causes import CAUSES
from td3_driving.doctor.compare import comparison_table
from td3_driving.doctor.diagnosis import Diagnosis, Verdict
from td3_driving.doctor.findings import Severity
from td3_driving.doctor.plots import figures, timeline
from td3_driving.doctor.sections import SECTIONS, Table, key_metrics, logged_table, missing_series, readings, regime_table
from td3_driving.doctor.summary import headline, next_steps

CLASSES = {Verdict.GO: "go", Verdict.NO_GO: "nogo", Verdict.INSUFFICIENT: "insufficient"}

STYLE = """
:root { --ink: #222; --rule: #222; --soft: #666; --paper: #fff; }
html { background: var(--paper); }
body { font: 16px/1.5 Charter, 'Bitstream Charter', Georgia, 'Times New Roman', serif; color: var(--ink);
  max-width: 60rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; font-weight: 600; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; font-weight: 600; margin: 2.6rem 0 .6rem; }
h3 { font-size: 1.05rem; font-weight: 600; font-style: italic; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; } .meta, figcaption, .note { color: var(--soft); font-size: .9rem; }
.banner { border-left: .5rem solid; padding: .8rem 1.2rem; margin: 1.4rem 0; background: #fafafa; }
.banner strong { font-size: 1.9rem; letter-spacing: .03em; display: block; line-height: 1.2; }
.go { border-color: #1b7f3b; } .go strong { color: #1b7f3b; }
.nogo { border-color: #b00020; } .nogo strong { color: #b00020; }
.insufficient { border-color: #b36b00; } .insufficient strong { color: #b36b00; }
.warning { border-left: .2rem solid #b36b00; padding-left: .9rem; }
ol.causes > li { margin: .7rem 0; } .cause { font-weight: 600; font-variant-numeric: lining-nums; }
.badge { font-size: .8rem; color: var(--soft); border: 1px solid #bbb; border-radius: .7rem; padding: 0 .5rem; margin-left: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: .6rem 0 1.2rem;
  border-top: 2px solid var(--rule); border-bottom: 2px solid var(--rule); font-variant-numeric: tabular-nums lining-nums; }
th { text-align: left; font-weight: 600; border-bottom: 1px solid var(--rule); } th, td { padding: .22rem .6rem .22rem 0; vertical-align: top; }
table.numbers td:not(:first-child), table.numbers th:not(:first-child) { text-align: right; padding: .22rem 0 .22rem .8rem; }
caption { caption-side: top; text-align: left; color: var(--soft); font-style: italic; padding-bottom: .2rem; }
.critical { color: #b00020; font-weight: 600; } .warn { color: #b36b00; font-weight: 600; }
figure { margin: 1.4rem 0; } figcaption b { color: var(--ink); font-weight: 600; }
@media print { body { max-width: none; margin: 0; font-size: 10.5pt; } figure, table, .banner { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""

PAGE = Template(
    """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style><script>$plotly</script></head>
<body>
$body
</body></html>
"""
)


def html_report(diagnosis: Diagnosis, against: Diagnosis | None = None) -> str:
    """The page as text, about 5 MB, of which nearly all is the plotting library."""
    body = [
        _head(diagnosis),
        _causes(diagnosis),
        _list("What to do next", next_steps(diagnosis), "ol"),
        _ruled_out(diagnosis),
        "<h2>Key metrics</h2>" + _table(key_metrics(diagnosis), caption=False),
        _figures(diagnosis),
        *(_section(diagnosis, key, index) for index, key in enumerate(SECTIONS, 1)),
        _findings(diagnosis),
        _unjudged(diagnosis),
    ]
    if against is not None:
        body.append("<h2>Comparison</h2>" + _table(comparison_table(diagnosis, against), numbers=False))
    title = f"{diagnosis.verdict.value}: {diagnosis.source.name}"
    return PAGE.substitute(title=escape(title), style=STYLE, plotly=get_plotlyjs(), body="\n".join(body))


def _head(diagnosis: Diagnosis) -> str:
    source, history = diagnosis.source, diagnosis.history
    start = "never" if history.learning_start is None else f"step {history.learning_start:,.0f}"
    facts = f"{source.scalars:,} samples, {history.step:,.0f} environment steps, learning start {start}"
    warnings = "".join(
        f'<p class="warning">About the evidence: <b>{escape(cause.cause)}</b>. {escape(cause.evidence)}.</p>'
        for cause in diagnosis.evidence_warnings
    )
    return (
        f"<h1>Run {escape(source.name)}</h1><p class='meta'>{facts}</p>"
        f'<div class="banner {CLASSES[diagnosis.verdict]}" id="verdict"><strong>{diagnosis.verdict.value}</strong>'
        f"{escape(headline(diagnosis))}</div>{warnings}"
    )


def _causes(diagnosis: Diagnosis) -> str:
    items = "".join(
        f'<li><span class="cause">{escape(cause.cause)}</span><span class="badge">{cause.confidence}</span>'
        f'<span class="badge">rule{"s" if len(cause.rules) > 1 else ""} {", ".join(map(str, cause.rules))}</span>'
        f"<br>{escape(CAUSES[cause.cause].meaning)} <span class='meta'>{escape(cause.evidence)}.</span></li>"
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
    for index, (chart, figure) in enumerate(figures(diagnosis), 1 + (course is not None)):
        parts.append(_plot(figure, index, chart.title, chart.caption))
    return "".join(parts)


def _plot(figure: go.Figure, index: int, title: str, caption: str) -> str:
    plot = figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}, div_id=f"figure-{index}")
    return f"<figure>{plot}<figcaption><b>Figure {index}. {escape(title)}.</b> {escape(caption)}</figcaption></figure>"


def _section(diagnosis: Diagnosis, key: str, index: int) -> str:
    logged = logged_table(diagnosis.history, key)
    parts = [f"<h2>{index}. {escape(SECTIONS[key].title)}</h2>"]
    parts.append(_table(logged) + _table(regime_table(diagnosis.history, key)) if logged.rows else "<p>No series of this section was found.</p>")
    lines = readings(diagnosis, key)
    if lines:
        parts.append(_list("Reading", lines, level=3))
    absent = missing_series(diagnosis.history, key)
    if absent:
        parts.append(f'<p class="note">Missing series: {escape(", ".join(absent))}.</p>')
    return "".join(parts)


def _findings(diagnosis: Diagnosis) -> str:
    rows = "".join(
        f"<tr><td>{finding.rule}</td><td>{escape(finding.title)}</td><td class='{finding.severity.value}'>{finding.severity.value}</td>"
        f"<td>{'' if finding.first_step is None else f'{finding.first_step:,.0f}'}</td><td>{escape(finding.evidence)}</td>"
        f"<td>{escape(finding.refuted_by)}</td></tr>"
        for finding in sorted(diagnosis.findings, key=lambda item: (_weight(item.severity), item.rule))
    )
    head = "<tr><th>Rule</th><th>Name</th><th>Severity</th><th>From step</th><th>Evidence</th><th>Refuted by</th></tr>"
    return f"<h2>Findings</h2><table id='findings'><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _weight(severity: Severity) -> int:
    return (Severity.CRITICAL, Severity.INSUFFICIENT, Severity.WARN, Severity.INFO).index(severity)


def _unjudged(diagnosis: Diagnosis) -> str:
    lines = [f"{item.rule} {item.title}: {item.reason}" for item in diagnosis.outcomes if item.reason]
    quiet = ", ".join(f"{item.rule} {item.title}" for item in diagnosis.outcomes if item.status == "quiet")
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
    return f"<table{' class=numbers' if numbers else ''}>{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
