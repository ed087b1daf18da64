# SPDX-License-Identifier: Apache-2.0
"""The order in which several processes get the tests."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ..shared import scheduling

ROOT = Path(__file__).resolve().parents[2]


def items(*names: str) -> list[Any]:
    return [SimpleNamespace(nodeid=name, fixturenames=("domain_id",) if "graph" in name else ()) for name in names]


@pytest.mark.parametrize(
    "line", [*scheduling.WAITING, *scheduling.COMPUTING, *sorted(scheduling.APART), *scheduling.TOGETHER]
)
def test_every_line_names_what_there_is(line: str) -> None:
    path, _, test = line.partition("::")
    assert (ROOT / path).exists()
    if test:
        assert f"def {test.split('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")


def test_no_line_is_in_both_tables() -> None:
    assert not scheduling.WAITING.keys() & scheduling.COMPUTING.keys()


def test_those_that_wait_are_spread_among_those_that_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares that come before: waiting 0, 6/10; computing 0, 4/8, 7/8; then what starts a graph, then the rest."""
    monkeypatch.setattr(scheduling, "APART", {"apart.py"})
    monkeypatch.setattr(scheduling, "WAITING", {"w.py": 6, "apart.py::slow": 4})
    monkeypatch.setattr(scheduling, "COMPUTING", {"c.py": 4, "apart.py": 1, "apart.py::one": 3})
    given = ("rest.py::a", "graph.py::a", "apart.py::other[1]", "apart.py::one[x::y]", "apart.py::slow")
    found = scheduling.in_order(items(*given, "c.py::a", "w.py::a", "c.py::b", "rest.py::b"))
    assert [item.nodeid for item in found] == [
        *("w.py::a", "c.py::a", "c.py::b", "apart.py::one[x::y]", "apart.py::slow"),
        *("apart.py::other[1]", "graph.py::a", "rest.py::a", "rest.py::b"),
    ]


def test_units_are_tests_files_and_folders() -> None:
    assert scheduling.unit_of("tests/nodes/test_bad_input.py::test_a[1]") == "tests/nodes/test_bad_input.py::test_a[1]"
    assert scheduling.unit_of("tests/doctor/test_cli.py::test_a") == "tests/doctor/test_cli.py"
    assert scheduling.unit_of("tests/conformance/test_conformance.py::test_a") == "tests/conformance/"


@pytest.mark.parametrize(("cores", "processes"), [(1, 2), (2, 4), (4, 8)])
def test_there_are_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch, cores: int, processes: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert scheduling.process_count() == processes
