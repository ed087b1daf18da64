# SPDX-License-Identifier: Apache-2.0
"""The line of progress and the log above it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from td3_driving.launching.progress import MARK, Screen, parse, render

FIELDS: dict[str, Any] = {
    "step": 1500,
    "steps": 6000,
    "episode": 3,
    "return": -2.25,
    "steps_per_second": 50.0,
    "updates_per_second": 12.5,
    "q_ratio": 1.04,
    "seconds_left": 90.4,
    "alarms": [],
}


def test_line_says_everything() -> None:
    assert render(FIELDS) == (
        "step 1,500/6,000 · episode 3 · return -2.2 · 50.0 steps/s · 12.5 updates/s · Q ratio 1.04 · "
        "1 min 30 s left · no alarms"
    )


@pytest.mark.parametrize("unknown", [None, float("nan"), "n/a"])
def test_missing_is_shown_as_missing(unknown: object) -> None:
    line = render({**FIELDS, "q_ratio": unknown, "seconds_left": unknown})
    assert "Q ratio –" in line
    assert "– left" in line


def test_alarms_are_named() -> None:
    assert render({**FIELDS, "alarms": ["q explosion", "clip"]}).endswith("alarms: q explosion, clip")


@pytest.mark.parametrize("line", ["hello", MARK + "{", MARK + "[1]", " " + MARK + "{}"])
def test_other_lines_are_no_progress(line: str) -> None:
    assert parse(line) is None


def test_plain_output_gets_a_line_every_ten_seconds() -> None:
    now = [0.0]
    output = io.StringIO()
    with Screen(Console(file=output, width=200), clock=lambda: now[0]) as screen:
        screen.line("policy", "ready")
        for step in range(40):
            now[0] = 0.5 * step
            screen.line("diagnostics", MARK + json.dumps({"step": step}))
    lines = output.getvalue().splitlines()
    assert lines[0] == "[policy] ready"
    assert [line.split("/")[0] for line in lines[1:]] == ["step 0", "step 20"]


def test_terminal_shows_logs_above_one_live_line() -> None:
    output = io.StringIO()
    with Screen(Console(file=output, force_terminal=True, width=200)) as screen:
        screen.line("diagnostics", MARK + json.dumps(FIELDS))
        screen.line("policy", "[brackets] are kept")
    assert "no alarms" in output.getvalue()
    assert "[brackets] are kept" in output.getvalue()
