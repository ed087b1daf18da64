# SPDX-License-Identifier: Apache-2.0
"""What a terminal cannot show is written with what it can."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.doctor.plain_text import ascii_asked, plain

from ..shared.patience import HANG

PRINTS = """
import sys
from rich.console import Console
from rich.table import Table
from td3_driving.doctor.plain_text import speak_plainly
speak_plainly()
table = Table("jerk (m/s³)", "größe · –")
table.add_row("→ 1 ≤ 2", "日本")
Console(width=60).print(table)
print("█▁ … “x” 5 °")
print("err –", file=sys.stderr)
"""


@given(st.text())
def test_plain_text_is_ascii_and_ascii_stays(text: str) -> None:
    assert plain(text).isascii()
    assert plain(plain(text)) == plain(text)


def test_what_stands_for_what() -> None:
    assert plain("3 m/s³ – a · b → ü ≤ 日…") == "3 m/s^3 - a | b -> u <= ?..."


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "C", "PYTHONUTF8": "1"}, False),
        ({"LANG": "C", "PYTHONIOENCODING": "latin-1"}, False),
        ({}, False),
    ],
)
def test_locale_c_is_ascii_where_the_user_named_it(variables: dict[str, str], asked: bool) -> None:
    assert ascii_asked(variables) is asked


@pytest.mark.parametrize(
    ("variables", "encoding"),
    [
        ({"PYTHONIOENCODING": "ascii"}, "ascii"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252"),
        ({"LANG": "C", "LC_ALL": ""}, "ascii"),
        ({"LC_ALL": "C"}, "ascii"),
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8"),
    ],
)
def test_programs_end_well_on_every_terminal(variables: dict[str, str], encoding: str) -> None:
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PRINTS], env=environment, capture_output=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding) + done.stderr.decode(encoding)
    shown = "jerk (m/s³)" if encoding in ("latin-1", "cp1252", "utf-8") else "jerk (m/s^3)"
    assert shown in text and ("err -" in text or encoding in ("utf-8", "cp1252"))
    assert "Error" not in text
