# SPDX-License-Identifier: Apache-2.0
"""No change of the command gate's code goes unnoticed by its tests, but for those that are explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
PROGRAM = Path(__file__).resolve().parents[1] / "deploy" / "mutate_gate.py"
LONGEST = 4 * 3600.0
"""Minutes on a quiet machine [s]."""


def test_every_mutant_of_the_gate_is_noticed_or_explained() -> None:
    answer = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=LONGEST)
    print(answer.stdout)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 not explained" in answer.stdout
