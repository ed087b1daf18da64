# SPDX-License-Identifier: Apache-2.0
"""The result of an evaluation as one self-contained page with figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from td3_driving.doctor.style import COLOURS, FONT, GRID, PAGE, STYLE
from td3_driving.evaluation.camera_ablation import DEFINITION
from td3_driving.evaluation.episode import EpisodeResult
from td3_driving.evaluation.inspection import importance_figure, looks_html
from td3_driving.evaluation.scores import IMPOSSIBLE, VERSION
from td3_driving.evaluation.table import Entry, by_scenario, rows, title

SHOWN_ROUTES = 20
"""Routes of one entry that are drawn."""
DASHES = ("solid", "dash", "dot", "dashdot")
"""Kinds of line, one an agent: they are told apart without their colours too."""
OVER_LANES = "One line per route, over the borders of the lanes (grey)."
SURROUNDINGS = 25.0
"""How far around the paths the map is drawn [m]."""
Curve = Callable[[EpisodeResult], tuple[NDArray[np.float64], NDArray[np.float64]]]


def html_report(entries: Sequence[Entry]) -> str:
    """The page as text, about 5 MB, of which nearly all is the plotting library."""
    body = ["<h1>Evaluation</h1>", f"<p class='meta'>Scores by {VERSION}. {escape(_note())}</p>"]
    for scenario, group in by_scenario(entries).items():
        body += [f"<h2>{escape(title(scenario, group))}</h2>", _table(group), *_figures(scenario, group)]
        body += _inspections(scenario, group)
    return PAGE.substitute(title="Evaluation", style=STYLE, plotly=get_plotlyjs(), body="\n".join(body))


def _note() -> str:
    impossible = f"These infractions cannot occur on the embedded simulator: {', '.join(IMPOSSIBLE)}."
    return f"{impossible} Needs its camera, {DEFINITION}."


def _table(entries: Sequence[Entry]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in ("metric", "unit", *(entry.label for entry in entries)))
    lines = ("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(entries))
    return f"<table class=numbers><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _inspections(scenario: int, entries: Sequence[Entry]) -> list[str]:
    parts = []
    for number, entry in enumerate(entries):
        importance, seen = entry.inspection.importance, entry.inspection.looks
        if importance is not None:
            name = f"What the elements of the state are worth to {entry.label}"
            note = f"Lost of a driving score of {importance.driving_score:.1f} % when an element tells nothing."
            parts.append(_plot(importance_figure(importance), f"state-{scenario}-{number}", name, note))
        if seen:
            parts.append(looks_html(entry.label, seen))
    return parts


def _figures(scenario: int, entries: Sequence[Entry]) -> list[str]:
    charts: tuple[tuple[str, str, str, Curve], ...] = (
        ("Lateral error", "route [m]", "left of the lane centre [m]", lambda r: _along(r, "lateral")),
        ("Speed", "route [m]", "speed [m/s]", lambda r: _along(r, "speed")),
    )
    parts = [
        _plot(_figure(entries, curve, across, up), f"figure-{scenario}-{number}", name)
        for number, (name, across, up, curve) in enumerate(charts)
    ]
    return [*parts, _plot(_paths(entries), f"figure-{scenario}-{len(charts)}", "Paths", OVER_LANES)]


def _paths(entries: Sequence[Entry]) -> go.Figure:
    """Where the agents drove, over the lanes near there."""
    figure = _figure(entries, lambda r: (r.log.column("x"), r.log.column("y")), "x [m]", "y [m]")
    figure.update_layout(height=560)
    figure.update_yaxes(scaleanchor="x")
    places = [np.column_stack((trace.x, trace.y)) for trace in figure.data if len(trace.x)]
    if places and entries[0].borders:
        x, y = np.round(_near(entries[0].borders, np.vstack(places)), 2).T
        line = {"width": 1.0, "color": "#999999"}
        lanes = go.Scatter(x=x, y=y, name="lanes", mode="lines", line=line, hoverinfo="skip")
        figure.add_trace(lanes)
        figure.data = (figure.data[-1], *figure.data[:-1])
    return figure


def _along(result: EpisodeResult, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return result.log.column("s"), result.log.column(name)


def _figure(entries: Sequence[Entry], curve: Curve, across: str, up: str) -> go.Figure:
    figure = go.Figure()
    for index, entry in enumerate(entries):
        line = {"width": 1.6, "color": COLOURS[index % len(COLOURS)], "dash": DASHES[index % len(DASHES)]}
        for number, result in enumerate(entry.results[:SHOWN_ROUTES]):
            x, y = (np.round(values, 3).tolist() for values in curve(result))
            figure.add_trace(
                go.Scatter(x=x, y=y, name=entry.label, legendgroup=entry.label, showlegend=not number, line=line)
            )
    margin = {"l": 60, "r": 20, "t": 20, "b": 50}
    figure.update_layout(font=FONT, plot_bgcolor="white", height=380, margin=margin, showlegend=True)
    figure.update_xaxes(title=across, gridcolor=GRID)
    figure.update_yaxes(title=up, gridcolor=GRID)
    return figure


def _near(borders: Sequence[NDArray[np.float64]], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, 2) the parts of ``borders`` around ``places`` (N, 2), with a row of NaN between two parts."""
    low, high = places.min(axis=0) - SURROUNDINGS, places.max(axis=0) + SURROUNDINGS
    gap = np.full((1, 2), np.nan)
    parts = []
    for border in borders:
        near = ((border >= low) & (border <= high)).all(axis=1, keepdims=True)
        parts += [np.where(near, border, np.nan), gap]
    rows = np.vstack(parts)
    empty = np.isnan(rows[:, 0])
    return np.asarray(rows[~(empty & np.concatenate(([True], empty[:-1])))])


def _plot(figure: go.Figure, identity: str, name: str, note: str = "One line per route.") -> str:
    config = {"displayModeBar": False, "responsive": True}
    plot = figure.to_html(full_html=False, include_plotlyjs=False, config=config, div_id=identity)
    return f"<figure>{plot}<figcaption><b>{escape(name)}.</b> {escape(note)}</figcaption></figure>"
