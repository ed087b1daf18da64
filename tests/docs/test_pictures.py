# SPDX-License-Identifier: Apache-2.0
"""The program that draws the picture of a run refuses in one sentence what it cannot draw."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..shared.patience import HANG
from .blocks import ROOT


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        ("picture.png", "error: runs/latest/config.yaml: No such file or directory"),
        ("no/picture.png", "cannot be written"),
    ],
)
def test_before_any_run_there_is_nothing_to_draw(picture: str, says: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src" / "td3_driving"), *sys.path])}
    words = [sys.executable, str(ROOT / "docs" / "make_picture.py"), "runs/latest", picture]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 2 and done.stdout == ""
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
