# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

import pytest

from . import mutants
from .mutants import FAILED, HUNG, OTHER, PASSED, SOURCES, end_of, start
from .patience import HANG

FILE = "processes/exit_codes.py"


def changed() -> int:
    return int(importlib.import_module("td3_driving.processes.exit_codes").BAD_INPUT)


def wait_for_ever() -> int:
    time.sleep(HANG)
    return 0


def compute_for_ever() -> int:
    while True:
        pass


@pytest.mark.parametrize(
    ("text", "test", "end"),
    [
        ("BAD_INPUT = 0", changed, PASSED),
        ("BAD_INPUT = 1", changed, FAILED),
        ("BAD_INPUT = 5", changed, OTHER),
        ("", wait_for_ever, HUNG),
        ("", compute_for_ever, HUNG),
    ],
)
def test_a_test_that_hangs_is_told_from_one_that_fails(
    text: str, test: Callable[[], int], end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if test is compute_for_ever:
        monkeypatch.setattr(mutants, "PATIENCE", 0.2)
    if test is wait_for_ever:
        monkeypatch.setattr(mutants, "HANG", 1.0)
    monkeypatch.delitem(sys.modules, "td3_driving.processes.exit_codes", raising=False)
    assert (SOURCES / FILE).is_file()
    assert end_of(start(FILE, text, test)) == end
