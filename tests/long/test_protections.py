# SPDX-License-Identifier: Apache-2.0
"""Takes each protection away, one at a time, and sees its test fall; with all of them in place the tests stand."""

from __future__ import annotations

import importlib
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.shared.mutants import FAILED, HUNG, PASSED, end_of, start
from tools.reference.protections import SOURCES, Protection, protections

pytestmark = pytest.mark.long
REPOSITORY = Path(__file__).resolve().parents[2]
NEEDED = ("hypothesis.strategies", "numpy", "torch", "tensorboard.compat.proto.event_pb2", "plotly.graph_objects")
"""Imported once, so that each process begins with it."""
ENDS = {PASSED: "passes", FAILED: "fails", HUNG: "hangs"}
LEAST = 100


def run_test(test: str) -> int:
    """One test in this process: 0 where it passes, 1 where it fails, else another number."""
    options = ["-x", "-q", "--hypothesis-seed=0", "-p", "no:warnings", f"--rootdir={REPOSITORY}"]
    return int(pytest.main([*options, str(REPOSITORY / test)]))


def outcome(file: str, text: str, test: str) -> int:
    """The same in a process of its own, against ``text`` in place of ``file``."""
    return end_of(start(file, text, partial(run_test, test)))


def without(protection: Protection) -> str:
    """What is wrong when ``protection`` is taken away; "" where its test falls then, and stands before."""
    text = (SOURCES / protection.file).read_text(encoding="utf-8")
    before = outcome(protection.file, text, protection.test)
    after = outcome(protection.file, protection.taken_away(), protection.test)
    wanted = -signal.Signals[protection.ends_by] if protection.ends_by else FAILED
    if (before, after) == (PASSED, wanted):
        return ""
    first, second = (ENDS.get(end, f"ends with {end}") for end in (before, after))
    return f"{protection.protects}: {protection.test} {first} before it is taken away and {second} after"


def test_without_any_protection_its_test_falls() -> None:
    for name in NEEDED:
        with suppress(ImportError):
            importlib.import_module(name)
    found = protections()
    assert len(found) > LEAST
    assert [fault for one in found if (fault := without(one))] == []
