# SPDX-License-Identifier: Apache-2.0
"""Inspects a policy beyond its scores: the importance of its state elements and the places it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from td3_driving.doctor.style import COLOURS, FONT, GRID
from td3_driving.evaluation.agents import PolicyAgent
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.occlusion import OcclusionMap, data_url, looks, overlays
from td3_driving.evaluation.state_importance import StateImportance, state_importance
from td3_driving.settings import Settings


@dataclass(frozen=True)
class Inspection:
    """The results that were asked for."""

    importance: StateImportance | None = None
    looks: tuple[OcclusionMap, ...] = ()


NOTHING = Inspection()
"""An empty inspection."""


def inspect(
    settings: Settings, agent: PolicyAgent, plan: EvaluationPlan, state: bool, camera: bool, tell: Callable[[str], None]
) -> Inspection:
    """Look into a policy.

    Args:
        state: what each element of the state vector is worth; camera: where it looks.
        tell: called with a line on the next step.

    Raises:
        ValueError: the plan cannot be driven.
    """
    importance = state_importance(settings, agent, plan, agent.state_names, tell) if state else None
    if camera:
        tell("where it looks")
    return Inspection(importance, tuple(looks(settings, agent, plan)) if camera else ())


def importance_figure(importance: StateImportance) -> go.Figure:
    """Bars of the lost driving score, the greatest on top."""
    drops = sorted(importance.drops(), key=lambda row: row[1])
    names, values = [name for name, _ in drops], [round(drop, 3) for _, drop in drops]
    figure = go.Figure(go.Bar(x=values, y=names, orientation="h", marker={"color": COLOURS[0]}))
    height = 90 + 18 * len(names)
    figure.update_layout(font=FONT, plot_bgcolor="white", height=height, margin={"l": 130, "r": 20, "t": 20, "b": 50})
    figure.update_xaxes(title="driving score lost [%]", gridcolor=GRID)
    return figure


def looks_html(label: str, seen: tuple[OcclusionMap, ...]) -> str:
    """The pictures side by side."""
    pictures = "".join(
        f"<figure style='display:inline-block;margin:.3rem'><img src='{data_url(picture)}' alt='frame at step"
        f" {look.step}'><figcaption>step {look.step}, at most {look.change.max():.3f}</figcaption></figure>"
        for look, picture in zip(seen, overlays(seen))
    )
    meaning = (
        "The policy's own newest frame. The redder a place, the more the action changes (Euclidean distance of steer"
        " and drive) when a grey patch covers it in all frames of the observation; one scale for all pictures."
    )
    return f"<div><p><b>Where {escape(label)} looks.</b> <span class='meta'>{meaning}</span></p>{pictures}</div>"
