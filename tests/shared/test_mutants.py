# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import signal
import sys
import time
from collections.abc import Callable

import pytest

from . import mutants
from .mutants import FAILED, HUNG, OTHER, PASSED, SOURCES, end_of, start

FILE = "processes/exit_codes.py"


def changed() -> int:
    return int(importlib.import_module("td3_driving.processes.exit_codes").BAD_INPUT)


def hang() -> int:
    signal.alarm(1)
    time.sleep(mutants.PATIENCE)
    return 0


@pytest.mark.parametrize(
    ("text", "test", "end"),
    [
        ("BAD_INPUT = 0", changed, PASSED),
        ("BAD_INPUT = 1", changed, FAILED),
        ("BAD_INPUT = 5", changed, OTHER),
        ("", hang, HUNG),
    ],
)
def test_a_test_that_hangs_is_told_from_one_that_fails(
    text: str, test: Callable[[], int], end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "td3_driving.processes.exit_codes", raising=False)
    assert (SOURCES / FILE).is_file()
    assert end_of(start(FILE, text, test)) == end
