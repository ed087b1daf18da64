# SPDX-License-Identifier: Apache-2.0
"""Policy and gate for an hour: neither grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

pytestmark = pytest.mark.long
PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "bench_deploy.py"
MINUTES = float(os.environ.get("TD3_DRIVING_MINUTES", "60"))
GROWTH = 4.0
"""Largest growth of a process over the whole time [MiB]; an hour gave 0.5 and 1.0."""


def test_policy_and_gate_do_not_grow() -> None:
    words = [sys.executable, str(PROGRAM), "--minutes", f"{MINUTES:g}", "--profile", "quick"]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=120.0 * MINUTES + 600.0)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    print(answer.stdout)
    found = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    sizes = {line["name"]: line["resident_mib"] for line in found if "resident_mib" in line}
    assert len(sizes) == 2
    assert {name: ends for name, ends in sizes.items() if ends[1] - ends[0] > GROWTH} == {}
