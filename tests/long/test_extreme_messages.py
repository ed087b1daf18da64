# SPDX-License-Identifier: Apache-2.0
"""A million messages of each kind with extremes in their fields, through the callbacks of the nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

pytestmark = pytest.mark.long
TESTS = Path(__file__).resolve().parents[1] / "nodes" / "training" / "test_extremes.py"
CASES = os.environ.get("TD3_DRIVING_CASES", str(10**6))


def test_no_node_trips_over_a_million_extreme_messages() -> None:
    words = [sys.executable, "-m", "pytest", "-q", str(TESTS)]
    environment = {**os.environ, "TD3_DRIVING_CASES": CASES}
    answer = subprocess.run(words, capture_output=True, text=True, timeout=6 * 3600.0, env=environment)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-1000:]
