# SPDX-License-Identifier: Apache-2.0
"""The layout of the live page: what is seen at first sight."""

from __future__ import annotations

import rerun as rr
import rerun.blueprint as rrb
from rerun.blueprint.encodings import TextLogColumnKind

from td3_driving.live import entities
from td3_driving.live.page import STEP, TIME

ABOVE, BEHIND, AHEAD = 45.0, 22.0, 14.0
"""Where the map is seen from, relative to the vehicle, and the place ahead of it in the middle of the picture [m]."""
WINDOW = {TIME: 60.0, STEP: 400}
"""How much of the past the fast curves show: seconds, environment steps."""


def layout(timeline: str, learns: bool) -> rrb.Blueprint:
    """The page of a run or a drive.

    Args:
        timeline: what the curves run over, :data:`TIME` or :data:`STEP`.
        learns: whether there are estimates of Q to show.
    """
    left = rrb.Vertical(
        rrb.Spatial2DView(origin=entities.CAMERA, name="Camera"),
        rrb.TextLogView(origin=entities.ALARMS, name="Alarms and events", columns=_columns()),
        row_shares=[1.6, 1.0],
    )
    middle = rrb.Vertical(_map(), rrb.TextDocumentView(origin=entities.STATUS, name="State"), row_shares=[1.6, 1.0])
    right = rrb.Vertical(*_curves(timeline, learns))
    return rrb.Blueprint(
        rrb.Horizontal(left, middle, right, column_shares=[1.25, 1.0, 1.1]),
        rrb.BlueprintPanel(state="hidden"),
        rrb.SelectionPanel(state="hidden"),
        rrb.TimePanel(state="collapsed", timeline=timeline, play_state="following"),
        auto_layout=False,
        auto_views=False,
    )


def _map() -> rrb.Spatial3DView:
    """The map from above, turned and moved with the vehicle."""
    eye = rrb.EyeControls3D(position=(-BEHIND, 0.0, ABOVE), look_target=(AHEAD, 0.0, 0.0), eye_up=(0.0, 0.0, 1.0))
    white = rrb.Background(kind=rrb.BackgroundKind.SolidColor, color=(245, 246, 248))
    return rrb.Spatial3DView(
        origin=entities.CAR,
        contents=f"/{entities.MAP}/**",
        name="Map from above",
        background=white,
        line_grid=False,
        eye_controls=eye,
    )


def _columns() -> rrb.TextLogColumns:
    return rrb.TextLogColumns(text_log_columns=[TextLogColumnKind.LogLevel, TextLogColumnKind.Body])


def _curves(timeline: str, learns: bool) -> list[rrb.TimeSeriesView]:
    recent, legend = _recent(timeline), rrb.PlotLegend(corner=rrb.Corner2D.LeftTop)
    no_legend = rrb.PlotLegend(visible=False)
    speed = rrb.TimeSeriesView(
        origin="driving", contents="/driving/speed", name="Speed [km/h]", time_ranges=recent, plot_legend=no_legend
    )
    driving = rrb.TimeSeriesView(
        origin="driving",
        contents=["/driving/action", "/driving/lane_error"],
        name="Steer, drive [-1, 1] and lane error [m]",
        time_ranges=recent,
        plot_legend=legend,
    )
    # The legend of this panel has room for the terms only.
    name = "Reward of a step (black) and its terms"
    reward = rrb.TimeSeriesView(origin="reward", name=name, time_ranges=recent, plot_legend=legend)
    if not learns:
        return [reward, speed, driving]
    values = rrb.TimeSeriesView(origin=entities.Q_VALUES, name="Estimates of Q", plot_legend=legend)
    return [reward, values, speed, driving]


def _recent(timeline: str) -> rr.VisibleTimeRange:
    if timeline == STEP:
        start = rr.TimeRangeBoundary.cursor_relative(seq=-int(WINDOW[STEP]))
    else:
        start = rr.TimeRangeBoundary.cursor_relative(seconds=-WINDOW[TIME])
    return rr.VisibleTimeRange(timeline, start=start, end=rr.TimeRangeBoundary.cursor_relative())
