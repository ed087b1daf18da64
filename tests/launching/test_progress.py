# SPDX-License-Identifier: Apache-2.0
"""The line of progress and the log above it."""

from __future__ import annotations

import io
import json
import re
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


@pytest.mark.parametrize("width", [30, 40, 50, 80, 100, 200])
@pytest.mark.parametrize(
    "alarms", [[], ["Q explosion"], ["Q explosion", "actions at their bound", "clip", "nothing learned"]]
)
def test_narrow_terminals_show_alarms_and_time_left(width: int, alarms: list[str]) -> None:
    fields = {**FIELDS, "step": 123456, "steps": 1000000, "seconds_left": 7260, "alarms": alarms}
    waits = "the simulator: no frame for 12 s; missing: rgb_front, odometry and objects of actor_0"
    for line in (render(fields, width), render({**fields, "waits": waits}, width)):
        assert len(line) <= width
        assert "121 min 00 s left" in line
        if width < 80:
            assert line.endswith("no alarms") if not alarms else re.search(r"alarms?(: .*)?$", line)
    line = render(fields, width)
    if width >= 80:
        assert ("no alarms" if not alarms else "alarms: Q explosion") in line


def test_what_is_waited_for_is_cut_before_the_alarms_are() -> None:
    fields = {**FIELDS, "waits": "the simulator: no frame for 12 s; missing: odometry", "alarms": ["Q explosion"]}
    assert "missing: odometry · alarms: Q explosion" in render(fields)
    assert render(fields, 80) == "step 1,500/6,000 · 1 min 30 s left · waits for the simulator: no fram… · 1 alarm"
    assert render(fields, 40) == "step 1,500 · 1 min 30 s left · 1 alarm"
    assert render(fields, 30) == "1 min 30 s left · 1 alarm"


def test_alarms_that_do_not_fit_are_counted() -> None:
    fields = {**FIELDS, "alarms": ["one", "two", "three"]}
    assert render(fields, 60).endswith("alarms: one, two, three")
    assert render(fields, 57).endswith("alarms: one, two +1")
    assert render(fields, 10) == "1 min 30 s left · 3 alarms"


def test_live_line_fits_the_terminal() -> None:
    output = io.StringIO()
    with Screen(Console(file=output, force_terminal=True, width=80)) as screen:
        screen.line("diagnostics", MARK + json.dumps({**FIELDS, "alarms": ["Q explosion", "bound"]}))
    assert "1 min 30 s left · alarms: Q explosion, bound" in output.getvalue()
