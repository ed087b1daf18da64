# SPDX-License-Identifier: Apache-2.0
"""No change of the command gate's code goes unnoticed by its tests, but for those that are explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = "tests.deploy.mutate_gate"
LONGEST = 4 * 3600.0
"""Minutes on a quiet machine [s]."""


def test_every_mutant_of_the_gate_is_noticed_or_explained() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, timeout=LONGEST
    )
    print(answer.stdout)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 not explained" in answer.stdout
