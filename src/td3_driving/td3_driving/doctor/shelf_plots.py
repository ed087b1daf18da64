# SPDX-License-Identifier: Apache-2.0
"""Figures of a run inside the bands of healthy runs."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from td3_driving.doctor.charts import Chart
from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.plots import lay_out
from td3_driving.doctor.reference_shelf import SHARES, Placement, placed
from td3_driving.doctor.style import COLOURS

BAND_COLOUR = "rgba(0, 158, 115, 0.18)"


def shelf_figures(diagnosis: Diagnosis) -> list[tuple[Chart, go.Figure]]:
    """One chart per band whose quantity the run has."""
    return [(_chart(placement), _figure(placement)) for placement in placed(diagnosis.history)]


def _chart(placement: Placement) -> Chart:
    return Chart(placement.band.quantity, placement.band.title, placement.sentence + ".", (), "")


def _figure(placement: Placement) -> go.Figure:
    band, percent = placement.band, (100.0 * SHARES).tolist()
    figure = go.Figure()
    outline = {"x": percent, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(y=band.low.tolist(), **outline))
    filled = {**outline, "showlegend": True, "fill": "tonexty", "fillcolor": BAND_COLOUR}
    figure.add_trace(go.Scatter(y=band.high.tolist(), name=f"10 to 90 % of {band.runs} healthy runs", **filled))
    figure.add_trace(_line(percent, band.middle, "their median", COLOURS[2], 1.0))
    figure.add_trace(_line(percent, placement.values, "this run", COLOURS[0], 2.0))
    lay_out(figure, _chart(placement), False)
    figure.update_layout(height=300)
    figure.update_xaxes(title={"text": "share of the run [%]", "font": {"size": 13}}, range=[0, 102])
    return figure


def _line(percent: list[float], values: NDArray[np.float64], name: str, colour: str, width: float) -> go.Scatter:
    shown = [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
    return go.Scatter(x=percent, y=shown, name=name, mode="lines", line={"width": width, "color": colour})
