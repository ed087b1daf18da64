# SPDX-License-Identifier: Apache-2.0
"""Takes each protection away, one at a time, and sees its test fall; with all of them in place the tests stand."""

from __future__ import annotations

import importlib
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.shared.mutants import start
from tools.reference.protections import SOURCES, Protection, protections

pytestmark = pytest.mark.long
REPOSITORY = Path(__file__).resolve().parents[2]
NEEDED = ("hypothesis.strategies", "numpy", "torch", "tensorboard.compat.proto.event_pb2", "plotly.graph_objects")
"""Imported once, so that each process begins with it."""
PASSED, FAILED = 0, 1
LEAST = 100


def run_test(test: str) -> int:
    """One test in this process: 0 where it passes, 1 where it fails, else another number."""
    options = ["-x", "-q", "--hypothesis-seed=0", "-p", "no:warnings", f"--rootdir={REPOSITORY}"]
    return int(pytest.main([*options, str(REPOSITORY / test)]))


def outcome(file: str, text: str, test: str) -> int:
    """The same in a process of its own, against ``text`` in place of ``file``; who hangs has failed."""
    _, status = os.waitpid(start(file, text, partial(run_test, test)), 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else FAILED


def without(protection: Protection) -> str:
    """What is wrong when ``protection`` is taken away; "" where its test falls then, and stands before."""
    text = (SOURCES / protection.file).read_text(encoding="utf-8")
    before = outcome(protection.file, text, protection.test)
    after = outcome(protection.file, protection.taken_away(), protection.test)
    if (before, after) == (PASSED, FAILED):
        return ""
    return f"{protection.protects}: {protection.test} ends with {before} before and {after} after it is taken away"


def test_without_any_protection_its_test_falls() -> None:
    for name in NEEDED:
        with suppress(ImportError):
            importlib.import_module(name)
    found = protections()
    assert len(found) > LEAST
    assert [fault for one in found if (fault := without(one))] == []
