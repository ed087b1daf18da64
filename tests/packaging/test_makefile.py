# SPDX-License-Identifier: Apache-2.0
"""The variables of make: unknown ones are refused before anything starts, and values reach the command whole."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..shared.patience import HANG

ROOT = Path(__file__).resolve().parents[2]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """What make would do, without doing it."""
    clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", "-n", *words], cwd=ROOT, env=clean, capture_output=True, text=True, timeout=HANG)


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("STEP=200", "STEPS"),
        ("steps=200", "STEPS"),
        ("Seeds=1", "SEED"),
        ("PROFIL=town", "PROFILE"),
        ("OPTION=x", "OPTIONS"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest(variable: str, near: str) -> None:
    for target in ("train", "build", "test"):
        done = make(target, variable)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"unknown variable {variable.partition('=')[0]}; did you mean {near}?" in done.stderr


def test_a_variable_like_no_other_is_refused_with_all() -> None:
    assert "unknown variable XYZZY; there are STEPS, SEED, " in make("train", "XYZZY=1").stderr


@pytest.mark.parametrize("variable", ["STEPS=abc", "STEPS=-5", "SEED=1.5", "SEED=0x3", "STEPS=2 000"])
def test_a_number_that_is_none_is_refused_before_anything_is_built(variable: str) -> None:
    done = make("train", variable)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{variable} is no whole number" in done.stderr


@pytest.mark.parametrize(
    "variable", ["VIEW=1", "STEPS=9", "GPU=1", "PIP_EXTRA_INDEX_URL=x", "ROS_DOMAIN_ID=3", "UPGRADE=1"]
)
def test_known_variables_are_taken(variable: str) -> None:
    assert make("train", variable).returncode == 0


def test_the_live_page_is_shown_where_it_is_asked_for() -> None:
    assert "--view" in make("train", "VIEW=1").stdout
    assert "--view" not in make("train").stdout + make("train", "VIEW=0").stdout
