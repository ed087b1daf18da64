# SPDX-License-Identifier: Apache-2.0
"""A million messages with extremes in their fields, through the callbacks of all nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

pytestmark = pytest.mark.long
NODES = Path(__file__).resolve().parents[1] / "nodes"
TESTS = (
    "vehicle/test_extremes_vehicle.py",
    "training/test_extremes.py",
    "training/test_extremes_policy.py",
    "bridge/test_extremes_bridge.py",
)
CASES = os.environ.get("TD3_DRIVING_CASES", "27000")
"""Of most kinds; a third of the steps, and a tenth of what costs milliseconds each."""
ALL, ASKED = 10**6, 27_000
"""Messages with extremes altogether, where so many of each kind are asked for."""


def test_no_node_trips_over_a_million_extreme_messages() -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-s", *(str(NODES / name) for name in TESTS)]
    environment = {**os.environ, "TD3_DRIVING_CASES": CASES}
    answer = subprocess.run(words, capture_output=True, text=True, timeout=6 * 3600.0, env=environment)
    lines = [line[line.index("{") :] for line in answer.stdout.splitlines() if '"cases"' in line]
    counted = sum(json.loads(line)["cases"] for line in lines)
    print(*lines, f"{counted:,} cases", sep="\n")
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-1000:]
    assert counted >= ALL * int(CASES) // ASKED
