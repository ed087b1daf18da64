# SPDX-License-Identifier: Apache-2.0
"""Tables keep their columns on terminals that lack characters, though what stands for these is longer."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from td3_driving.doctor.plain_console import PlainConsole, shown, shown_text
from td3_driving.doctor.plain_text import ERRORS, speak_plainly

CELLS = st.text(st.sampled_from("ab ³→–…ß日·≤"), max_size=8)


def printed(encoding: str, width: int, thing: object, **options: Any) -> list[str]:
    """The lines of ``thing`` on a terminal of that encoding."""
    speak_plainly()
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding, errors=ERRORS, write_through=True)
    PlainConsole(file=file, width=width, highlight=False).print(thing, **options)
    return written.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_columns_of_a_table_stay_straight(encoding: str) -> None:
    table = Table("metric", "unit", "value")
    table.add_row("jerk", "m/s³", "1.0")
    table.add_row("speed", "m/s", "→ 2")
    lines = printed(encoding, 60, table)
    assert len({len(line) for line in lines}) == 1
    assert any(("m/s³" if encoding != "ascii" else "m/s^3") in line for line in lines)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), st.integers(30, 60))
def test_any_table_is_straight_in_ascii(rows: list[tuple[str, str]], width: int) -> None:
    table = Table("größe", "m/s³")
    for first, second in rows:
        table.add_row(first, Text(second, style="red"))
    lines = printed("ascii", width, table)
    assert len({len(line) for line in lines}) == 1 and len(lines[0]) <= width


def test_a_panel_is_straight_and_a_cut_line_fits() -> None:
    lines = printed("ascii", 40, Panel(Text("3 m/s³ → " * 9), title="–"))
    assert {len(line) for line in lines} == {40}
    (line,) = printed("ascii", 40, Text("alarms – " * 9), no_wrap=True, overflow="ellipsis")
    assert len(line) <= 40 and "alarms - alarms" in line
    (live,) = printed("ascii", 40, Group(Text("alarms – " * 9, no_wrap=True, overflow="ellipsis")))
    assert len(live) <= 40


def test_styles_stay_on_their_letters() -> None:
    text = Text("a³b")
    text.stylize("red", 2, 3)
    plain = shown_text(text, "ascii")
    assert plain.plain == "a^3b"
    assert [(span.start, span.end) for span in plain.spans] == [(3, 4)]
    assert shown("m/s³", "latin-1") == "m/s³"
