"""Figures of a run, with the moments that matter marked: learning start, evaluations, the first firing of each rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from td3_driving.doctor.aliases import REWARD_PARTS
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.findings import Severity
from td3_driving.doctor.history import History
from td3_driving.doctor.rules.quantities import return_bound
from td3_driving.doctor.rules.values import ReturnBound
from td3_driving.doctor.sections import label

INK, GRID = "#222222", "#e6e6e6"
# Okabe and Ito's palette, which readers with any colour vision can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
MARKS = {Severity.CRITICAL: "#B00020", Severity.WARN: "#B36B00", Severity.INSUFFICIENT: "#B36B00"}
FONT = {"family": "Charter, 'Bitstream Charter', Georgia, 'Times New Roman', serif", "size": 13, "color": INK}
LOG_DECADES = 1.5
MOST_EVALUATIONS = 40


@dataclass(frozen=True)
class Chart:
    """Title, caption, series with the sign to show them with, unit of the ordinate, rules that are marked in it."""

    title: str
    caption: str
    series: tuple[tuple[str, float], ...]
    unit: str
    rules: tuple[int, ...]
    points: bool = False


CHARTS = (
    Chart(
        "Q as the actor sees it, and Q on replay actions",
        "With correct wiring the two lie on each other.",
        (("actor_q", 1.0), ("actor_loss", -1.0), ("q1", 1.0), ("q2", 1.0), ("target_q", 1.0)),
        "value",
        (1, 2, 3, 29, 36),
    ),
    Chart(
        "Critic loss",
        "Mean squared temporal-difference error of both twins.",
        (("critic_loss", 1.0),),
        "loss",
        (29, 36),
    ),
    Chart(
        "Gradient norms",
        "L2 norms as logged; those before clipping where the run has them.",
        tuple(
            (f"grad_{network}_{part}", 1.0) for network in ("actor", "critic") for part in ("cnn", "mlp", "pre", "post")
        ),
        "norm",
        (5, 7, 14, 15, 37),
    ),
    Chart(
        "Episode length",
        "One point per episode, placed at the step at which it ended.",
        (("episode_length", 1.0), ("episode_length_mean", 1.0)),
        "steps",
        (19, 21, 22, 23),
        points=True,
    ),
    Chart(
        "Episode return",
        "Undiscounted, one point per episode.",
        (("episode_return", 1.0), ("episode_return_mean", 1.0), ("eval_return", 1.0)),
        "return",
        (9, 19, 21, 23, 30),
        points=True,
    ),
    Chart("Speed", "Samples of single steps.", (("speed", 1.0),), "km/h", (18, 23), points=True),
    Chart(
        "Reward and its components",
        "Samples of single steps, or means over the steps between two points.",
        (("step_reward", 1.0), ("part_total", 1.0), *((part, 1.0) for part in REWARD_PARTS)),
        "reward",
        (18, 24, 25, 26, 27),
    ),
    Chart(
        "Policy",
        "Mean of the policy's parameters: a flat line is a policy that no longer learns.",
        (("param_mean_actor", 1.0),),
        "parameter mean",
        (6, 8),
    ),
    Chart(
        "Updates",
        "Counted updates; the slope is the number of updates per step.",
        (("updates", 1.0),),
        "updates",
        (10, 28, 32),
    ),
)


def figures(diagnosis: Diagnosis) -> list[tuple[Chart, go.Figure]]:
    """The charts for which the run has series, in reading order."""
    made = []
    for chart in CHARTS:
        figure = _figure(chart, diagnosis)
        if figure.data:
            made.append((chart, figure))
    return made


def _figure(chart: Chart, diagnosis: Diagnosis) -> go.Figure:
    history = diagnosis.history
    figure = go.Figure()
    values = []
    for name, sign in chart.series:
        # Minus the loss stands in for aq only where aq itself is not logged.
        if not history.has(name) or (name == "actor_loss" and sign < 0 and history.has("actor_q")):
            continue
        steps, column, _ = history.get(name).columns()
        values.append(sign * column)
        text = "actor q (minus the actor loss)" if sign < 0 else label(name)
        figure.add_trace(_trace(chart, text, steps, sign * column, len(values) - 1))
    if figure.data:
        lay_out(figure, chart, _logarithmic(values))
        _mark(figure, diagnosis, chart)
        figure.update_layout(showlegend=len(figure.data) > 1)
        figure.update_xaxes(range=[-0.01 * history.step, 1.01 * history.step])
    return figure


def _trace(chart: Chart, name: str, steps: np.ndarray, values: np.ndarray, index: int) -> go.Scatter:
    colour = COLOURS[index % len(COLOURS)]
    return go.Scatter(
        x=steps.tolist(),
        y=[float(f"{value:.6g}") for value in values],
        name=name,
        mode="markers" if chart.points else "lines",
        marker={"size": 8 if name.startswith("eval") else 4, "color": colour, "opacity": 0.7},
        line={"width": 1.6, "color": colour, "dash": "dash" if name == "q2" else "solid"},
    )


def _logarithmic(values: list[np.ndarray]) -> bool:
    """Positive values over more than two decades are shown on a logarithmic axis."""
    merged = np.concatenate(values)
    positive = merged[merged > 0]
    if len(positive) < 0.9 * len(merged) or len(positive) == 0:
        return False
    return bool(np.log10(np.quantile(positive, 0.99) / max(np.quantile(positive, 0.01), 1e-12)) > LOG_DECADES)


def lay_out(figure: go.Figure, chart: Chart, logarithmic: bool) -> None:
    """Fonts, axes and size that all figures share; environment steps on the abscissa."""
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
    for step, (text, colour) in _firings(diagnosis, chart.rules).items():
        _line(figure, step, colour, "solid", text, 1.09)
    if any(name == "q1" for name, _ in chart.series):
        _bound(figure, history)


def _firings(diagnosis: Diagnosis, rules: tuple[int, ...]) -> dict[float, tuple[str, str]]:
    """Per step: which rules first held there, in the colour of the weightiest."""
    at: dict[float, list[tuple[int, Severity]]] = {}
    for finding in diagnosis.findings:
        if finding.rule in rules and finding.first_step is not None and finding.severity in MARKS:
            at.setdefault(finding.first_step, []).append((finding.rule, finding.severity))
    marks = {}
    for step, fired in at.items():
        numbers = sorted({rule for rule, _ in fired})
        severity = Severity.CRITICAL if any(weight is Severity.CRITICAL for _, weight in fired) else Severity.WARN
        marks[step] = (f"rule{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}", MARKS[severity])
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
    dated.sort(key=lambda finding: (finding.first_step or 0.0, finding.rule), reverse=True)
    names = [f"{finding.rule} {finding.title}" for finding in dated]
    figure = go.Figure(
        go.Scatter(
            x=[finding.first_step for finding in dated],
            y=names,
            mode="markers",
            marker={"size": 9, "color": [MARKS[finding.severity] for finding in dated], "symbol": "diamond"},
            hovertext=[finding.evidence for finding in dated],
        )
    )
    lay_out(figure, Chart("", "", (), "", ()), False)
    _mark(figure, diagnosis, Chart("", "", (), "", ()))
    rows = len(set(names))
    figure.update_layout(height=110 + 24 * rows, showlegend=False, hovermode="closest")
    figure.update_xaxes(range=[-0.02 * diagnosis.history.step, 1.02 * diagnosis.history.step])
    figure.update_yaxes(title="", type="category", automargin=True)
    return figure
