# SPDX-License-Identifier: Apache-2.0
"""Writes down when the long proofs ran, and what came of them: ``tests/long/runs.md``, which is committed."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest

RUNS = Path(__file__).resolve().with_name("runs.md")
_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep how each long test ended."""
    if "tests/long/" in report.nodeid and (report.when == "call" or report.outcome != "passed"):
        _outcomes[report.nodeid.split("::")[1]] = f"{report.outcome} in {report.duration / 60.0:.0f} min"


def pytest_sessionfinish() -> None:
    """One row for each of them."""
    if not _outcomes:
        return
    command = ["git", "describe", "--always", "--dirty"]
    version = subprocess.run(command, cwd=RUNS.parent, capture_output=True, text=True).stdout.strip() or "no checkout"
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    with RUNS.open("a", encoding="utf-8") as table:
        table.writelines(f"| {today} | {version} | `{name}` | {outcome} |\n" for name, outcome in _outcomes.items())
