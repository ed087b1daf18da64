# SPDX-License-Identifier: Apache-2.0
"""Figures of a run. They mark learning start, evaluations, and the step at which each rule first held."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from td3_driving.doctor.charts import CHARTS, Chart, titled
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import Severity
from td3_driving.doctor.history import History
from td3_driving.doctor.rules.bound import ReturnBound
from td3_driving.doctor.rules.quantities import return_bound
from td3_driving.doctor.scope import ON_POLICY
from td3_driving.doctor.section_tables import label
from td3_driving.doctor.style import COLOURS, FONT, GRID, INK

MARKS = {Severity.CRITICAL: "#B00020", Severity.WARN: "#B36B00", Severity.INSUFFICIENT: "#B36B00"}
LOG_DECADES = 1.5
MOST_EVALUATIONS = 40


def figures(diagnosis: Diagnosis) -> list[tuple[Chart, go.Figure]]:
    """The charts for which the run has series, in reading order."""
    made = []
    for chart in CHARTS:
        figure, drawn = _figure(chart, diagnosis)
        if figure.data:
            made.append((titled(chart, drawn), figure))
    return made


def _figure(chart: Chart, diagnosis: Diagnosis) -> tuple[go.Figure, list[str]]:
    """The figure, and the series that are drawn in it."""
    history = diagnosis.history
    figure = go.Figure()
    values, drawn = [], []
    for name, sign in _drawable(history, chart):
        # Minus the loss replaces aq only if aq is not logged. A policy gradient has no critic of actions.
        stand_in = name == "actor_loss" and sign < 0 and history.has("actor_q")
        if not history.has(name) or stand_in or (name == "critic_loss" and diagnosis.scope.family == ON_POLICY):
            continue
        steps, column, _ = history.get(name).columns()
        values.append(sign * column)
        drawn.append(name)
        text = "actor q (minus the actor loss)" if sign < 0 else label(name)
        figure.add_trace(_trace(chart, text, steps, sign * column, len(values) - 1))
    if figure.data:
        lay_out(figure, chart, _logarithmic(values))
        _mark(figure, diagnosis, chart)
        figure.update_layout(showlegend=len(figure.data) > 1)
        figure.update_xaxes(range=[-0.01 * history.step, 1.01 * history.step])
    return figure, drawn


def _drawable(history: History, chart: Chart) -> list[tuple[str, float]]:
    """The series of a chart with their signs, the terms of the reward one by one."""
    return [(name, sign) for series, sign in chart.series for name in history.expanded([series])]


def _trace(chart: Chart, name: str, steps: NDArray[np.float64], values: NDArray[np.float64], index: int) -> go.Scatter:
    colour = COLOURS[index % len(COLOURS)]
    return go.Scatter(
        x=steps.tolist(),
        y=[float(f"{value:.6g}") for value in values],
        name=name,
        mode="markers" if chart.points else "lines",
        marker={"size": 8 if name.startswith("eval") else 4, "color": colour, "opacity": 0.7},
        line={"width": 1.6, "color": colour, "dash": "dash" if name == "q2" else "solid"},
    )


def _logarithmic(values: list[NDArray[np.float64]]) -> bool:
    """Whether to use a logarithmic axis: for positive values over more than ``LOG_DECADES`` decades."""
    merged = np.concatenate(values)
    positive = merged[merged > 0]
    if len(positive) < 0.9 * len(merged) or len(positive) == 0:
        return False
    return bool(np.log10(np.quantile(positive, 0.99) / max(np.quantile(positive, 0.01), 1e-12)) > LOG_DECADES)


def lay_out(figure: go.Figure, chart: Chart, logarithmic: bool) -> None:
    """Give a figure the fonts, axes and size of all figures, with environment steps on the abscissa."""
    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "linecolor": INK,
        "ticks": "outside",
        "zeroline": False,
        "showline": True,
        "tickfont": {"size": 12},
    }
    figure.update_layout(
        template="simple_white",
        font=FONT,
        height=350,
        margin={"l": 70, "r": 20, "t": 44, "b": 60},
        legend={"orientation": "h", "y": -0.3, "x": 0},
        hovermode="x unified",
        showlegend=True,
        xaxis={
            **axis,
            "title": {"text": "environment step", "font": {"size": 13}},
            "showgrid": False,
            "separatethousands": True,
        },
        yaxis={**axis, "title": {"text": chart.unit, "font": {"size": 13}}, "showgrid": True, **_log_axis(logarithmic)},
    )


def _log_axis(logarithmic: bool) -> dict[str, Any]:
    return (
        {"type": "log", "exponentformat": "power", "dtick": 1}
        if logarithmic
        else {"exponentformat": "none", "separatethousands": True}
    )


def _mark(figure: go.Figure, diagnosis: Diagnosis, chart: Chart) -> None:
    history = diagnosis.history
    if history.learning_start is not None:
        _line(figure, history.learning_start, "#777777", "dash", "learning start", 1.0)
    for mark in history.evaluations[:MOST_EVALUATIONS]:
        _line(figure, mark, "#0072B2", "dot", "evaluation" if len(history.evaluations) <= 4 else "", 1.0)
    for step, (text, colour) in _firings(diagnosis, diagnosis.rulebook.of_chart(chart.key)).items():
        _line(figure, step, colour, "solid", text, 1.09)
    if any(name == "q1" for name, _ in chart.series):
        _bound(figure, history)
    if any(name == "episode_return" for name, _ in chart.series):
        _levels(figure, diagnosis)


def _levels(figure: go.Figure, diagnosis: Diagnosis) -> None:
    """Draw the start and end level by which learning was judged, if returns judged it."""
    learning = diagnosis.learning
    if learning.curve is None or "return" not in learning.curve.name:
        return
    for name in ("start", "end"):
        if name in learning.numbers:
            height = place = float(learning.numbers[name])
            if figure.layout.yaxis.type == "log":
                if height <= 0:
                    continue
                place = float(np.log10(height))
            line = {"color": "#555555", "width": 1, "dash": "dot"}
            figure.add_shape(type="line", x0=0, x1=1, xref="paper", y0=height, y1=height, line=line)
            figure.add_annotation(x=1, xref="paper", xanchor="left", y=place, text=name, showarrow=False)


def _firings(diagnosis: Diagnosis, rules: frozenset[str]) -> dict[float, tuple[str, str]]:
    """Step -> names of the rules that first held there, and the colour of the weightiest."""
    at: dict[float, list[tuple[str, Severity]]] = {}
    for finding in diagnosis.findings:
        if finding.rule in rules and finding.first_step is not None and finding.severity in MARKS:
            at.setdefault(finding.first_step, []).append((finding.rule, finding.severity))
    marks = {}
    for step, fired in at.items():
        names = dict.fromkeys(rule for rule, _ in fired)
        severity = Severity.CRITICAL if any(weight is Severity.CRITICAL for _, weight in fired) else Severity.WARN
        marks[step] = (", ".join(names), MARKS[severity])
    return marks


def _line(figure: go.Figure, step: float, colour: str, dash: str, text: str, height: float) -> None:
    figure.add_shape(
        type="line",
        x0=step,
        x1=step,
        y0=0,
        y1=1,
        yref="paper",
        opacity=0.85,
        line={"color": colour, "width": 1, "dash": dash},
    )
    if text:
        font = {"size": 11, "color": colour}
        figure.add_annotation(x=step, y=height, yref="paper", yanchor="bottom", text=text, showarrow=False, font=font)


def _bound(figure: go.Figure, history: History) -> None:
    bound = return_bound(history)
    if bound and figure.layout.yaxis.type == "log":
        figure.add_shape(
            type="line",
            x0=0,
            x1=1,
            xref="paper",
            y0=ReturnBound.FACTOR * bound,
            y1=ReturnBound.FACTOR * bound,
            line={"color": "#555555", "width": 1, "dash": "longdash"},
        )
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="right",
            y=float(np.log10(ReturnBound.FACTOR * bound)),
            yanchor="bottom",
            text="return bound",
            showarrow=False,
            font={"size": 11, "color": "#555555"},
        )


def timeline(diagnosis: Diagnosis) -> go.Figure | None:
    """When each rule first held."""
    dated = [finding for finding in diagnosis.findings if finding.first_step is not None and finding.severity in MARKS]
    if not dated:
        return None
    dated.sort(key=lambda finding: finding.first_step or 0.0, reverse=True)
    names = [finding.rule for finding in dated]
    figure = go.Figure(
        go.Scatter(
            x=[finding.first_step for finding in dated],
            y=names,
            mode="markers",
            marker={"size": 9, "color": [MARKS[finding.severity] for finding in dated], "symbol": "diamond"},
            hovertext=[finding.evidence for finding in dated],
        )
    )
    lay_out(figure, Chart("", "", "", (), ""), False)
    _mark(figure, diagnosis, Chart("", "", "", (), ""))
    rows = len(set(names))
    figure.update_layout(height=110 + 24 * rows, showlegend=False, hovermode="closest")
    figure.update_xaxes(range=[-0.02 * diagnosis.history.step, 1.02 * diagnosis.history.step])
    figure.update_yaxes(title="", type="category", automargin=True)
    return figure
